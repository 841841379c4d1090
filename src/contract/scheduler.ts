import type { Duration, Instant } from '../base/units.ts';
import type { VcoprocId } from './names.ts';

/** Decides who has a coprocessor. One instance per coprocessor; it knows vcoprocs only by name. */
export interface Scheduler {
  readonly name: string;
  /** Accepts or refuses a vcoproc with its parameters; a refusal says why. It is asleep at first. */
  admit(vcoproc: VcoprocId, parameters: SchedulerParameters): Admission;
  /** Forgets a vcoproc in whatever state it is. */
  remove(vcoproc: VcoprocId): void;
  /** The vcoproc has work now. Answers whether that is a reason to decide anew at once. Idempotent. */
  wake(vcoproc: VcoprocId, now: Instant): boolean;
  /** The vcoproc has no work any more. Idempotent. */
  sleep(vcoproc: VcoprocId, now: Instant): void;
  /** Chooses among the awake. Charges nobody and dequeues nobody: the switch may still be denied. */
  pick(now: Instant): Decision;
  /** Called exactly once per `pick` that chose a vcoproc, with what really happened. */
  settle(report: Settled): void;
}

export type SchedulerParameters = Readonly<Record<string, number | string>>;

export type Admission = { readonly kind: 'admitted' } | { readonly kind: 'refused'; readonly reason: string };

export type Decision =
  { readonly kind: 'idle' } | { readonly kind: 'run'; readonly vcoproc: VcoprocId; readonly slice: Duration };

/** What became of a decision. Times are zero when the vcoproc never got the coprocessor. */
export interface Settled {
  readonly vcoproc: VcoprocId;
  /**
   * `ran`: it had the coprocessor. `denied`: the one before it did not leave. `failed`: its context
   * could not be loaded, or it faulted.
   */
  readonly outcome: 'ran' | 'denied' | 'failed';
  readonly ran: Duration;
  /** Of `ran`, the part past the end of its slice. */
  readonly overrun: Duration;
  /** The time that switching to it took. */
  readonly switching: Duration;
  readonly now: Instant;
}

export interface SchedulerSettings {
  readonly timeslice: Duration;
  readonly parameters: SchedulerParameters;
}

export type SchedulerFactory = (settings: SchedulerSettings) => Scheduler;
