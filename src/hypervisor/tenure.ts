import { assert } from '../base/assert.ts';
import { NO_TIME, after, between, sum, type Duration, type Instant } from '../base/units.ts';
import type { Timeline } from '../contract/port.ts';
import type { Watchdogs } from '../contract/recovery.ts';
import type { Scheduler, Settled } from '../contract/scheduler.ts';
import type { Vcoproc } from './vcoproc.ts';

/** A stay of one vcoproc on the coprocessor, from a scheduler's decision to its settlement. */
export interface Tenure {
  readonly vcoproc: Vcoproc;
  readonly decidedBy: Scheduler;
  readonly slice: Duration;
  readonly ends: Instant;
  readonly switching: Duration;
  expired: boolean;
  /** The vcoproc's time when it was first asked to leave. */
  asked: Duration | undefined;
  cancelWatchdog: () => void;
}

/** What stays need of their coprocessor. */
export interface Landlord {
  readonly timeline: Timeline;
  watchdogs(): Watchdogs;
  /** Charges the time until now. */
  charge(): void;
  /** Nothing was heard of this stay by a stop deadline after its slice. */
  onOverstay(tenure: Tenure): void;
}

/** The stays on one coprocessor, one after the other. */
export class Tenancy {
  readonly #landlord: Landlord;
  #current: Tenure | undefined;

  constructor(landlord: Landlord) {
    this.#landlord = landlord;
  }

  get current(): Tenure | undefined {
    return this.#current;
  }

  /** What is left of the slice. */
  get left(): Duration | null {
    const { timeline } = this.#landlord;
    if (this.#current === undefined) return null;
    return Math.max(0, between(timeline.now(), this.#current.ends)) as Duration;
  }

  begin(vcoproc: Vcoproc, slice: Duration, switching: Duration, decidedBy: Scheduler): void {
    assert(this.#current === undefined, 'one stay at a time');
    const { timeline, watchdogs } = this.#landlord;
    const ends = after(timeline.now(), slice);
    const tenure: Tenure = {
      vcoproc,
      decidedBy,
      slice,
      ends,
      switching,
      expired: false,
      asked: undefined,
      // The running firmware neither leaves nor reports: it hangs in a step.
      cancelWatchdog: timeline.at(after(ends, watchdogs().stopDeadline), () =>
        this.#landlord.onOverstay(tenure),
      ),
    };
    this.#current = tenure;
    vcoproc.slices++;
    if (vcoproc.state !== 'running') vcoproc.move('ARRIVED');
    vcoproc.arrived();
  }

  /** Whoever has the coprocessor is asked to leave it. */
  asked(): void {
    this.#landlord.charge();
    if (this.#current !== undefined) this.#current.asked ??= this.#current.vcoproc.time;
  }

  /** It may stay: what it was asked is forgotten. */
  pardon(): void {
    if (this.#current !== undefined) this.#current.asked = undefined;
  }

  /**
   * Ends the present stay and tells the scheduler what really happened. `drained`: how long it went on in the switch
   * that ends it, which is part of what a switch takes, and is its own all the same.
   */
  settle(outcome: Settled['outcome'], drained = NO_TIME): void {
    const tenure = this.#current;
    if (tenure === undefined) return;
    this.#current = undefined;
    tenure.cancelWatchdog();
    const { vcoproc, slice, switching } = tenure;
    const ran = sum(vcoproc.unsettled(), drained);
    // Past its slice *and* asked to leave: what the hypervisor was late by is nobody's debt.
    const since = tenure.asked ?? vcoproc.time;
    const overrun = Math.max(0, Math.min(ran - slice, vcoproc.time - since + drained)) as Duration;
    vcoproc.overrun = (vcoproc.overrun + overrun) as Duration;
    const now = this.#landlord.timeline.now();
    tenure.decidedBy.settle({ vcoproc: vcoproc.name, outcome, ran, overrun, switching, now });
  }
}
