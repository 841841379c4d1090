import { after, between, ms, type Duration, type Instant } from '../base/units.ts';
import type { Timeline } from '../contract/port.ts';

/** From the last ring to the first look; each further look comes twice as late. */
const FIRST_LOOK = ms(2);
/** The last look comes 2 s after the last ring, unless a question is open. */
const LOOKS = 10;

/** What the tick asks of the link that it looks after. */
export interface LookedAfter {
  /** Rings again and takes what is there; says whether there was anything. */
  look(): boolean;
  /** Asks the coprocessor to show that it is there. */
  ask(): void;
  /** Whether it has, since it was asked. */
  answered(): boolean;
  /** Whether it is known to be at something that takes longer than a step. */
  excused(): boolean;
  /** It has not, for too long. */
  onSilence(): void;
}

/**
 * Looks after what was asked of a coprocessor, for the case that a doorbell or an interrupt was lost on the
 * way, or that nobody is there: after each ring a few times, ever more rarely, so that what stays silent
 * because there is nothing to say is left alone in the end.
 */
export class SafetyTick {
  readonly #timeline: Timeline;
  readonly #link: LookedAfter;
  /** How long a coprocessor may be busy with one step. */
  readonly #patience: () => Duration;
  #looks = 0;
  #askedAt: Instant | undefined;
  #overdue = 0;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(timeline: Timeline, patience: () => Duration, link: LookedAfter) {
    this.#timeline = timeline;
    this.#patience = patience;
    this.#link = link;
  }

  /** The coprocessor was rung. */
  rang(): void {
    this.#looks = 0;
    if (this.#cancel === undefined && !this.#stopped) this.#arm();
  }

  stop(): void {
    this.#stopped = true;
    this.#cancel?.();
  }

  #arm(): void {
    const pause = Math.min(FIRST_LOOK * 2 ** this.#looks, FIRST_LOOK + this.#patience()) as Duration;
    this.#cancel = this.#timeline.at(after(this.#timeline.now(), pause), () => this.#due());
  }

  #due(): void {
    this.#looks++;
    if (this.#link.look()) this.#looks = 0;
    if (this.#stopped) return;
    const { now } = this.#timeline;
    if (this.#askedAt === undefined) {
      this.#askedAt = now();
      this.#overdue = 0;
      this.#link.ask();
    } else if (this.#link.answered()) this.#askedAt = undefined;
    else if (this.#link.excused()) this.#askedAt = now();
    // Twice: after a machine was asleep the hypervisor may be awake first.
    else if (between(this.#askedAt, now()) > this.#patience() && ++this.#overdue === 2) {
      this.#link.onSilence();
      return;
    }
    this.#cancel = undefined;
    if (this.#looks < LOOKS || this.#askedAt !== undefined) this.#arm();
  }
}
