import type { Duration, Instant } from '../base/units.ts';
import type { VcoprocId } from './names.ts';

/** Decides who has a coprocessor. One instance per coprocessor; it knows vcoprocs only by name. */
export interface Scheduler {
  readonly name: string;
  /** Accepts or refuses a vcoproc with its parameters; a refusal says why. It is asleep at first. */
  admit(vcoproc: VcoprocId, parameters: SchedulerParameters): Admission;
  /**
   * Gives an admitted vcoproc other parameters: those that are named change, the others stay. Decides
   * from the next `pick` on. A refusal says why and changes nothing.
   */
  change(vcoproc: VcoprocId, parameters: SchedulerParameters): Admission;
  /** Decisions from now on are for slices of this length. A slice that runs already ends as it was given. */
  retime(timeslice: Duration): void;
  /**
   * How long `vcoproc`, awake, waits at most until it is chosen, among those admitted now. `late` is how
   * long at worst a vcoproc stays past its slice, switch included. Nothing for who is not admitted.
   */
  bound(vcoproc: VcoprocId, late: Duration): Duration | undefined;
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
  /**
   * For a checkpoint, what it knows of the past: who saved something up, who owes. Whatever JSON can say. Asked while
   * everybody is asleep and all that was picked is settled. Without this and `restore` it begins anew when a system is
   * resumed.
   */
  save?(): unknown;
  /**
   * Goes on from what one with the same settings has saved, on the same timeline, before anybody is admitted: whoever
   * is admitted under a name that was known then begins where that one stood. It comes from a file, and a refusal says
   * what is wrong with it.
   */
  restore?(saved: unknown): Refusal | undefined;
}

export type SchedulerParameters = Readonly<Record<string, number | string>>;

export interface Refusal {
  readonly kind: 'refused';
  readonly reason: string;
}

export type Admission = { readonly kind: 'admitted' } | Refusal;

export type Decision =
  | {
      readonly kind: 'idle';
      /**
       * Nobody may have the coprocessor before this, unless somebody wakes: whoever has it leaves, and
       * `pick` is called again then. Without it nobody is awake.
       */
      readonly until?: Instant;
    }
  | { readonly kind: 'run'; readonly vcoproc: VcoprocId; readonly slice: Duration };

/** What became of a decision. Times are zero when the vcoproc never got the coprocessor. */
export interface Settled {
  readonly vcoproc: VcoprocId;
  /**
   * `ran`: it had the coprocessor. `denied`: the one before it did not leave. `failed`: its context
   * could not be loaded, or it faulted.
   */
  readonly outcome: 'ran' | 'denied' | 'failed';
  /**
   * What it had the coprocessor for since it was settled last: time outside of its slices counts, too, and so does
   * what it took to be quiet when it was asked to leave.
   */
  readonly ran: Duration;
  /** Of `ran`, the part past the end of its slice for which it had been asked to leave. */
  readonly overrun: Duration;
  /** The time that switching to it took, from when the one before it was quiet. */
  readonly switching: Duration;
  readonly now: Instant;
}

export interface SchedulerSettings {
  readonly timeslice: Duration;
  /** The algorithm's own: `scheduler-NAME` of the system file. */
  readonly parameters: SchedulerParameters;
  /** How long a holder may refuse to leave before it is reset; nothing when it is not known. */
  readonly stopDeadline?: Duration;
  /** What one world switch takes at worst; nothing when it is not known. */
  readonly switchCost?: Duration;
  /** Told, in one line, when the scheduler did what none may do and another decides in its place. */
  readonly onFault?: (what: string) => void;
}

/** Makes a scheduler, or says which of its parameters is impossible. */
export type SchedulerFactory = (settings: SchedulerSettings) => Scheduler | Refusal;
