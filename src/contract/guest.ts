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
  /**
   * Makes the domain fit for a checkpoint. `state` is called when one is taken: nothing of the domain moves
   * then, all that it awaits are commands, sleeps and batches. What it answers, anything that `structuredClone`
   * takes, is saved with memory, mappings, contexts and queues. A program that was resumed begins with `main`
   * again and finds it in `resumed`. A domain that runs without this makes a checkpoint impossible.
   */
  onCheckpoint(state: () => unknown): void;
  /** What `onCheckpoint`'s function answered when the system was saved; `undefined` for a domain that begins anew. */
  readonly resumed: unknown;
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
  /** The buffer that was allocated at this address, before the system was saved, too. Throws a `GuestError` for no such. */
  at(address: number): GuestBuffer;
}

export interface GuestBuffer {
  /** Guest-physical address, a multiple of the page size. */
  readonly address: number;
  readonly size: number;
  /** The buffer itself, in memory shared with the coprocessors. */
  readonly bytes: Uint8Array<SharedArrayBuffer>;
}

export type MappingRights = 'read' | 'write' | 'read-write' | 'execute' | 'read-execute';

/** A domain's view of one of its vcoprocs. It never learns whether it has the coprocessor at this moment. */
export interface GuestCoproc {
  readonly id: CoprocId;
  /**
   * Makes a buffer reachable for the firmware and returns its address there (an I/O virtual address).
   * Firmware reaches nothing that was not mapped. What it is to fetch as a program has to be `execute`.
   */
  map(buffer: GuestBuffer, rights: MappingRights): number;
  /** Takes a buffer back. Resolves once no access of the coprocessor to it can be under way. */
  unmap(iova: number): Promise<void>;
  /**
   * Submits one command and resolves with its completion; it never rejects for a fault of the
   * coprocessor: that is a completion with status `failed` or `cancelled`. Waits while the queue is full.
   */
  submit(command: Command): Promise<Completion>;
  /**
   * After a resume: the commands that the program before had not heard of yet, oldest first, for this one to
   * await. Each is handed out once.
   */
  outstanding(): OutstandingCommand[];
  /**
   * Takes the queue for commands by the thousand, without a promise for each; `submit` throws until the batch is
   * closed. Throws a `GuestError` while commands are outstanding.
   */
  batch(): CommandBatch;
  /**
   * Creates one more command queue beside the default one, which `submit` and `batch` use: one call, and no more of
   * the hypervisor's help for a command. Throws a `GuestError` when the settings are wrong or there are
   * {@link MOST_QUEUES} queues already.
   */
  createQueue(settings?: QueueSettings): GuestQueue;
  /**
   * The queues that were created and are not gone. After a resume the program finds those of the one before here, by
   * their numbers.
   */
  readonly queues: readonly GuestQueue[];
  /** The register window. Every access answers, whoever has the coprocessor. */
  readonly registers: GuestRegisters;
  /** Called for each interrupt that the firmware raises with `irq`; once for more than 256 that come at once on one line. */
  onInterrupt(handler: (number: number) => void): void;
}

/** Command queues of one vcoproc, the default one included. */
export const MOST_QUEUES = 4096;
/** Commands that all queues of one vcoproc hold together, the default one included. */
export const MOST_ROOM = 65_536 + 256;
/** Priorities of queues: 0 to this, the more urgent the higher. */
export const HIGHEST_PRIORITY = 15;

export interface QueueSettings {
  /** Commands in its rings at once: a power of two up to 4096, 16 unless given. More than fit wait. */
  readonly capacity?: number;
  /** 0 to {@link HIGHEST_PRIORITY}; 8, the default queue's, unless given. */
  readonly priority?: number;
  /** How many completions one interrupt stands for; each has its own unless given. */
  readonly coalesce?: Coalescing;
}

/**
 * When completions are worth an interrupt: when there are `count` of them, when the first is `time` old at the end of
 * a step, or when the coprocessor has no more commands of this vcoproc at hand, whichever comes first.
 */
export interface Coalescing {
  /** 1 to 65535. */
  readonly count: number;
  readonly time: Duration;
}

/**
 * A command queue of the guest's own. Its commands complete in order, each exactly once. Between queues of one vcoproc
 * the coprocessor chooses whenever a command is over (up to 64 no-ops count as one): the highest priority first, in
 * turn within one. Nobody starves: of 32 choices one is for the priorities below the highest, in turn, so that a
 * queue waits for at most 32 commands times the priorities in use times the queues of its own priority.
 *
 * A fault of one queue's command (a refused DMA, an error of the firmware) is that command's alone.
 */
export interface GuestQueue {
  /** Its number in the trace, above 0; a queue that is destroyed leaves it to another. */
  readonly number: number;
  /** Submitted and not completed yet, or not polled yet. */
  readonly outstanding: number;
  /** As {@link GuestCoproc.submit}. */
  submit(command: Command): Promise<Completion>;
  /** As {@link GuestCoproc.batch}. */
  batch(): CommandBatch;
  /** As {@link GuestCoproc.outstanding}, of this queue. */
  resumed(): OutstandingCommand[];
  /** Changes how the queue is served from now on. */
  change(settings: Pick<QueueSettings, 'priority' | 'coalesce'>): void;
  /**
   * Gives the queue back. A command that is under way is finished first; what the coprocessor has not begun is
   * cancelled. Resolves when each has its completion; commands that are submitted later are cancelled.
   */
  destroy(): Promise<void>;
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

/** A command from before a resume. */
export interface OutstandingCommand {
  readonly command: Required<Command>;
  readonly completion: Promise<Completion>;
}

export interface Completion {
  readonly status: 'ok' | 'failed' | 'cancelled';
  /** Why, when it is not `ok`. */
  readonly reason: string | undefined;
  /** The eight result words of the firmware, as signed 32-bit integers. */
  readonly results: readonly number[];
}

/** 32-bit words of a command and of a completion in a batch. */
export const BATCH_WORDS = 16;

/** Word 1 of a completion in a batch. */
export const BATCH_STATUS = {
  ok: 1,
  /** The firmware said so: word 2 is its error code. */
  failed: 2,
  /** A DMA was refused: word 2 is 1 for a write and 0 for a read, word 3 the address. */
  dmaFault: 3,
  /** It ended with its domain. */
  cancelled: 4,
  /** It was lost with the coprocessor, or with the vcoproc: it may have run or not. */
  lost: 5,
} as const;

/**
 * A command queue without a promise per command. Commands and completions stand one behind the other in arrays
 * of the guest's own, {@link BATCH_WORDS} words each; they complete in order, each exactly once.
 *
 * ```ts
 * const batch = gpu.batch();
 * for (let done = 0; done < total;) {
 *   const count = Math.min(16, total - sent);
 *   if (batch.room >= count) sent += batch.submit(commands, 0, count);
 *   done += batch.poll(completions);
 *   if (done < total) await batch.ready();
 * }
 * batch.close();
 * ```
 *
 * Neither call waits. A guest that only polls keeps the thread from everybody else: `ready` now and then lets
 * others run. A completion may be seen before the interrupts that its command raised.
 */
export interface CommandBatch {
  /** Submitted and not polled yet. */
  readonly outstanding: number;
  /** Commands that can be submitted now. Few large submits take less time than many small ones. */
  readonly room: number;
  /**
   * Submits `count` commands from the one at `from`, as many as there is room for, and says how many. Word 0 of a
   * command is ignored, word 1 is its operation code, words 2 to 15 are its arguments.
   */
  submit(commands: Int32Array, from?: number, count?: number): number;
  /**
   * Takes completions, as many as there are and fit, and says how many. Word 0 is a number that counts commands,
   * word 1 a {@link BATCH_STATUS}, words 8 to 15 are the results.
   */
  poll(completions: Int32Array): number;
  /**
   * Resolves when something can be polled: on the interrupt for it, which is raised only when it is awaited, so
   * that one stands for all completions since the last. Throws while nothing is outstanding.
   */
  ready(): Promise<void>;
  /** Gives the queue back. Throws while something is outstanding. */
  close(): void;
}

/** Wrong use of the guest API, thrown into the guest that did it. */
export class GuestError extends Error {
  override readonly name = 'GuestError';
}
