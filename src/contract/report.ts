import type { Duration, Instant } from '../base/units.ts';
import type { CoprocId, DomainId, VcoprocId } from './names.ts';
import type { DomainState, VcoprocState } from './states.ts';

/** Median, 99th percentile and largest of a set of durations (nanoseconds); all zero when there were none. */
export interface Spread {
  readonly count: number;
  readonly p50: Duration;
  readonly p99: Duration;
  readonly max: Duration;
}

/** One coprocessor's account: `running + switching + idle + faulted = wall`, exactly. */
export interface CoprocReport {
  readonly id: CoprocId;
  readonly platform: string;
  readonly scheduler: string;
  readonly timeslice: Duration;
  readonly running: Duration;
  readonly switching: Duration;
  readonly idle: Duration;
  readonly faulted: Duration;
  readonly wall: Duration;
  readonly switches: number;
  readonly denials: number;
  readonly resets: number;
  /** Vcoprocs that were taken out of it and began anew, because they were at fault or because somebody asked for it. */
  readonly vcoprocResets: number;
  /** Vcoprocs that will not get it again. */
  readonly isolated: number;
  /** Why it is not used any more; null while it is. */
  readonly outOfService: string | null;
  readonly switchCost: Spread;
  /** Translations of its IOMMU that stood in the IOTLB, and those that took a walk of the page table. */
  readonly iotlb: { readonly hits: number; readonly misses: number };
  /** What its scheduler did wrong, so that another decides in its place; newest last. */
  readonly faults: readonly string[];
}

/** `submitted = ok + failed + cancelled` once a run has ended. */
export interface CommandCounts {
  readonly submitted: number;
  readonly ok: number;
  readonly failed: number;
  readonly cancelled: number;
}

/** `raised = delivered + pending + dropped`, always. */
export interface InterruptCounts {
  readonly raised: number;
  readonly delivered: number;
  readonly pending: number;
  readonly dropped: number;
}

export interface VcoprocReport {
  readonly id: VcoprocId;
  readonly domain: DomainId;
  readonly coproc: CoprocId;
  readonly firmware: string;
  /** SHA-256 of the firmware file, in hexadecimal. */
  readonly sha256: string;
  readonly state: VcoprocState;
  /** Time that it had the coprocessor. */
  readonly time: Duration;
  readonly slices: number;
  /** Time that it kept the coprocessor past the end of its slices, though it was asked to leave. */
  readonly overrun: Duration;
  /** From becoming ready to getting the coprocessor. */
  readonly wait: Spread;
  readonly commands: CommandCounts;
  readonly interrupts: InterruptCounts;
  /** Resets that it was the cause of, and resets of its coprocessor that it was not. */
  readonly resets: { readonly guilty: number; readonly innocent: number };
  /** The last faults that it was blamed for, newest last. */
  readonly faults: readonly string[];
  /** How many there were before those. */
  readonly earlierFaults: number;
}

export interface ResultReport {
  readonly what: string;
  readonly ok: boolean;
  readonly detail: string;
}

export interface DomainReport {
  readonly name: DomainId;
  readonly state: DomainState;
  /** Why it crashed. */
  readonly reason: string | null;
  readonly results: readonly ResultReport[];
  /** Files it wrote, as paths below the output folder. */
  readonly files: readonly string[];
}

/** What became of one fault of a plan. */
export interface FaultReport {
  readonly kind: string;
  /** The fault in words: what, on whom, when. */
  readonly fault: string;
  /** How often it happened. */
  readonly times: number;
  /** When it happened first; null when it never did. */
  readonly at: Instant | null;
  /**
   * `recovered`: it cost time and nothing else. `reported`: somebody lost something and was told what.
   * `refused`: what it spoiled was turned away before anybody used it.
   */
  readonly became: 'recovered' | 'reported' | 'refused' | 'never happened';
  /** Who was told what. */
  readonly detail: string;
}

/** What the device tree says of a coprocessor, as far as a simulated run's time comes from it. */
export interface BoardFigures {
  readonly coproc: CoprocId;
  /** Clock in Hz. */
  readonly clock: number;
  /** Bytes per second at which a context is saved and loaded. */
  readonly switchBandwidth: number;
  /** Bytes per second of the firmware's DMA. */
  readonly dmaBandwidth: number;
  readonly interruptLatency: Duration;
}

/** What one vcoproc would get done on the described board. */
export interface PredictedWork {
  readonly vcoproc: VcoprocId;
  /** Commands that succeed in a second, over the life of its domain. */
  readonly perSecond: number;
  /** From submit to completion, as the guest sees it; of commands that succeeded and were not part of a batch. */
  readonly latency: Spread;
}

/** A simulated run is a prediction: of the board that the device tree describes, resting on these figures of it. */
export interface Prediction {
  readonly board: readonly BoardFigures[];
  readonly work: readonly PredictedWork[];
}

/** The whole run in figures: what `covisor run --json` prints. */
export interface RunReport {
  readonly schemaVersion: 1;
  readonly system: string;
  readonly model: string;
  readonly runtime: 'threads' | 'simulated';
  readonly seed: number;
  readonly wall: Duration;
  /** Every domain finished, every verdict is ok, every law holds on these figures and no scheduler failed. */
  readonly ok: boolean;
  /** The laws that do not hold, in words; empty in every run that is ok. */
  readonly violations: readonly string[];
  readonly coprocs: readonly CoprocReport[];
  readonly vcoprocs: readonly VcoprocReport[];
  readonly domains: readonly DomainReport[];
  /** In the order of the plan; only of a run with one. */
  readonly faults?: readonly FaultReport[];
  /** Only of a simulated run: on threads the time is that of this machine. */
  readonly prediction?: Prediction;
  /** The run's report page, below the output folder; null when no files are written. */
  readonly report: string | null;
}
