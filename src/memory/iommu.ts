import { PAGE_BYTES } from './guest-ram.ts';
import { EPOCH, RIGHT, walk, type Rights } from './page-table.ts';

const ENTRIES = 256;
const NO_PAGE = -1;

/** A DMA that was refused: which way and where. */
export interface DmaFault {
  readonly access: 'read' | 'write';
  readonly iova: number;
}

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
 * Translations are cached (direct-mapped, 256 pages). Between steps the table's epoch is compared; when it
 * moved, the cache is emptied, and only then is the new epoch acknowledged.
 */
export class Iommu {
  readonly #tags = new Int32Array(ENTRIES).fill(NO_PAGE);
  readonly #entries = new Int32Array(ENTRIES);
  #table: Int32Array | undefined;
  #ram: Uint8Array | undefined;
  #epoch = 0;
  hits = 0;
  misses = 0;

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

  /** Copies `local` into guest memory at `iova`. */
  write(iova: number, local: Uint8Array): DmaFault | undefined {
    return this.#transfer(iova, local, RIGHT.write);
  }

  /** Checks the whole range first, so that a refused transfer moves nothing; then copies run by run. */
  #transfer(iova: number, local: Uint8Array, right: Rights): DmaFault | undefined {
    const access = right === RIGHT.read ? 'read' : 'write';
    const size = local.length;
    if (this.#table === undefined || this.#ram === undefined) return { access, iova };
    if (iova + size > 0x1_0000_0000) return { access, iova };
    // Within a page one translation says everything.
    if (size > 0 && (iova % PAGE_BYTES) + size <= PAGE_BYTES) {
      const page = this.#translate(iova, right);
      if (page < 0) return { access, iova };
      this.#copy(page + (iova % PAGE_BYTES), local, right);
      return undefined;
    }
    for (let at = iova; at < iova + size; at += PAGE_BYTES - (at % PAGE_BYTES)) {
      if (this.#translate(at, right) < 0) return { access, iova: at };
    }
    for (let done = 0; done < size;) {
      const at = iova + done;
      const offset = at % PAGE_BYTES;
      const page = this.#translate(at, right);
      // The hypervisor may have taken the page away since the check, once the cache had forgotten it.
      if (page < 0) return { access, iova: at };
      const start = page + offset;
      let run = Math.min(PAGE_BYTES - offset, size - done);
      while (done + run < size && this.#translate(at + run, right) === start + run)
        run += Math.min(PAGE_BYTES, size - done - run);
      this.#copy(start, run === size ? local : local.subarray(done, done + run), right);
      done += run;
    }
    return undefined;
  }

  #copy(address: number, local: Uint8Array, right: Rights): void {
    const ram = this.#ram!;
    if (right === RIGHT.read) local.set(ram.subarray(address, address + local.length));
    else ram.set(local, address);
  }

  /** Guest-physical address of the page of `iova`, or -1. */
  #translate(iova: number, right: Rights): number {
    const page = iova >>> 12;
    const index = page & (ENTRIES - 1);
    let entry = this.#entries[index]!;
    if (this.#tags[index] === page) this.hits++;
    else {
      this.misses++;
      entry = walk(this.#table!, iova);
      if (entry === 0) return -1;
      this.#tags[index] = page;
      this.#entries[index] = entry;
    }
    if ((entry & right) === 0) return -1;
    const address = (entry >>> 12) * PAGE_BYTES;
    return address + PAGE_BYTES <= this.#ram!.length ? address : -1;
  }

  #invalidate(): void {
    this.#tags.fill(NO_PAGE);
  }
}
