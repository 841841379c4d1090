import { assert } from '../base/assert.ts';

export const PAGE_BYTES = 4096;

/** A domain's memory: zeroed pages, given out first fit and zeroed again before they are given out anew. */
export class GuestRam {
  readonly memory: SharedArrayBuffer;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  /** Free runs of pages, by first page, in ascending order, never touching each other. */
  #free: { first: number; count: number }[];
  readonly #taken = new Map<number, number>();
  /** Pages from here on were never given out, so they are still zero. */
  #untouched = 0;

  constructor(size: number) {
    assert(size > 0 && size % PAGE_BYTES === 0, 'guest memory is whole pages');
    this.memory = new SharedArrayBuffer(size);
    this.#bytes = new Uint8Array(this.memory);
    this.#free = [{ first: 0, count: size / PAGE_BYTES }];
  }

  get size(): number {
    return this.memory.byteLength;
  }

  get freeBytes(): number {
    return this.#free.reduce((total, run) => total + run.count, 0) * PAGE_BYTES;
  }

  /** Address of `size` zeroed bytes, or `undefined` when no run of free pages is that long. */
  allocate(size: number): number | undefined {
    const pages = Math.max(1, Math.ceil(size / PAGE_BYTES));
    const run = this.#free.find((candidate) => candidate.count >= pages);
    if (run === undefined) return undefined;
    const address = run.first * PAGE_BYTES;
    run.first += pages;
    run.count -= pages;
    if (run.count === 0) this.#free = this.#free.filter((other) => other !== run);
    const end = address + pages * PAGE_BYTES;
    if (address < this.#untouched) this.#bytes.fill(0, address, Math.min(end, this.#untouched));
    this.#untouched = Math.max(this.#untouched, end);
    this.#taken.set(address, pages);
    return address;
  }

  /** Whether `address` is an allocation that can be freed; frees it. */
  free(address: number): boolean {
    const count = this.#taken.get(address);
    if (count === undefined) return false;
    this.#taken.delete(address);
    const first = address / PAGE_BYTES;
    const runs = [...this.#free, { first, count }].sort((a, b) => a.first - b.first);
    this.#free = [];
    for (const run of runs) {
      const last = this.#free.at(-1);
      if (last !== undefined && last.first + last.count === run.first) last.count += run.count;
      else this.#free.push(run);
    }
    return true;
  }

  view(address: number, size: number): Uint8Array<SharedArrayBuffer> {
    return this.#bytes.subarray(address, address + size);
  }
}
