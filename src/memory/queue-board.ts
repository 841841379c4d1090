// A bit for each of up to 4096 queues, with two levels above it, so that who looks for the few that are set looks at
// no others: word TOP has a bit for each word of SUMMARY, which has a bit for each word of LEAVES.
//
// Who may write: one side sets bits, the other takes them.
//
// Why no bit is forgotten: bits are set from the leaf upwards and taken from the top downwards, each by one atomic
// exchange. A bit that comes too late to be taken sets its way to the top afterwards, and is found at the next look;
// a way whose bit was taken already leads nowhere, and costs that look. Rubbish in any word does no more than that.

const TOP = 0;
const SUMMARY = 16;
const LEAVES = 32;
const LEAF_WORDS = 128;
const BOARD_WORDS = LEAVES + LEAF_WORDS;

/** The two boards of a context: queues that the guest rang, and queues with completions that are worth an interrupt. */
export const BOARD = { rung: 0, completed: 1 } as const;

/** Size of the shared memory for both boards of a context. */
export const BOARD_BYTES = 2 * BOARD_WORDS * 4;

export class QueueBoard {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer, which: number) {
    this.#words = new Int32Array(memory, which * BOARD_WORDS * 4, BOARD_WORDS);
  }

  /** Whether anything may be set: one load. */
  get any(): boolean {
    return Atomics.load(this.#words, TOP) !== 0;
  }

  set(index: number): void {
    const leaf = index >> 5;
    Atomics.or(this.#words, LEAVES + leaf, 1 << (index & 31));
    Atomics.or(this.#words, SUMMARY + (leaf >> 5), 1 << (leaf & 31));
    Atomics.or(this.#words, TOP, 1 << (leaf >> 5));
  }

  /** Takes all bits, and tells each. */
  take(told: (index: number) => void): void {
    const words = this.#words;
    // What follows is no part of the boards: rubbish must not lead there.
    for (let top = Atomics.exchange(words, TOP, 0) & 15; top !== 0; top &= top - 1) {
      const group = lowest(top);
      for (let summary = Atomics.exchange(words, SUMMARY + group, 0); summary !== 0; summary &= summary - 1) {
        const leaf = group * 32 + lowest(summary);
        for (let bits = Atomics.exchange(words, LEAVES + leaf, 0); bits !== 0; bits &= bits - 1)
          told(leaf * 32 + lowest(bits));
      }
    }
  }
}

const lowest = (bits: number): number => 31 - Math.clz32(bits & -bits);
