import { after, ms, type Duration } from '../base/units.ts';
import type { Timeline } from '../contract/port.ts';

/** From the last ring to the first look; each further look comes twice as late. */
const FIRST_LOOK = ms(2);
/** The last look comes 2 s after the last ring; stop deadlines and watchdogs look by themselves. */
const LOOKS = 10;

/**
 * Looks after what was asked of a coprocessor, for the case that a doorbell or an interrupt was lost on the
 * way: after each ring a few times, ever more rarely, so that what stays silent is left alone in the end.
 */
export class SafetyTick {
  readonly #timeline: Timeline;
  /** Rings again and takes what is there; says whether there was anything. */
  readonly #look: () => boolean;
  #looks = 0;
  #cancel: (() => void) | undefined;
  #stopped = false;

  constructor(timeline: Timeline, look: () => boolean) {
    this.#timeline = timeline;
    this.#look = look;
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
    const pause = (FIRST_LOOK * 2 ** this.#looks) as Duration;
    this.#cancel = this.#timeline.at(after(this.#timeline.now(), pause), () => {
      this.#cancel = undefined;
      this.#looks++;
      if (this.#look()) this.#looks = 0;
      // Looking may have led to a ring, or to the end.
      if (this.#cancel === undefined && !this.#stopped && this.#looks < LOOKS) this.#arm();
    });
  }
}
