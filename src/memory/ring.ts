// A ring of 64-byte descriptors with one producer and one consumer.
//
// Who may write what: the producer writes HEAD and the slots between TAIL and HEAD + free; the consumer writes TAIL.
// Indices run freely through 32 bits; a slot is an index modulo the capacity, a power of two.
//
// Why plain slot accesses suffice: the producer writes a slot, then stores HEAD; the consumer loads HEAD, then reads
// the slot. The consumer reads a slot, then stores TAIL; the producer loads TAIL, then writes the slot again. Each
// conflicting pair is ordered by a sequentially consistent store and the load that sees it.
//
// Each side keeps its own index to itself and trusts nothing that it reads: an index from the other side that cannot
// be true makes the ring `corrupt`, which harms only those two.

const HEAD = 0;
const TAIL = 32;
const SLOTS = 64;

/** 32-bit words of one descriptor. */
export const DESCRIPTOR_WORDS = 16;

/** What `available` and `claim` answer when the other side's index cannot be true. */
export const CORRUPT = -2;
export const FULL = -1;

/** Shared memory for a ring of `capacity` descriptors, a power of two. */
export function ringMemory(capacity: number): SharedArrayBuffer {
  if (capacity < 1 || (capacity & (capacity - 1)) !== 0)
    throw new RangeError(`a ring of ${capacity}: not a power of two`);
  return new SharedArrayBuffer((SLOTS + capacity * DESCRIPTOR_WORDS) * 4);
}

const capacityOf = (memory: SharedArrayBuffer): number => (memory.byteLength / 4 - SLOTS) / DESCRIPTOR_WORDS;

export class RingProducer {
  /** The ring's words; a descriptor stands at the index that `claim` returned. */
  readonly words: Int32Array;
  readonly capacity: number;
  #head = 0;
  #published = 0;
  #tailSeen = 0;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.capacity = capacityOf(memory);
    this.#head = this.#published = Atomics.load(this.words, HEAD);
    // As if full, so that the first claim looks at TAIL and checks it.
    this.#tailSeen = (this.#head - this.capacity) | 0;
  }

  /** Takes the next free slot: the index of its first word, or FULL, or CORRUPT. Write it, then `publish`. */
  claim(): number {
    let used = (this.#head - this.#tailSeen) | 0;
    if (used >= this.capacity) {
      this.#tailSeen = Atomics.load(this.words, TAIL);
      used = (this.#head - this.#tailSeen) | 0;
      if (used < 0 || used > this.capacity) return CORRUPT;
      if (used === this.capacity) return FULL;
    }
    const slot = SLOTS + (this.#head & (this.capacity - 1)) * DESCRIPTOR_WORDS;
    this.#head = (this.#head + 1) | 0;
    return slot;
  }

  /** Whether the consumer has taken all that was published. */
  get drained(): boolean {
    return Atomics.load(this.words, TAIL) === this.#published;
  }

  /** Shows all claimed descriptors to the consumer. */
  publish(): void {
    if (this.#head === this.#published) return;
    this.#published = this.#head;
    Atomics.store(this.words, HEAD, this.#head);
  }
}

export class RingConsumer {
  /** The ring's words; a descriptor stands at the index that `peek` returned. */
  readonly words: Int32Array;
  readonly capacity: number;
  #tail = 0;
  #headSeen = 0;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.capacity = capacityOf(memory);
    this.#tail = this.#headSeen = Atomics.load(this.words, TAIL);
  }

  /** How many descriptors wait, or CORRUPT. */
  available(): number {
    let count = (this.#headSeen - this.#tail) | 0;
    if (count === 0) {
      const head = Atomics.load(this.words, HEAD);
      count = (head - this.#tail) | 0;
      if (count < 0 || count > this.capacity) return CORRUPT;
      this.#headSeen = head;
    }
    return count;
  }

  /** Index of the first word of the oldest descriptor. Only when `available` is positive. */
  peek(): number {
    return SLOTS + (this.#tail & (this.capacity - 1)) * DESCRIPTOR_WORDS;
  }

  /** Gives the oldest descriptor's slot back. */
  release(): void {
    this.#tail = (this.#tail + 1) | 0;
    Atomics.store(this.words, TAIL, this.#tail);
  }
}
