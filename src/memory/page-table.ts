// A two-level I/O page table in shared memory. The root has an entry for each 2 MiB: a table of 4 KiB pages, or a block
// that is mapped as a whole.
//
// Who may write: the hypervisor alone writes entries and EPOCH; the coprocessor only reads.
//
// An entry that may be in use is taken away in three steps: clear it, raise EPOCH, and wait until the coprocessor has
// said that it uses no translation older than that. Only then may the memory be used for anything else.

import { assert } from '../base/assert.ts';
import type { MemorySource } from '../contract/port.ts';
import { FreeRuns } from './free-runs.ts';
import { BLOCK_BYTES, PAGE_BYTES } from './guest-ram.ts';
import { freshMemory } from './recycled-memory.ts';

/**
 * To execute is to fetch what the firmware itself takes for a program: shaders, microcode, commands in a ring of its own. The
 * firmware was checked, is named by its digest and never stands where a DMA could change it.
 */
export const RIGHT = { read: 1 << 1, write: 1 << 2, execute: 1 << 4 } as const;
export type Rights = number;

const PAGES_PER_BLOCK = BLOCK_BYTES / PAGE_BYTES;

export const EPOCH = 0;
const ROOT = 64;
const ROOT_ENTRIES = 2048;
const TABLES = ROOT + ROOT_ENTRIES;

const VALID = 1 << 0;
/** Of a root entry: its frame is the first of 512 that follow each other. */
export const BLOCK = 1 << 3;
const FRAME_SHIFT = 12;

/** The lowest address that is ever given to firmware: a null or near-null address always faults. */
const FIRST_IOVA = BLOCK_BYTES;

interface Mapping {
  /** Guest-physical. */
  readonly address: number;
  readonly bytes: number;
  readonly rights: Rights;
}

/** The mappings of one address space at rest. */
export interface SavedSpace {
  readonly mapped: readonly (Mapping & { readonly iova: number })[];
}

/**
 * The hypervisor's side of one address space: which pages of one domain's memory a context reaches,
 * at which I/O virtual addresses.
 */
export class AddressSpace {
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;
  readonly #tables: number;
  /** Of I/O virtual addresses. */
  readonly #free: FreeRuns;
  readonly #mapped = new Map<number, Mapping>();
  readonly #tableOf = new Map<number, number>();
  readonly #spareTables: number[] = [];

  /** `ramBytes`: the size of the domain's memory; it can be mapped about twice over, as far as 4 GiB go. */
  constructor(ramBytes: number, source: MemorySource = freshMemory) {
    this.#tables = Math.min(2 * Math.ceil(ramBytes / BLOCK_BYTES) + 2, ROOT_ENTRIES - 1);
    this.memory = source.shared((TABLES + this.#tables * PAGES_PER_BLOCK) * 4);
    this.#words = new Int32Array(this.memory);
    for (let table = this.#tables - 1; table >= 0; table--) this.#spareTables.push(table);
    this.#free = new FreeRuns(FIRST_IOVA, this.#tables * BLOCK_BYTES);
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
    const whole = address % BLOCK_BYTES === 0 && bytes >= BLOCK_BYTES;
    const need = (pages + 1) * PAGE_BYTES;
    const iova =
      (whole ? this.#free.take(need, BLOCK_BYTES) : undefined) ?? this.#free.take(need, PAGE_BYTES);
    if (iova === undefined) return undefined;
    const mapping = { address, bytes: pages * PAGE_BYTES, rights };
    this.#fill(iova, mapping, rights | VALID);
    this.#mapped.set(iova, mapping);
    return iova;
  }

  /** Clears a mapping and returns its size and the epoch that must be acknowledged before its memory is reused. */
  unmap(iova: number): { epoch: number; bytes: number } | undefined {
    const run = this.#mapped.get(iova);
    if (run === undefined) return undefined;
    this.#mapped.delete(iova);
    this.#fill(iova, run, 0);
    return { epoch: (Atomics.add(this.#words, EPOCH, 1) + 1) | 0, bytes: run.bytes };
  }

  /** Asks for one more acknowledgement of all that was unmapped. */
  renewEpoch(): void {
    Atomics.add(this.#words, EPOCH, 1);
  }

  /** Gives the addresses of an unmapped run back, once its epoch was acknowledged. */
  reclaim(iova: number, bytes: number): void {
    this.#free.give(iova, bytes + PAGE_BYTES);
  }

  /** Only while nothing that was unmapped waits to be reclaimed. */
  save(): SavedSpace {
    return { mapped: [...this.#mapped].map(([iova, mapping]) => ({ iova, ...mapping })) };
  }

  /** Gives an empty space of the same size the same mappings. */
  restore({ mapped }: SavedSpace): void {
    assert(this.#mapped.size === 0, 'an address space is restored into an empty one');
    for (const { iova, ...mapping } of [...mapped].sort((a, b) => a.iova - b.iova)) {
      this.#free.claim(iova, mapping.bytes + PAGE_BYTES);
      this.#fill(iova, mapping, mapping.rights | VALID);
      this.#mapped.set(iova, mapping);
    }
  }

  /** Writes the entries of a mapping; `flags` of 0 clear them. A whole block takes one entry. */
  #fill(iova: number, { address, bytes }: Mapping, flags: number): void {
    const alike = (address - iova) % BLOCK_BYTES === 0;
    for (let at = 0; at < bytes;) {
      const entry = flags === 0 ? 0 : (address + at) | flags;
      const block = alike && (iova + at) % BLOCK_BYTES === 0 && bytes - at >= BLOCK_BYTES;
      if (block) this.#setBlock((iova + at) / BLOCK_BYTES, entry);
      else this.#setPage((iova + at) / PAGE_BYTES, entry);
      at += block ? BLOCK_BYTES : PAGE_BYTES;
    }
  }

  /** A block that had a table before has it again afterwards. All its entries are zero while the block is mapped as a whole. */
  #setBlock(block: number, entry: number): void {
    const table = this.#tableOf.get(block);
    const without = table === undefined ? 0 : (table << FRAME_SHIFT) | VALID;
    Atomics.store(this.#words, ROOT + block, entry === 0 ? without : entry | BLOCK);
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
 * Walks the table for the page of `iova`: the entry (frame, rights, and {@link BLOCK} when it is one of a block), or 0
 * when nothing is mapped. For the coprocessor's side, which caches what it gets.
 */
export function walk(words: Int32Array, iova: number): number {
  const page = iova >>> FRAME_SHIFT;
  const root = Atomics.load(words, ROOT + (page >>> 9));
  if ((root & VALID) === 0) return 0;
  if ((root & BLOCK) !== 0) return root + ((page & (PAGES_PER_BLOCK - 1)) << FRAME_SHIFT);
  const at = TABLES + (root >>> FRAME_SHIFT) * PAGES_PER_BLOCK + (page & (PAGES_PER_BLOCK - 1));
  if (at >= words.length) return 0;
  const entry = Atomics.load(words, at);
  return (entry & VALID) === 0 ? 0 : entry & ~BLOCK;
}
