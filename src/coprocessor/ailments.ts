import type { Duration, Instant } from '../base/units.ts';

// What is wrong with one coprocessor, in memory that it shares with whoever wants it to fail. Who may write: the
// injector fills a free entry and then sets its state to ACTIVE; from there to DONE it is the coprocessor's, which
// counts down, strikes and notes when; the injector frees it again. So each word has one writer at a time, and the
// state, which both write, is exchanged with sequentially consistent stores.

/** Where a coprocessor's own code can be made to go wrong. */
export const CORE_POINTS = ['turn', 'step', 'quiesce', 'save', 'load', 'dma', 'interrupt'] as const;
export type CorePoint = (typeof CORE_POINTS)[number];

/** What can be wrong with a coprocessor, and where that shows. `die` shows anywhere. */
export const AILMENTS = {
  hang: 'turn',
  stall: 'turn',
  slow: 'turn',
  'exhaust-heap': 'turn',
  'interrupt-storm': 'turn',
  'fault-storm': 'turn',
  trap: 'step',
  'hang-firmware': 'step',
  'deny-switches': 'quiesce',
  'runaway-dma': 'dma',
  'lose-interrupts': 'interrupt',
  'duplicate-interrupts': 'interrupt',
  'delay-interrupts': 'interrupt',
  die: 'turn',
} as const satisfies Record<string, CorePoint>;
export type Ailment = keyof typeof AILMENTS;
const NAMES = Object.keys(AILMENTS) as Ailment[];

export interface Order {
  readonly ailment: Ailment;
  readonly point: CorePoint;
  /** It strikes at the n-th time that the point is reached from now, 1 or more. */
  readonly nth: number;
  /** How often it strikes, once it does. */
  readonly times: number;
  /** Only while this slot's context is loaded. */
  readonly slot?: number;
  /** Only on this interrupt line. */
  readonly line?: number | undefined;
  /** A factor, or a number of things. */
  readonly amount?: number;
  readonly length?: Duration;
}

/** What strikes now. */
export interface Strike {
  readonly ailment: Ailment;
  readonly amount: number;
  readonly length: Duration;
}

const STATE = { free: 0, active: 1, done: 2 } as const;
const ENTRY = { state: 0, ailment: 1, point: 2, nth: 3, times: 4, slot: 5, struck: 6, line: 7 } as const;
/** In words; the same memory as doubles: amount, length, when it struck first. */
const NUMBERS = { amount: 4, length: 5, at: 6 } as const;
const ENTRY_WORDS = 16;
const ENTRIES = 256;
/** The first entry's place is the header: word 0 counts the active ones. */
const HEADER_WORDS = ENTRY_WORDS;
const NOTHING: readonly Strike[] = [];

export const ailmentsMemory = (): SharedArrayBuffer =>
  new SharedArrayBuffer((HEADER_WORDS + ENTRIES * ENTRY_WORDS) * 4);

/** The list of what is wrong, seen from either side. It outlives the coprocessor that it is about. */
export class Ailments {
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#numbers = new Float64Array(memory);
  }

  // ---- for whoever wants it to fail

  /** Gives an order; its number, or nothing when too many are open. */
  give({
    ailment,
    point,
    nth,
    times,
    slot,
    line,
    amount = 0,
    length = 0 as Duration,
  }: Order): number | undefined {
    const words = this.#words;
    for (let number = 0; number < ENTRIES; number++) {
      const at = place(number);
      if (Atomics.load(words, at) !== STATE.free) continue;
      words[at + ENTRY.ailment] = NAMES.indexOf(ailment);
      words[at + ENTRY.point] = CORE_POINTS.indexOf(point);
      words[at + ENTRY.nth] = nth;
      words[at + ENTRY.times] = times;
      words[at + ENTRY.slot] = slot ?? -1;
      words[at + ENTRY.line] = line ?? -1;
      words[at + ENTRY.struck] = 0;
      this.#numbers[(at >> 1) + NUMBERS.amount] = amount;
      this.#numbers[(at >> 1) + NUMBERS.length] = length;
      // The state comes last but for the count: who sees it sees the rest.
      Atomics.store(words, at, STATE.active);
      Atomics.add(words, 0, 1);
      return number;
    }
    return undefined;
  }

  /** When an order struck for the first time, if it has. */
  struck(number: number): Instant | undefined {
    const at = place(number);
    if (Atomics.load(this.#words, at + ENTRY.struck) === 0) return undefined;
    return this.#numbers[(at >> 1) + NUMBERS.at] as Instant;
  }

  /** Whether an order has struck as often as it was to; its number is free then. */
  done(number: number): boolean {
    return Atomics.compareExchange(this.#words, place(number), STATE.done, STATE.free) === STATE.done;
  }

  // ---- for the coprocessor

  /** The point was reached, with this slot's context loaded, for this interrupt line if for one: what strikes. */
  reach(point: CorePoint, slot: number, now: Instant, line = -1): readonly Strike[] {
    const words = this.#words;
    let left = Atomics.load(words, 0);
    if (left === 0) return NOTHING;
    const strikes: Strike[] = [];
    // Not further than the last of them; one that was given since is met the next time.
    for (let number = 0; number < ENTRIES && left > 0; number++) {
      const at = place(number);
      if (Atomics.load(words, at) !== STATE.active) continue;
      left--;
      if (CORE_POINTS[words[at + ENTRY.point]!] !== point) continue;
      const wanted = words[at + ENTRY.slot]!;
      if (wanted >= 0 && wanted !== slot) continue;
      const wantedLine = words[at + ENTRY.line]!;
      if (wantedLine >= 0 && wantedLine !== line) continue;
      if (--words[at + ENTRY.nth]! > 0) continue;
      const half = at >> 1;
      if (words[at + ENTRY.struck] === 0) this.#numbers[half + NUMBERS.at] = now;
      // After the instant: whoever sees that it struck asks when.
      Atomics.add(words, at + ENTRY.struck, 1);
      strikes.push({
        ailment: NAMES[words[at + ENTRY.ailment]!]!,
        amount: this.#numbers[half + NUMBERS.amount]!,
        length: this.#numbers[half + NUMBERS.length] as Duration,
      });
      if (--words[at + ENTRY.times]! > 0) continue;
      Atomics.sub(words, 0, 1);
      Atomics.store(words, at, STATE.done);
    }
    return strikes;
  }
}

const place = (number: number): number => HEADER_WORDS + number * ENTRY_WORDS;

/** What a coprocessor's runtime does to it, on its behalf. */
export interface Body {
  /** Loses so much time, in which it does nothing. */
  lose(length: Duration): void;
  /** Does nothing ever again. Returns only where there is no thread to stand still. */
  hang(): void;
  /** Takes memory until it dies of it. As {@link die}. */
  exhaust(): void;
  /** Ends the coprocessor. Returns only where there is no thread to end. */
  die(reason: string): void;
}
