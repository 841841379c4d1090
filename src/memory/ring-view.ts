import { DESCRIPTOR_WORDS, SLOTS, capacityOf, indicesOf } from './ring.ts';

/** A ring as a third party sees it, who takes no part in it: what it finds may be rubbish, and is never more than the ring holds. */
export interface RingView {
  readonly capacity: number;
  readonly head: number;
  readonly tail: number;
  /** Copies of the descriptors that are published and not taken, oldest first; none when an index cannot be true. */
  readonly waiting: readonly Int32Array[];
}

export function viewRing(memory: SharedArrayBuffer): RingView {
  const words = new Int32Array(memory);
  const capacity = capacityOf(memory);
  const { head, tail } = indicesOf(words);
  const count = ((head - tail) << 1) >> 1;
  const waiting = Array.from({ length: count >= 0 && count <= capacity ? count : 0 }, (_, ahead) => {
    const at = SLOTS + ((tail + ahead) & (capacity - 1)) * DESCRIPTOR_WORDS;
    return words.slice(at, at + DESCRIPTOR_WORDS);
  });
  return { capacity, head, tail, waiting };
}
