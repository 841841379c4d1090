import type { Duration, Instant } from '../base/units.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Random } from '../base/random.ts';
import type { FirmwareImage } from './firmware.ts';
import type { CoprocId } from './names.ts';
import type { Platform } from './platform.ts';

/**
 * The shared memory between the hypervisor and one coprocessor: plain buffers, laid out by
 * `src/memory/channel.ts`. A new one is made for every start of a coprocessor.
 */
export interface ChannelMemory {
  /** Commands of the hypervisor: a ring it writes. */
  readonly control: SharedArrayBuffer;
  /** What the coprocessor has to say, interrupts included: a ring that the coprocessor writes. */
  readonly events: SharedArrayBuffer;
  /** Posted register writes of whoever has the window: a ring that the guests write. */
  readonly posted: SharedArrayBuffer;
  /** The register window. */
  readonly window: SharedArrayBuffer;
  /** Doorbells of both sides. */
  readonly bells: SharedArrayBuffer;
  /** What the coprocessor counts: it alone writes, one word for each, modulo 2^32. */
  readonly counters: SharedArrayBuffer;
}

/** One command queue: two rings of one capacity. */
export interface QueueMemory {
  readonly commands: SharedArrayBuffer;
  readonly completions: SharedArrayBuffer;
}

/** How a coprocessor serves a queue. */
export interface QueueService {
  /** Nothing is fetched from it. */
  readonly evicted: boolean;
  /** Nothing ever will be: once no command of it is under way, it is forgotten. */
  readonly gone: boolean;
  /** Higher is served first. */
  readonly priority: number;
  /** An interrupt stands for so many completions at most; the first of them waits no longer than `time`. */
  readonly count: number;
  readonly time: Duration;
}

/** A queue as a coprocessor has to know it. */
export interface QueueSpec {
  /** Its place on the context's board; 0 is the default queue. */
  readonly index: number;
  readonly memory: QueueMemory;
  readonly service: QueueService;
}

/** Everything that a coprocessor needs of one vcoproc. Plain data: it is sent to the coprocessor as it is. */
export interface ContextSpec {
  /** Small integer that names the context in the channel. */
  readonly slot: number;
  readonly firmware: FirmwareImage;
  /** The context image: registers, globals and what else a switch saves and loads. */
  readonly image: SharedArrayBuffer;
  /** The context's local memory, shared, of exactly the size that its firmware asks for. */
  readonly local: WebAssembly.Memory;
  /** The domain's memory. */
  readonly ram: SharedArrayBuffer;
  readonly pageTable: SharedArrayBuffer;
  /** Its queues, the default one first. */
  readonly queues: readonly QueueSpec[];
  /** Which queues were rung, and which have completions: laid out by `src/memory/queue-board.ts`. */
  readonly board: SharedArrayBuffer;
}

export interface CoprocessorSpec {
  readonly id: CoprocId;
  readonly channel: ChannelMemory;
  /** Capacity of the local memory in bytes. */
  readonly localMemory: number;
  /** Clock in Hz, and bandwidths in bytes per second: what a simulated run charges. */
  readonly clock: number;
  readonly switchBandwidth: number;
  readonly dmaBandwidth: number;
  readonly interruptLatency: Duration;
  /** Whether the local memory of a context is summed up when it leaves and verified when it comes back. Absent: no. */
  readonly verifiesMemory?: boolean;
  /** How long before the end of a slice the hypervisor hears of it; see `Runtime.lead`. */
  readonly lead: Duration;
  /** A single step that takes longer than this is hung, for the simulated runtime. */
  readonly stepLimit: Duration;
  /** What is wrong with it, in a run with a fault plan: `src/coprocessor/ailments.ts`. Absent: nothing. */
  readonly ailments?: SharedArrayBuffer;
}

/** What the hypervisor is told by a port. */
export interface PortListener {
  /** The coprocessor rang: there are events, or may be. */
  onEvents(): void;
  /** The coprocessor is gone: it died, or was killed. Called once. Nothing is pending afterwards. */
  onExit(reason: string): void;
}

/** A running coprocessor, as the hypervisor holds it. */
export interface CoprocessorPort {
  /** Wakes the coprocessor when it sleeps. */
  ring(): void;
  /** Something is about to come for which it will be rung: one whose waking takes time may begin. */
  rouse(): void;
  /** Makes a context known. Fails when its firmware cannot be loaded there, or the coprocessor is gone. */
  attach(context: ContextSpec): Promise<Outcome<void>>;
  /** Forgets a context that is not loaded. */
  detach(slot: number): Promise<Outcome<void>>;
  /** Makes more queues of an attached context known. */
  addQueues(slot: number, queues: readonly QueueSpec[]): Promise<Outcome<void>>;
  /** Ends the coprocessor at once, whatever it is doing. `onExit` follows. */
  kill(reason: string): void;
}

export interface Timeline {
  now(): Instant;
  /** Calls `what` at `deadline` or as soon as possible after it. Returns how to cancel it. */
  at(deadline: Instant, what: () => void): () => void;
}

/** Where shared memory comes from. All of it is zero. */
export interface MemorySource {
  shared(bytes: number): SharedArrayBuffer;
  /** Local memory for firmware, of so many pages of 64 KiB, which never grows. */
  local(pages: number): WebAssembly.Memory;
}

/**
 * The world below the hypervisor: time, chance, memory and coprocessors. It is all that differs between a
 * run on threads and a simulated one.
 */
export interface Runtime {
  readonly kind: 'threads' | 'simulated';
  readonly timeline: Timeline;
  readonly random: Random;
  readonly memory: MemorySource;
  /**
   * How long the hypervisor takes to hear of something, decide and say so. A coprocessor tells the end of a slice so
   * much ahead, goes on meanwhile, and switches at the end without having waited for anybody.
   */
  readonly lead: Duration;
  /** Whether firmware has to be metered to run here. */
  readonly metered: boolean;
  startCoprocessor(spec: CoprocessorSpec, platform: Platform, listener: PortListener): CoprocessorPort;
  /** Runs until `finished` resolves; the simulated runtime moves its clock in here. */
  drive(finished: Promise<void>): Promise<void>;
  /** Ends what is left. */
  close(): Promise<void>;
}
