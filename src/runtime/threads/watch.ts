/** Longer than the shortest slices in use: who waits for the end of one should still be awake when it comes. */
const WATCH_NS = 1_200_000;
/** A short command of a coprocessor that sleeps is back by then: it takes about 200 us, all caches cold. */
const EXPECT_NS = 300_000;
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

  /** Waits for what was just asked for: not long, and without credit, which it would always earn. */
  expect(came: () => boolean): Promise<boolean> {
    return this.#look(came, EXPECT_NS);
  }

  /** Whether `came` came true meanwhile. */
  async keep(came: () => boolean): Promise<boolean> {
    if (this.#credit === 0 && ++this.#pauses % PROBE !== 0) return false;
    const paid = await this.#look(came, WATCH_NS);
    this.#credit = paid ? CREDIT : Math.max(0, this.#credit - 1);
    return paid;
  }

  async #look(came: () => boolean, length: number): Promise<boolean> {
    const until = this.#now() + length;
    while (this.#free() && this.#now() < until) {
      await this.#turn();
      if (came()) return true;
    }
    return false;
  }
}
