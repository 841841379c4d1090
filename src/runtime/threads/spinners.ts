/** How long a side looks for more work before it sleeps: a wake-up costs about 20 us on each side. */
const SPIN_NS = 50_000;
/** Pauses in a row that may be spun through in vain. */
const CREDIT = 4;
/** After that, one pause in so many is spun through, to see whether times have changed. */
const PROBE = 16;

/** Shared memory in which the threads of one run say who spins: a bit for each, one for several if there are more than 32. */
export const spinnersMemory = (): SharedArrayBuffer => new SharedArrayBuffer(4);

/** Thread number `number` is over, and may have been spinning. */
export const forgetSpinner = (memory: SharedArrayBuffer, number: number): void =>
  void Atomics.and(new Int32Array(memory), 0, ~(1 << number));

/**
 * Decides whether a thread that has nothing to do spins before it sleeps: as long as that has paid lately, and only
 * while a core is left for it besides the one that the guests run on. Two to four spinning threads on two cores do a
 * quarter of the work that waiting ones do.
 */
export class Spinners {
  readonly #who: Int32Array;
  readonly #bit: number;
  readonly #now: () => number;
  readonly #most: number;
  #credit = CREDIT;
  #pauses = 0;

  /** Of thread number `number`. `now` gives nanoseconds; `cores` is how many the run has. */
  constructor(memory: SharedArrayBuffer, number: number, now: () => number, cores: number) {
    this.#who = new Int32Array(memory);
    this.#bit = 1 << number;
    this.#now = now;
    this.#most = cores - 1;
  }

  /** Looks for work that was announced: whoever is waited for has begun to write it. Needs no credit and gives none. */
  expect(found: () => boolean): void {
    this.#look(found, SPIN_NS);
  }

  /**
   * Looks for work with `found`, which asks everything there is to ask, and says whether there was any. With several
   * `sharers`, who may be waiting, it takes less time for it.
   */
  spin(found: () => boolean, sharers: number): boolean {
    if (this.#credit === 0 && ++this.#pauses % PROBE !== 0) return false;
    const work = this.#look(found, SPIN_NS / Math.max(1, sharers));
    if (work === undefined) return false;
    this.#credit = work ? CREDIT : Math.max(0, this.#credit - 1);
    return work;
  }

  /** Undefined where there is no core for it. */
  #look(found: () => boolean, length: number): boolean | undefined {
    const others = bitsIn(Atomics.or(this.#who, 0, this.#bit) & ~this.#bit);
    let work: boolean | undefined;
    if (others < this.#most) {
      const until = this.#now() + length;
      work = found();
      while (!work && this.#now() < until) work = found();
    }
    Atomics.and(this.#who, 0, ~this.#bit);
    return work;
  }
}

function bitsIn(word: number): number {
  let count = 0;
  for (let left = word; left !== 0; left &= left - 1) count++;
  return count;
}
