import { START, type Instant } from '../../base/units.ts';

const DIGIT_BITS = 6;
const DIGITS = 1 << DIGIT_BITS;
/** Times have a low half of five digits and a high half of four: 54 bits. */
const LOW_LEVELS = 5;
const LEVELS = 9;
const LOW = 2 ** (LOW_LEVELS * DIGIT_BITS);
const LOW_SLOTS = LOW_LEVELS * DIGITS;
const NONE = -1;
const FIRST_CAPACITY = 64;
/** A ticket is an entry's place and how often that was used before. */
const PLACES = 2 ** 26;
const USES = 2 ** 27;

/**
 * What is going to happen, by time; at the same instant first come, first served, unless `tie` says
 * otherwise: it is asked which of `count` is next, in the order in which they came.
 *
 * A hierarchical timing wheel (Varghese and Lauck, 1987) that jumps from entry to entry: a time is nine digits to
 * the base of 64, and an entry stands on the wheel of the highest digit in which it differs from now. When now comes to
 * a slot of a higher wheel, its entries go down, in their order. All of one slot of the lowest wheel are at one instant.
 */
export class EventQueue {
  /** When what was taken last happens. */
  at: Instant;
  readonly #tie: ((count: number) => number) | undefined;
  /** What the wheels are turned to: a whole number of low halves, and a low half. Not after any entry. */
  #base = 0;
  #low = 0;
  #size = 0;
  /** A bit for each slot that has entries, two words a wheel. */
  readonly #filled = new Int32Array(2 * LEVELS);
  /** Of each slot the first and the last entry. */
  readonly #first = new Int32Array(LEVELS * DIGITS).fill(NONE);
  readonly #last = new Int32Array(LEVELS * DIGITS);
  // Of each entry: when, who follows in its slot, how often its place was used, and what happens (cancelled: nothing).
  #time = new Float64Array(FIRST_CAPACITY);
  #next = new Int32Array(FIRST_CAPACITY);
  #uses = new Int32Array(FIRST_CAPACITY);
  readonly #what: ((() => void) | undefined)[] = [];
  /** Places that are free again, linked by `#next`. */
  #free = NONE;

  constructor(tie?: (count: number) => number, start: Instant = START) {
    this.#tie = tie;
    this.at = start;
    this.#turnTo(start);
  }

  /** Entries, those that were cancelled and not met yet included. */
  get size(): number {
    return this.#size;
  }

  /** `at` is not before what was taken last. Returns a ticket to cancel it with. */
  add(at: Instant, what: () => void): number {
    let place = this.#free;
    if (place === NONE) {
      place = this.#what.length;
      if (place === this.#time.length) this.#grow();
    } else this.#free = this.#next[place]!;
    this.#time[place] = at;
    this.#what[place] = what;
    this.#size++;
    this.#put(place, at);
    return this.#uses[place]! * PLACES + place;
  }

  /** Takes an entry back; one that has happened stays so. */
  cancel(ticket: number): void {
    const place = ticket % PLACES;
    if (this.#uses[place] === Math.floor(ticket / PLACES)) this.#what[place] = undefined;
  }

  /** What is next and was not cancelled, taken out; `at` says when. */
  take(): (() => void) | undefined {
    for (let slot = this.#turn(); slot !== NONE; slot = this.#turn()) {
      const before = this.#tie === undefined ? NONE : this.#choose(slot, this.#tie);
      const place = this.#unlink(slot, before);
      const what = this.#what[place];
      const at = this.#time[place]!;
      this.#release(place);
      if (what === undefined) continue;
      this.at = at as Instant;
      return what;
    }
    // Only what was cancelled was left: the wheels may have gone past the present.
    this.#turnTo(this.at);
    return undefined;
  }

  /** Turns the wheels to the next entry. Returns its slot, in which all are at one instant; none when there is no entry. */
  #turn(): number {
    for (let level = 0; level < LEVELS; level++) {
      const digit = this.#filledFrom(level);
      if (digit === NONE) continue;
      const slot = level * DIGITS + digit;
      const first = this.#first[slot]!;
      if (level === 0 || first === this.#last[slot]) {
        this.#turnTo(this.#time[first]!);
        return slot;
      }
      this.#descend(slot);
      level = -1;
    }
    return NONE;
  }

  /** The first slot of a wheel that has entries: all before the present one are empty. */
  #filledFrom(level: number): number {
    const one = this.#filled[2 * level]!;
    if (one !== 0) return 31 - Math.clz32(one & -one);
    const other = this.#filled[2 * level + 1]!;
    return other === 0 ? NONE : 63 - Math.clz32(other & -other);
  }

  /** Now comes to a slot: its entries go to lower wheels, in their order. */
  #descend(slot: number): void {
    let place = this.#first[slot]!;
    this.#empty(slot);
    // The earliest is as good as the slot's beginning, and takes the entries further down.
    let earliest = this.#time[place]!;
    for (let other = this.#next[place]!; other !== NONE; other = this.#next[other]!)
      if (this.#time[other]! < earliest) earliest = this.#time[other]!;
    this.#turnTo(earliest);
    while (place !== NONE) {
      const next = this.#next[place]!;
      if (this.#what[place] === undefined) this.#release(place);
      else this.#put(place, this.#time[place]!);
      place = next;
    }
  }

  /** Which entry of a slot goes first: the one before it, or none. */
  #choose(slot: number, tie: (count: number) => number): number {
    let count = 0;
    for (let place = this.#first[slot]!; place !== NONE; place = this.#next[place]!)
      if (this.#what[place] !== undefined) count++;
    if (count < 2) return NONE;
    let left = tie(count);
    let before = NONE;
    for (let place = this.#first[slot]!; ; place = this.#next[place]!) {
      if (this.#what[place] !== undefined && left-- === 0) return before;
      before = place;
    }
  }

  #put(place: number, at: number): void {
    const low = at - this.#base;
    const slot = low < LOW ? slotOf(low, this.#low) : LOW_SLOTS + slotOf(at / LOW, this.#base / LOW);
    this.#next[place] = NONE;
    if (this.#first[slot] === NONE) {
      this.#first[slot] = place;
      this.#filled[slot >> 5]! |= 1 << (slot & 31);
    } else this.#next[this.#last[slot]!] = place;
    this.#last[slot] = place;
  }

  /** Takes the entry after `before` out of a slot, or the first one. */
  #unlink(slot: number, before: number): number {
    const place = before === NONE ? this.#first[slot]! : this.#next[before]!;
    const next = this.#next[place]!;
    if (before !== NONE) this.#next[before] = next;
    else if (next === NONE) this.#empty(slot);
    else this.#first[slot] = next;
    if (next === NONE && before !== NONE) this.#last[slot] = before;
    return place;
  }

  #empty(slot: number): void {
    this.#first[slot] = NONE;
    this.#filled[slot >> 5]! &= ~(1 << (slot & 31));
  }

  #release(place: number): void {
    this.#what[place] = undefined;
    this.#uses[place] = (this.#uses[place]! + 1) % USES;
    this.#next[place] = this.#free;
    this.#free = place;
    this.#size--;
  }

  #turnTo(at: number): void {
    this.#base = Math.floor(at / LOW) * LOW;
    this.#low = at - this.#base;
  }

  #grow(): void {
    const length = 2 * this.#time.length;
    const [time, next, uses] = [new Float64Array(length), new Int32Array(length), new Int32Array(length)];
    time.set(this.#time);
    next.set(this.#next);
    uses.set(this.#uses);
    [this.#time, this.#next, this.#uses] = [time, next, uses];
  }
}

/** The slot, of one half, for a time that is not before now: by the highest digit in which they differ. */
function slotOf(time: number, now: number): number {
  const differs = time ^ now;
  if (differs < DIGITS) return time & (DIGITS - 1);
  // Divided by six, for what is below 31.
  const level = ((31 - Math.clz32(differs)) * 43) >> 8;
  return level * DIGITS + ((time >> (level * DIGIT_BITS)) & (DIGITS - 1));
}
