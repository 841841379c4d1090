// What a thread is about to do to memory that others can see: the vocabulary of the checker.

/** Kinds of operations. A place in the source has one kind; a thread that sleeps with a timeout may also time out. */
export const KIND = {
  /** Plain, of any number of bytes. */
  read: 0,
  write: 1,
  /** Atomics.load. */
  load: 2,
  /** Atomics.store. */
  store: 3,
  /** Atomics.add, exchange and their like: a read and a write at once. */
  update: 4,
  /** A read, and a write where the value was as expected. */
  compareExchange: 5,
  wait: 6,
  waitAsync: 7,
  notify: 8,
  /** A hint that the loop around it spins: goes on only when something that it read has changed. */
  pause: 9,
  /** A mark in the order of the whole run, for histories. Orders nothing. */
  stamp: 10,
  timeout: 11,
} as const;
export type Kind = (typeof KIND)[keyof typeof KIND];

const R = 1;
const W = 2;
/** Enters the list of waiters of its word. */
const Q = 4;

/** What each kind does to its bytes, by index of {@link KIND}. */
export const EFFECT: Uint8Array = Uint8Array.of(R, W, R, W, R | W, R | W, R | Q, R | Q, Q, R, W, Q);
const CLASH = new Uint8Array(64);
for (let a = 0; a < 8; a++)
  for (let b = 0; b < 8; b++)
    CLASH[a * 8 + b] =
      ((a & W) !== 0 && (b & (R | W)) !== 0) || ((b & W) !== 0 && (a & R) !== 0) || (a & b & Q) !== 0 ? 1 : 0;

/** Whether two kinds on the same bytes do not commute. */
export const clash = (a: number, b: number): boolean => CLASH[EFFECT[a]! * 8 + EFFECT[b]!] === 1;

export const isPlain = (kind: number): boolean => kind === KIND.read || kind === KIND.write;
/** Whether a kind touches bytes that others read and write, beyond the list of waiters. */
export const touchesBytes = (kind: number): boolean => kind < KIND.notify;
export const isWrite = (kind: number): boolean => (EFFECT[kind]! & W) !== 0 && kind !== KIND.stamp;

/** One place in the source where shared memory is touched. */
export interface Site {
  readonly kind: Kind;
  /** Path as a person names it, relative to the working folder where that is shorter. */
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  /** The expression as it is written, on one line. */
  readonly text: string;
  /** The method or function that it is in. */
  readonly inside: string;
}

/** `ring.ts:60 store`: how a decision is keyed. */
export const siteKey = (site: Site): string => `${site.file}:${site.line} ${operationName(site.kind)}`;

const names = Object.keys(KIND) as (keyof typeof KIND)[];
export const operationName = (kind: number): keyof typeof KIND => names[kind]!;

/** Code that cannot be checked: says where, and what to write instead. It is never skipped over. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly file: string;
  readonly line: number;

  constructor(file: string, line: number, reason: string) {
    super(`${file}:${line}: ${reason}`);
    this.file = file;
    this.line = line;
  }
}
