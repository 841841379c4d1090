import { availableParallelism } from 'node:os';

/** How long a side looks for more work before it sleeps: a wake-up costs about 20 us on each side. */
const SPIN_NS = 50_000;

/** Shared memory in which the threads of one run count who spins. */
export const spinnersMemory = (): SharedArrayBuffer => new SharedArrayBuffer(4);

/**
 * Decides whether a thread that has nothing to do spins before it sleeps: only when the last pause was short enough
 * to have been spun through, and only while a core is left for it besides the one that the guests run on. Two to four
 * spinning threads on two cores do a quarter of the work that waiting ones do.
 */
export class Spinners {
  readonly #count: Int32Array;
  readonly #now: () => number;
  readonly #most: number;
  #lastPause = 0;

  /** \`now\` gives nanoseconds. */
  constructor(memory: SharedArrayBuffer, now: () => number, cores = availableParallelism()) {
    this.#count = new Int32Array(memory);
    this.#now = now;
    this.#most = cores - 1;
  }

  /**
   * Looks for work with \`found\`, which asks everything there is to ask, and says whether there was any. With several
   * \`sharers\`, who may be waiting, it takes less time for it.
   */
  spin(found: () => boolean, sharers: number): boolean {
    const length = SPIN_NS / Math.max(1, sharers);
    if (this.#lastPause > length) return false;
    if (Atomics.add(this.#count, 0, 1) >= this.#most) {
      Atomics.sub(this.#count, 0, 1);
      return false;
    }
    const until = this.#now() + length;
    let work = found();
    while (!work && this.#now() < until) work = found();
    Atomics.sub(this.#count, 0, 1);
    return work;
  }

  /** The thread did nothing from \`since\` until now. */
  paused(since: number): void {
    this.#lastPause = this.#now() - since;
  }
}
