/** Longer than the shortest slices in use: who waits for the end of one should still be awake when it comes. */
const WATCH_NS = 1_200_000;
/** Watches in a row that may be in vain. */
const CREDIT = 4;
/** After that, one in so many is kept, to see whether times have changed. */
const PROBE = 16;

/**
 * Lets the hypervisor's thread go through its event loop for a while before it sleeps. To wake it costs the
 * coprocessor that has something to say about 17 us, in the middle of its work: with short slices that is most of
 * what sharing costs. It is done as long as it has paid lately, and only while a core is left for it.
 */
export class Watch {
  readonly #now: () => number;
  readonly #free: () => boolean;
  readonly #turn: () => Promise<unknown>;
  #credit = CREDIT;
  #pauses = 0;

  /** `now` gives nanoseconds; `free` says whether a core is left; `turn` lets everything else have its turn. */
  constructor(now: () => number, free: () => boolean, turn: () => Promise<unknown>) {
    this.#now = now;
    this.#free = free;
    this.#turn = turn;
  }

  /** Whether `came` came true meanwhile. */
  async keep(came: () => boolean): Promise<boolean> {
    if (this.#credit === 0 && ++this.#pauses % PROBE !== 0) return false;
    const until = this.#now() + WATCH_NS;
    while (this.#free() && this.#now() < until) {
      await this.#turn();
      if (!came()) continue;
      this.#credit = CREDIT;
      return true;
    }
    this.#credit = Math.max(0, this.#credit - 1);
    return false;
  }
}
