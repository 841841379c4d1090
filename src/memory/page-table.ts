// A two-level I/O page table in shared memory. The hypervisor alone writes entries and EPOCH; the coprocessor only
// reads. An entry that may be in use is taken away in three steps: clear it, raise EPOCH, and wait until the
// coprocessor has said that it uses no translation older than that. Only then may the memory be used for anything else.

import { assert } from '../base/assert.ts';
import { PAGE_BYTES } from './guest-ram.ts';

export const RIGHT = { read: 1 << 1, write: 1 << 2 } as const;
export type Rights = number;

export const BLOCK_BYTES = 2 * 1024 * 1024;
const PAGES_PER_BLOCK = BLOCK_BYTES / PAGE_BYTES;

export const EPOCH = 0;
const ROOT = 64;
const ROOT_ENTRIES = 2048;
const TABLES = ROOT + ROOT_ENTRIES;

const VALID = 1 << 0;
const BLOCK = 1 << 3;
const FRAME_SHIFT = 12;

/** The lowest address that is ever given to firmware: a null or near-null address always faults. */
const FIRST_IOVA = BLOCK_BYTES;

/**
 * The hypervisor's side of one address space: which pages of one domain's memory a context reaches,
 * at which I/O virtual addresses.
 */
export class AddressSpace {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #tables: number;
  /** Free I/O virtual address runs, ascending. */
  #free: { first: number; bytes: number }[];
  readonly #mapped = new Map<number, { bytes: number }>();
  readonly #tableOf = new Map<number, number>();
  readonly #spareTables: number[] = [];

  /** `ramBytes`: the size of the domain's memory; it can be mapped about twice over, as far as 4 GiB go. */
  constructor(ramBytes: number) {
    this.#tables = Math.min(2 * Math.ceil(ramBytes / BLOCK_BYTES) + 2, ROOT_ENTRIES - 1);
    this.memory = new SharedArrayBuffer((TABLES + this.#tables * PAGES_PER_BLOCK) * 4);
    this.#words = new Int32Array(this.memory);
    for (let table = this.#tables - 1; table >= 0; table--) this.#spareTables.push(table);
    this.#free = [{ first: FIRST_IOVA, bytes: this.#tables * BLOCK_BYTES }];
  }

  get mappedBytes(): number {
    let total = 0;
    for (const run of this.#mapped.values()) total += run.bytes;
    return total;
  }

  /**
   * Maps `bytes` at guest-physical `address` (page-aligned). Returns the I/O virtual address, or
   * `undefined` when the space is full. A page that is never mapped stands between two mappings, so
   * that an overrun faults.
   */
  map(address: number, bytes: number, rights: Rights): number | undefined {
    assert(address % PAGE_BYTES === 0, 'a mapping begins on a page');
    const pages = Math.ceil(bytes / PAGE_BYTES);
    const need = (pages + 1) * PAGE_BYTES;
    const run = this.#free.find((candidate) => candidate.bytes >= need);
    if (run === undefined) return undefined;
    const iova = run.first;
    run.first += need;
    run.bytes -= need;
    if (run.bytes === 0) this.#free = this.#free.filter((other) => other !== run);
    for (let page = 0; page < pages; page++) {
      const frame = (address + page * PAGE_BYTES) / PAGE_BYTES;
      this.#setPage(iova / PAGE_BYTES + page, (frame << FRAME_SHIFT) | rights | VALID);
    }
    this.#mapped.set(iova, { bytes: pages * PAGE_BYTES });
    return iova;
  }

  /** Clears a mapping and returns its size and the epoch that must be acknowledged before its memory is reused. */
  unmap(iova: number): { epoch: number; bytes: number } | undefined {
    const run = this.#mapped.get(iova);
    if (run === undefined) return undefined;
    this.#mapped.delete(iova);
    for (let page = 0; page < run.bytes / PAGE_BYTES; page++) this.#setPage(iova / PAGE_BYTES + page, 0);
    return { epoch: (Atomics.add(this.#words, EPOCH, 1) + 1) | 0, bytes: run.bytes };
  }

  /** Asks for one more acknowledgement of all that was unmapped. */
  renewEpoch(): void {
    Atomics.add(this.#words, EPOCH, 1);
  }

  /** Gives the addresses of an unmapped run back, once its epoch was acknowledged. */
  reclaim(iova: number, bytes: number): void {
    const need = (Math.ceil(bytes / PAGE_BYTES) + 1) * PAGE_BYTES;
    const runs = [...this.#free, { first: iova, bytes: need }].sort((a, b) => a.first - b.first);
    this.#free = [];
    for (const run of runs) {
      const last = this.#free.at(-1);
      if (last !== undefined && last.first + last.bytes === run.first) last.bytes += run.bytes;
      else this.#free.push(run);
    }
  }

  #setPage(page: number, entry: number): void {
    const block = Math.floor(page / PAGES_PER_BLOCK);
    let table = this.#tableOf.get(block);
    if (table === undefined) {
      const spare = this.#spareTables.pop();
      assert(spare !== undefined, 'there is a table for every block of the address space');
      table = spare;
      this.#tableOf.set(block, table);
      // The table is all zeros here: it is shown only when it can be walked.
      Atomics.store(this.#words, ROOT + block, (table << FRAME_SHIFT) | VALID);
    }
    Atomics.store(this.#words, TABLES + table * PAGES_PER_BLOCK + (page % PAGES_PER_BLOCK), entry);
  }
}

/**
 * Walks the table for the page of `iova`: the entry (frame and rights), or 0 when nothing is mapped.
 * For the coprocessor's side, which caches what it gets in an {@link Iotlb}.
 */
export function walk(words: Int32Array, iova: number): number {
  const page = iova >>> FRAME_SHIFT;
  const root = Atomics.load(words, ROOT + (page >>> 9));
  if ((root & VALID) === 0) return 0;
  if ((root & BLOCK) !== 0) return root + ((page & (PAGES_PER_BLOCK - 1)) << FRAME_SHIFT);
  const at = TABLES + (root >>> FRAME_SHIFT) * PAGES_PER_BLOCK + (page & (PAGES_PER_BLOCK - 1));
  if (at >= words.length) return 0;
  const entry = Atomics.load(words, at);
  return (entry & VALID) === 0 ? 0 : entry;
}
