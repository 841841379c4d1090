import type { Access, DmaFault } from '../contract/events.ts';
import { COUNTER } from './channel.ts';
import { BLOCK_BYTES, PAGE_BYTES } from './guest-ram.ts';
import { BLOCK, EPOCH, RIGHT, walk, type Rights } from './page-table.ts';

const ENTRIES = 256;
const BLOCK_ENTRIES = 16;
const NO_PAGE = -1;
const REACHED = -1;

/** `write at 0x00001000`. */
export const showAccess = ({ access, iova }: DmaFault): string =>
  `${access} at 0x${iova.toString(16).padStart(8, '0')}`;

/** What one context reaches by DMA: views that are made once, not at each switch. */
export interface Reach {
  readonly table: Int32Array;
  readonly ram: Uint8Array;
}

export const reach = (pageTable: SharedArrayBuffer, ram: SharedArrayBuffer): Reach => ({
  table: new Int32Array(pageTable),
  ram: new Uint8Array(ram),
});

/**
 * The coprocessor's way to guest memory: translates, checks rights, copies. It serves one address
 * space at a time and forgets everything about it when the context leaves.
 *
 * Translations are cached (direct-mapped, 256 pages and 16 blocks). Between steps the table's epoch is compared; when it
 * moved, the cache is emptied, and only then is the new epoch acknowledged.
 */
export class Iommu {
  readonly #tags = new Int32Array(ENTRIES).fill(NO_PAGE);
  readonly #entries = new Int32Array(ENTRIES);
  readonly #blockTags = new Int32Array(BLOCK_ENTRIES).fill(NO_PAGE);
  readonly #blocks = new Int32Array(BLOCK_ENTRIES);
  /** How far what was translated last goes on, in bytes. */
  #extent = 0;
  #table: Int32Array | undefined;
  #ram: Uint8Array | undefined;
  #epoch = 0;
  readonly #counters: Int32Array;

  /** `counters`: where translations that the cache had, and those that it had not, are counted. */
  constructor(counters: Int32Array = new Int32Array(2)) {
    this.#counters = counters;
  }

  /** Serves what one context reaches from now on: before its first step. */
  enter({ table, ram }: Reach): void {
    this.#invalidate();
    this.#table = table;
    this.#ram = ram;
    this.#epoch = Atomics.load(table, EPOCH);
  }

  /** Serves nobody: after the context's last step. Every access faults. */
  leave(): void {
    this.#invalidate();
    this.#table = undefined;
    this.#ram = undefined;
  }

  /** Whether the table moved on since the last `synchronise`. */
  get stale(): boolean {
    return this.#table !== undefined && Atomics.load(this.#table, EPOCH) !== this.#epoch;
  }

  /** Drops stale translations. Returns the epoch to acknowledge, or -1 when it did not move. */
  synchronise(): number {
    if (this.#table === undefined) return -1;
    const epoch = Atomics.load(this.#table, EPOCH);
    if (epoch === this.#epoch) return -1;
    this.#invalidate();
    this.#epoch = epoch;
    return epoch;
  }

  /** Copies guest memory at `iova` into `local`. */
  read(iova: number, local: Uint8Array): DmaFault | undefined {
    return this.#transfer(iova, local, RIGHT.read);
  }

  /** Copies a program in guest memory at `iova` into `local`: it need not be readable, but executable. */
  fetch(iova: number, local: Uint8Array): DmaFault | undefined {
    return this.#transfer(iova, local, RIGHT.execute);
  }

  /** Copies `local` into guest memory at `iova`. */
  write(iova: number, local: Uint8Array): DmaFault | undefined {
    return this.#transfer(iova, local, RIGHT.write);
  }

  /** Writes `value` into `size` bytes of guest memory at `iova`. */
  fill(iova: number, value: number, size: number): DmaFault | undefined {
    const bad = this.#firstBad(iova, size, RIGHT.write);
    return fault(RIGHT.write, bad === REACHED ? this.#runs(iova, size, undefined, RIGHT.write, value) : bad);
  }

  /** Copies the ranges of guest memory in `list`, an address and a length in turn, into `local` one after the other. */
  gather(list: Uint32Array, local: Uint8Array): DmaFault | undefined {
    return this.#scattered(list, local, RIGHT.read);
  }

  /** Copies `local` into the ranges of guest memory in `list`, one after the other. */
  scatter(list: Uint32Array, local: Uint8Array): DmaFault | undefined {
    return this.#scattered(list, local, RIGHT.write);
  }

  /** Checks all ranges first, too. */
  #scattered(list: Uint32Array, local: Uint8Array, right: Rights): DmaFault | undefined {
    for (let at = 0; at < list.length; at += 2) {
      const bad = this.#firstBad(list[at]!, list[at + 1]!, right);
      if (bad !== REACHED) return fault(right, bad);
    }
    for (let at = 0, done = 0; at < list.length; at += 2) {
      const size = list[at + 1]!;
      const bad = this.#runs(list[at]!, size, local.subarray(done, done + size), right, 0);
      if (bad !== REACHED) return fault(right, bad);
      done += size;
    }
    return undefined;
  }

  /** Checks the whole range first, so that a refused transfer moves nothing; then copies run by run. */
  #transfer(iova: number, local: Uint8Array, right: Rights): DmaFault | undefined {
    const size = local.length;
    // Within a page one translation says everything.
    if (size > 0 && (iova % PAGE_BYTES) + size <= PAGE_BYTES) {
      const address = this.#table === undefined ? -1 : this.#translate(iova, right);
      if (address < 0) return fault(right, iova);
      this.#copy(address, local, right);
      return undefined;
    }
    const bad = this.#firstBad(iova, size, right);
    return fault(right, bad === REACHED ? this.#runs(iova, size, local, right, 0) : bad);
  }

  /** The first address of a range that cannot be reached, or `REACHED`. */
  #firstBad(iova: number, size: number, right: Rights): number {
    if (this.#table === undefined || iova + size > 0x1_0000_0000) return iova;
    for (let at = iova; at < iova + size; at += this.#extent) if (this.#translate(at, right) < 0) return at;
    return REACHED;
  }

  /** Moves a range run by run; without `local` it is filled with `value`. Answers as `#firstBad`. */
  #runs(iova: number, size: number, local: Uint8Array | undefined, right: Rights, value: number): number {
    for (let done = 0; done < size;) {
      const at = iova + done;
      const start = this.#translate(at, right);
      // The hypervisor may have taken the page away since the check, once the cache had forgotten it.
      if (start < 0) return at;
      let run = Math.min(this.#extent, size - done);
      while (done + run < size && this.#translate(at + run, right) === start + run)
        run += Math.min(this.#extent, size - done - run);
      if (local === undefined) this.#ram!.fill(value, start, start + run);
      else this.#copy(start, run === size ? local : local.subarray(done, done + run), right);
      done += run;
    }
    return REACHED;
  }

  #copy(address: number, local: Uint8Array, right: Rights): void {
    const ram = this.#ram!;
    if (right === RIGHT.write) ram.set(local, address);
    else local.set(ram.subarray(address, address + local.length));
  }

  /** Guest-physical address of `iova`, or -1. Sets how far it goes on from there. */
  #translate(iova: number, right: Rights): number {
    const page = iova >>> 12;
    const block = page >>> 9;
    const place = block & (BLOCK_ENTRIES - 1);
    if (this.#blockTags[place] === block) {
      this.#counters[COUNTER.iotlbHits]!++;
      return this.#inBlock(this.#blocks[place]!, iova, right);
    }
    const index = page & (ENTRIES - 1);
    let entry = this.#entries[index]!;
    if (this.#tags[index] === page) this.#counters[COUNTER.iotlbHits]!++;
    else {
      this.#counters[COUNTER.iotlbMisses]!++;
      entry = walk(this.#table!, iova);
      if (entry === 0) return -1;
      const first = (entry >>> 12) - (page & 511);
      // A block that is not wholly there is looked at page by page.
      if ((entry & BLOCK) !== 0 && first >= 0 && first * PAGE_BYTES + BLOCK_BYTES <= this.#ram!.length) {
        this.#blockTags[place] = block;
        this.#blocks[place] = (first << 12) | (entry & (PAGE_BYTES - 1));
        return this.#inBlock(this.#blocks[place], iova, right);
      }
      this.#tags[index] = page;
      this.#entries[index] = entry;
    }
    if ((entry & right) === 0) return -1;
    const address = (entry >>> 12) * PAGE_BYTES;
    if (address + PAGE_BYTES > this.#ram!.length) return -1;
    const offset = iova % PAGE_BYTES;
    this.#extent = PAGE_BYTES - offset;
    return address + offset;
  }

  #inBlock(entry: number, iova: number, right: Rights): number {
    if ((entry & right) === 0) return -1;
    const offset = iova % BLOCK_BYTES;
    this.#extent = BLOCK_BYTES - offset;
    return (entry >>> 12) * PAGE_BYTES + offset;
  }

  #invalidate(): void {
    this.#tags.fill(NO_PAGE);
    this.#blockTags.fill(NO_PAGE);
  }
}

const fault = (right: Rights, iova: number): DmaFault | undefined =>
  iova === REACHED ? undefined : { access: accessOf(right), iova };

const accessOf = (right: Rights): Access =>
  right === RIGHT.read ? 'read' : right === RIGHT.write ? 'write' : 'execute';
