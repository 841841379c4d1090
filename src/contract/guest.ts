import type { Bytes, Duration, Instant } from '../base/units.ts';
import type { Random } from '../base/random.ts';
import type { CoprocId, DomainId } from './names.ts';

/**
 * A guest program: the default export of the module that a domain file names as its `kernel`.
 *
 * It runs on the main thread and may await only what Covisor gave it (commands, `sleep`), so that a
 * simulated run stays deterministic: read files with `asset`, not with `node:fs/promises`. Work that
 * only checks results belongs in `verify`, which runs after the domain finished, outside of the
 * measured time.
 */
export interface GuestProgram {
  /** Resolves when the domain's work is done; a throw is a crash of this domain alone. */
  main(domain: GuestDomain): Promise<void>;
}

/** What a guest sees of the machine it runs on. */
export interface GuestDomain {
  readonly name: DomainId;
  /** `extra` of the domain file, split at white space: `frames=8 quiet` is `{ frames: '8', quiet: '' }`. */
  readonly args: Readonly<Record<string, string>>;
  /** The user's own picture or file (`--input`), when this domain's file says that it takes that kind. */
  readonly input: GuestFile | undefined;
  readonly memory: GuestMemory;
  readonly random: Random;
  now(): Instant;
  sleep(length: Duration): Promise<void>;
  /** The vcoproc with this identifier; throws when the domain file does not list it. */
  coproc(id: string): GuestCoproc;
  /** Reads a file below the system's folder. Throws when it is not there or lies outside. */
  asset(path: string): Uint8Array;
  log(line: string): void;
  /**
   * Called when somebody asks the domain to shut down: end `main` soon, or be destroyed. A domain
   * without a handler is destroyed at once.
   */
  onShutdown(handler: () => void): void;
  /** Writes one result file into the run's output folder, below this domain's name. */
  write(file: string, bytes: Uint8Array): void;
  /**
   * Registers a check of the results against a reference computed on the CPU. It runs after the
   * domain has finished; its verdict stands in the summary, the report and the exit code. It may
   * call `write`.
   */
  verify(what: string, check: () => Verdict): void;
}

export interface GuestFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

export interface Verdict {
  readonly ok: boolean;
  /** One line with the figures: `12 of 12 frames bit-identical`. */
  readonly detail: string;
}

/** Guest-physical memory: `memory` MiB of the domain file, zeroed, page-aligned allocations. */
export interface GuestMemory {
  readonly size: Bytes;
  /** Throws a `GuestError` when the domain's memory is full. */
  allocate(size: number): GuestBuffer;
  free(buffer: GuestBuffer): void;
}

export interface GuestBuffer {
  /** Guest-physical address, a multiple of the page size. */
  readonly address: number;
  readonly size: number;
  /** The buffer itself, in memory shared with the coprocessors. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

/** A domain's view of one of its vcoprocs. It never learns whether it has the coprocessor at this moment. */
export interface GuestCoproc {
  readonly id: CoprocId;
  /**
   * Makes a buffer reachable for the firmware and returns its address there (an I/O virtual address).
   * Firmware reaches nothing that was not mapped.
   */
  map(buffer: GuestBuffer, rights: 'read' | 'write' | 'read-write'): number;
  /** Takes a buffer back. Resolves once no access of the coprocessor to it can be under way. */
  unmap(iova: number): Promise<void>;
  /**
   * Submits one command and resolves with its completion; it never rejects for a fault of the
   * coprocessor: that is a completion with status `failed` or `cancelled`. Waits while the queue is full.
   */
  submit(command: Command): Promise<Completion>;
  /** The register window. Every access answers, whoever has the coprocessor. */
  readonly registers: GuestRegisters;
  /** Called for each interrupt that the firmware raises with `irq`. */
  onInterrupt(handler: (number: number) => void): void;
}

export interface GuestRegisters {
  /** Reads the 32-bit register at byte `offset`, unsigned. */
  read(offset: number): number;
  write(offset: number, value: number): void;
}

export interface Command {
  /** Operation code, 1 to 65535: the firmware's own. 0 is the no-op of every platform. */
  readonly op: number;
  /** At most 14 arguments, each a 32-bit integer (signed or unsigned). */
  readonly args?: readonly number[];
}

export interface Completion {
  readonly status: 'ok' | 'failed' | 'cancelled';
  /** Why, when it is not `ok`. */
  readonly reason: string | undefined;
  /** The eight result words of the firmware, as signed 32-bit integers. */
  readonly results: readonly number[];
}

/** Wrong use of the guest API, thrown into the guest that did it. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
}
