import { NEVER, after, ms, type Instant } from '../base/units.ts';

const WINDOW = ms(1);

/** Lets so many through in each millisecond, and counts those that it does not. */
export class Gate {
  readonly #most: number;
  #left: number;
  #until: Instant | undefined;
  #held = 0;

  constructor(most: number) {
    this.#most = this.#left = most;
  }

  /** How many may pass now. */
  room(now: Instant): number {
    if (this.#left < this.#most && now >= (this.#until ?? NEVER)) this.#left = this.#most;
    return this.#left;
  }

  take(now: Instant, count: number): void {
    if (this.#left === this.#most) this.#until = after(now, WINDOW);
    this.#left = Math.max(0, this.#left - count);
  }

  /** Lets one pass and says how many before it did not, or counts it with those. */
  pass(now: Instant): number | undefined {
    if (this.room(now) === 0) {
      this.#held++;
      return undefined;
    }
    this.take(now, 1);
    const held = this.#held;
    this.#held = 0;
    return held;
  }
}
