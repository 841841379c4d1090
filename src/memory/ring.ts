// A ring of 64-byte descriptors with one producer and one consumer.
//
// Who may write what: the producer writes HEAD and the slots between TAIL and HEAD + free; the consumer writes TAIL,
// QUIET and, in HEAD, the one bit that asks for the bell. Indices run freely through 31 bits, above that bit; a slot is an
// index modulo the capacity, a power of two.
//
// Why plain slot accesses suffice: the producer writes a slot, then exchanges HEAD; the consumer loads HEAD, then
// reads the slot. The consumer reads a slot, then stores TAIL; the producer loads TAIL, then writes the slot again.
// Each conflicting pair is ordered by a sequentially consistent store and the load that sees it.
//
// Why nobody who asked for the bell is forgotten: the bit is set by a compare-and-exchange that succeeds only on the
// index at which the ring is empty, and the exchange that publishes takes the bit away and sees it. So either the
// consumer finds that there is more, or the producer finds that it was asked. One exchange does both, and it costs
// what the store alone would.
//
// Each side keeps its own index to itself and trusts nothing that it reads: an index from the other side that cannot
// be true makes the ring `corrupt`, which harms only those two. A bit that was set or cleared by rubbish rings too
// often, or not at all for its own side.

export const HEAD = 0;
const TAIL = 32;
const QUIET = 33;
/** First word of the first slot. */
export const SLOTS = 64;
const ASKED = 1;

/** 32-bit words of one descriptor. */
export const DESCRIPTOR_WORDS = 16;

/** The same in 64-bit integers, which descriptors are copied as, and where the first of them stands. */
const WIDE = DESCRIPTOR_WORDS / 2;
const FIRST = SLOTS / 2;

/** What `available` and `claim` answer when the other side's index cannot be true. */
export const CORRUPT = -2;
export const FULL = -1;

/** Size of the shared memory of a ring of `capacity` descriptors, a power of two. */
export function ringBytes(capacity: number): number {
  if (capacity < 1 || (capacity & (capacity - 1)) !== 0)
    throw new RangeError(`a ring of ${capacity}: not a power of two`);
  return (SLOTS + capacity * DESCRIPTOR_WORDS) * 4;
}

export const ringMemory = (capacity: number): SharedArrayBuffer => new SharedArrayBuffer(ringBytes(capacity));

export const capacityOf = (memory: SharedArrayBuffer): number =>
  (memory.byteLength / 4 - SLOTS) / DESCRIPTOR_WORDS;

/** Both indices as they stand, in 31 bits, for who takes no part. */
export const indicesOf = (words: Int32Array): { readonly head: number; readonly tail: number } => ({
  head: Atomics.load(words, HEAD) >> 1,
  tail: Atomics.load(words, TAIL) >> 1,
});

/**
 * Copies `count` descriptors; indices count 8 bytes. As 64-bit integers: twice as fast as 32-bit words, and unlike
 * doubles they keep every bit. One index for both sides: fewer additions than copies.
 */
function copyDescriptors(
  to: BigInt64Array,
  at: number,
  from: BigInt64Array,
  source: number,
  count: number,
): void {
  const end = at + count * WIDE;
  const ahead = source - at;
  for (let k = at; k < end; k += WIDE) copyDescriptor(to, k, from, k + ahead);
}

/** Copies one descriptor; indices count 8 bytes. */
function copyDescriptor(to: BigInt64Array, at: number, from: BigInt64Array, source: number): void {
  to[at] = from[source]!;
  to[at + 1] = from[source + 1]!;
  to[at + 2] = from[source + 2]!;
  to[at + 3] = from[source + 3]!;
  to[at + 4] = from[source + 4]!;
  to[at + 5] = from[source + 5]!;
  to[at + 6] = from[source + 6]!;
  to[at + 7] = from[source + 7]!;
}

export class RingProducer {
  /** The ring's words; a descriptor stands at the index that `claim` returned. */
  readonly words: Int32Array;
  /** The same memory, for {@link copyDescriptor}: a descriptor stands at half that index. */
  readonly wide: BigInt64Array;
  readonly capacity: number;
  #head = 0;
  #published = 0;
  #tailSeen = 0;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.wide = new BigInt64Array(memory);
    this.capacity = capacityOf(memory);
    this.#head = this.#published = Atomics.load(this.words, HEAD) >> 1;
    // As if full, so that the first claim looks at TAIL and checks it.
    this.#tailSeen = (this.#head - this.capacity) | 0;
  }

  /** How many descriptors can be claimed now, as far as one who wants `wanted` has to know; or CORRUPT. */
  room(wanted = 1): number {
    let used = (this.#head - this.#tailSeen) | 0;
    if (used > this.capacity - wanted) {
      used = ((this.#head << 1) - Atomics.load(this.words, TAIL)) >> 1;
      if (used < 0 || used > this.capacity) return CORRUPT;
      this.#tailSeen = (this.#head - used) | 0;
    }
    return this.capacity - used;
  }

  /** Takes the next free slot: the index of its first word, or FULL, or CORRUPT. Write it, then `publish`. */
  claim(): number {
    const room = this.room();
    if (room <= 0) return room === 0 ? FULL : CORRUPT;
    const slot = SLOTS + (this.#head & (this.capacity - 1)) * DESCRIPTOR_WORDS;
    this.#head = (this.#head + 1) | 0;
    return slot;
  }

  /**
   * Takes the next `count` free slots, no more than `room` said, and copies descriptors into them from the one at
   * `source` of `from` on, an index of 8 bytes. Then `publish`.
   */
  write(from: BigInt64Array, source: number, count: number): void {
    const slot = this.#head & (this.capacity - 1);
    const run = Math.min(count, this.capacity - slot);
    copyDescriptors(this.wide, FIRST + slot * WIDE, from, source, run);
    copyDescriptors(this.wide, FIRST, from, source + run * WIDE, count - run);
    this.#head = (this.#head + count) | 0;
  }

  /** Sets the first words of the `count` descriptors that were taken last: they count on from `sequence`. */
  number(count: number, sequence: number): void {
    const { words } = this;
    const end = words.length;
    let at = SLOTS + ((this.#head - count) & (this.capacity - 1)) * DESCRIPTOR_WORDS;
    for (let k = 0; k < count; k++) {
      words[at] = sequence + k;
      at += DESCRIPTOR_WORDS;
      if (at === end) at = SLOTS;
    }
  }

  /** Whether the consumer has taken all that was published. */
  get drained(): boolean {
    return Atomics.load(this.words, TAIL) === this.#published << 1;
  }

  /** How many published descriptors the consumer has not given back; any number when its index cannot be true. */
  get waiting(): number {
    return ((this.#published << 1) - Atomics.load(this.words, TAIL)) >> 1;
  }

  /** Whether the consumer wants to be rung only when it asks for it. */
  get quiet(): boolean {
    return Atomics.load(this.words, QUIET) !== 0;
  }

  /** How many descriptors the consumer has ever given back, in 31 bits. */
  get taken(): number {
    return Atomics.load(this.words, TAIL) >> 1;
  }

  /** Shows all claimed descriptors to the consumer. Says whether the consumer asked to be rung for them. */
  publish(): boolean {
    if (this.#head === this.#published) return false;
    this.#published = this.#head;
    return (Atomics.exchange(this.words, HEAD, this.#head << 1) & ASKED) !== 0;
  }
}

export class RingConsumer {
  /** The ring's words; a descriptor stands at the index that `peek` returned. */
  readonly words: Int32Array;
  /** The same memory, for {@link copyDescriptor}: a descriptor stands at half that index. */
  readonly wide: BigInt64Array;
  readonly capacity: number;
  #tail = 0;
  #headSeen = 0;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.wide = new BigInt64Array(memory);
    this.capacity = capacityOf(memory);
    this.#tail = this.#headSeen = Atomics.load(this.words, TAIL) >> 1;
  }

  /** Begins again where the ring stands now: for a second reader, who looks and takes nothing. */
  rejoin(): void {
    this.#tail = this.#headSeen = Atomics.load(this.words, TAIL) >> 1;
  }

  /** How many descriptors wait, or CORRUPT. */
  available(): number {
    const seen = (this.#headSeen - this.#tail) | 0;
    return seen === 0 ? this.look() : seen;
  }

  /** How many descriptors wait by now, however many were seen before, or CORRUPT. */
  look(): number {
    const count = ((Atomics.load(this.words, HEAD) & ~ASKED) - (this.#tail << 1)) >> 1;
    if (count < 0 || count > this.capacity) return CORRUPT;
    this.#headSeen = (this.#tail + count) | 0;
    return count;
  }

  /** Index of the first word of the descriptor that has `ahead` others before it. Fewer than `available`. */
  peek(ahead = 0): number {
    return SLOTS + ((this.#tail + ahead) & (this.capacity - 1)) * DESCRIPTOR_WORDS;
  }

  /** How many slots from `peek()` on stand one behind the other. */
  get run(): number {
    return this.capacity - (this.#tail & (this.capacity - 1));
  }

  /** Gives the slots of the oldest descriptors back. */
  release(count = 1): void {
    this.#tail = (this.#tail + count) | 0;
    Atomics.store(this.words, TAIL, this.#tail << 1);
  }

  /** Copies the oldest `count` descriptors, no more than `available`, to `target` of `to`, an index of 8 bytes; gives their slots back. */
  read(to: BigInt64Array, target: number, count: number): void {
    const slot = this.#tail & (this.capacity - 1);
    const run = Math.min(count, this.capacity - slot);
    copyDescriptors(to, target, this.wide, FIRST + slot * WIDE, run);
    copyDescriptors(to, target + run * WIDE, this.wide, FIRST, count - run);
    this.release(count);
  }

  /** Whether to be rung for every descriptor, or only when asked for. */
  set quiet(value: boolean) {
    Atomics.store(this.words, QUIET, value ? 1 : 0);
  }

  /** Asks the producer to ring for the next descriptor. Says false, and asks for nothing, when one is there already. */
  ask(): boolean {
    const empty = this.#tail << 1;
    const found = Atomics.compareExchange(this.words, HEAD, empty, empty | ASKED);
    return (found & ~ASKED) === empty;
  }
}
