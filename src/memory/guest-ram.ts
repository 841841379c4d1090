import { assert } from '../base/assert.ts';
import type { MemorySource } from '../contract/port.ts';
import { FreeRuns } from './free-runs.ts';
import { PAGE_BYTES, livePages, putPages, type LivePage } from './live-pages.ts';
import { freshMemory } from './recycled-memory.ts';

export { PAGE_BYTES };
/** What one entry of an I/O page table can map. */
export const BLOCK_BYTES = 2 * 1024 * 1024;
const BLOCK_PAGES = BLOCK_BYTES / PAGE_BYTES;

/** A domain's memory at rest. */
export interface SavedRam {
  readonly size: number;
  readonly untouched: number;
  readonly taken: readonly { readonly address: number; readonly size: number }[];
  readonly pages: readonly LivePage[];
}

/**
 * A domain's memory: zeroed pages, given out first fit and zeroed again before they are given out anew. What is as
 * large as a block begins on one where there is room for that.
 */
export class GuestRam {
  readonly memory: SharedArrayBuffer;
  /** Where all memory of its domain comes from. */
  readonly source: MemorySource;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;
  /** Of pages. */
  readonly #free: FreeRuns;
  /** Sizes as they were asked for, by address. */
  readonly #taken = new Map<number, number>();
  /** Pages from here on were never given out, so they are still zero. */
  #untouched = 0;

  constructor(size: number, source: MemorySource = freshMemory) {
    assert(size > 0 && size % PAGE_BYTES === 0, 'guest memory is whole pages');
    this.source = source;
    this.memory = source.shared(size);
    this.#bytes = new Uint8Array(this.memory);
    this.#free = new FreeRuns(0, size / PAGE_BYTES);
  }

  get size(): number {
    return this.memory.byteLength;
  }

  get freeBytes(): number {
    return this.#free.total * PAGE_BYTES;
  }

  /** Address of `size` zeroed bytes, or `undefined` when no run of free pages is that long. */
  allocate(size: number): number | undefined {
    const pages = pagesOf(size);
    const first =
      (pages >= BLOCK_PAGES ? this.#free.take(pages, BLOCK_PAGES) : undefined) ?? this.#free.take(pages);
    if (first === undefined) return undefined;
    const address = first * PAGE_BYTES;
    const end = address + pages * PAGE_BYTES;
    if (address < this.#untouched) this.#bytes.fill(0, address, Math.min(end, this.#untouched));
    this.#untouched = Math.max(this.#untouched, end);
    this.#taken.set(address, size);
    return address;
  }

  /** Whether `address` is an allocation that can be freed; frees it. */
  free(address: number): boolean {
    const size = this.#taken.get(address);
    if (size === undefined) return false;
    this.#taken.delete(address);
    this.#free.give(address / PAGE_BYTES, pagesOf(size));
    return true;
  }

  /** What was asked for when `address` was given out; nothing when it is not. */
  sizeAt(address: number): number | undefined {
    return this.#taken.get(address);
  }

  save(): SavedRam {
    const taken = [...this.#taken].map(([address, size]) => ({ address, size }));
    const { pages } = livePages(this.#bytes);
    return { size: this.size, untouched: this.#untouched, taken, pages };
  }

  /** Gives memory of which nothing was given out what another one of its size held. */
  restore({ size, untouched, taken, pages }: SavedRam): void {
    assert(size === this.size && this.#taken.size === 0, 'memory is restored into fresh memory of its size');
    putPages(this.#bytes, pages);
    this.#untouched = untouched;
    for (const run of [...taken].sort((a, b) => a.address - b.address)) {
      this.#free.claim(run.address / PAGE_BYTES, pagesOf(run.size));
      this.#taken.set(run.address, run.size);
    }
  }

  view(address: number, size: number): Uint8Array<SharedArrayBuffer> {
    return this.#bytes.subarray(address, address + size);
  }
}

const pagesOf = (size: number): number => Math.max(1, Math.ceil(size / PAGE_BYTES));
