import { KIND, clash, isPlain, isWrite, touchesBytes } from './operation.ts';
import type { Step } from './thread.ts';

/** What one access means for races: plain or atomic, read or write. By index of KIND. */
const CLASS = Int8Array.of(0, 1, 2, 3, 3, 3, 2, 2);
const ATOMIC_READ = 2;
const PLAIN_WRITE = 1;
/** Plain accesses up to this size are kept word by word; longer ones are looked up in the log. */
const FEW_BYTES = 64;

/**
 * Finds data races by vector clocks, as JavaScript's memory model has them: two accesses to the same bytes, one of
 * them a write, not ordered by happens-before, of which one is plain or which differ in their bytes. An atomic read
 * is ordered after the atomic write of the same bytes that it reads from; waiters are ordered by their list. Nothing
 * else orders threads: not the order of the run, and not an older write to the same word.
 *
 * Clocks count steps through all runs, so that nothing needs clearing between two runs.
 */
export class HappensBefore {
  readonly #threads: number;
  readonly #stride: number;
  readonly #clocks: Int32Array;
  /** Per word: time of the atomic write that it holds (or 0), that write's clock, then per thread its last accesses. */
  #shadow = new Int32Array(0);
  /** Steps of this run that are not aligned words. */
  readonly #odd: number[] = [];
  readonly #oddClocks = new Map<number, Int32Array>();
  readonly #queues = new Map<number, Int32Array>();
  #start = 0;

  constructor(threads: number) {
    this.#threads = threads;
    this.#stride = 1 + 5 * threads;
    this.#clocks = new Int32Array(threads * threads);
  }

  /** A new run over an address space of `end` bytes; step `i` happens at time `start + i + 1`. */
  begin(end: number, start: number): void {
    if (start < this.#start) this.#shadow.fill(0);
    this.#start = start;
    const words = Math.ceil(end / 4) * this.#stride;
    if (words > this.#shadow.length) this.#shadow = new Int32Array(words * 2);
    this.#clocks.fill(start);
    if (this.#odd.length > 0) this.#odd.length = 0;
    if (this.#oddClocks.size > 0) this.#oddClocks.clear();
    if (this.#queues.size > 0) this.#queues.clear();
  }

  /** Step `index` of the log. Returns the earlier step that it races with, or -1. */
  access(
    index: number,
    log: readonly Step[],
    thread: number,
    kind: number,
    address: number,
    bytes: number,
  ): number {
    this.#clocks[thread * this.#threads + thread] = this.#start + index + 1;
    if (bytes === 4 && (address & 3) === 0) {
      if (this.#odd.length > 0) {
        const race = this.#againstOdd(log, thread, kind, address, bytes);
        if (race >= 0) return race;
      }
      return this.#word(index, thread, kind, (address >> 2) * this.#stride);
    }
    if (isPlain(kind) && ((address | bytes) & 3) === 0 && bytes <= FEW_BYTES) {
      const race = this.#odd.length > 0 ? this.#againstOdd(log, thread, kind, address, bytes) : -1;
      if (race >= 0) return race;
      for (let at = address; at < address + bytes; at += 4) {
        const raced = this.#word(index, thread, kind, (at >> 2) * this.#stride);
        if (raced >= 0) return raced;
      }
      return -1;
    }
    return this.#oddAccess(index, log, thread, kind, address, bytes);
  }

  /** Orders a thread after whoever entered the list of waiters of a word before. */
  enterQueue(thread: number, address: number, index: number): void {
    this.#clocks[thread * this.#threads + thread] = this.#start + index + 1;
    this.leaveQueue(thread, address);
    const from = thread * this.#threads;
    this.#queues.set(address, this.#clocks.slice(from, from + this.#threads));
  }

  /** Orders a woken thread after whoever woke it. */
  leaveQueue(thread: number, address: number): void {
    const clock = this.#queues.get(address);
    if (clock !== undefined) this.#join(thread, clock, 0);
  }

  #join(thread: number, from: Int32Array, at: number): void {
    const row = thread * this.#threads;
    for (let other = 0; other < this.#threads; other++)
      if (from[at + other]! > this.#clocks[row + other]!) this.#clocks[row + other] = from[at + other]!;
  }

  /** One aligned word: the hot path of every run. */
  #word(index: number, thread: number, kind: number, at: number): number {
    const threads = this.#threads;
    const shadow = this.#shadow;
    const clocks = this.#clocks;
    const row = thread * threads;
    const type = CLASS[kind]!;
    let last = at + 1 + threads;
    for (let other = 0; other < threads; other++, last += 4) {
      if (other === thread) continue;
      const seen = clocks[row + other]!;
      if (shadow[last + PLAIN_WRITE]! > seen) return shadow[last + PLAIN_WRITE]! - this.#start - 1;
      if (type === ATOMIC_READ) continue;
      if (type !== 0 && shadow[last]! > seen) return shadow[last]! - this.#start - 1;
      if (type > ATOMIC_READ) continue;
      if (shadow[last + 3]! > seen) return shadow[last + 3]! - this.#start - 1;
      if (type === PLAIN_WRITE && shadow[last + 2]! > seen) return shadow[last + 2]! - this.#start - 1;
    }
    const now = this.#start + index + 1;
    shadow[at + 1 + threads + 4 * thread + type] = now;
    if (type < ATOMIC_READ) {
      if (type === PLAIN_WRITE) shadow[at] = 0;
      return -1;
    }
    if (kind !== KIND.store && shadow[at]! > this.#start)
      for (let other = 0; other < threads; other++)
        if (shadow[at + 1 + other]! > clocks[row + other]!) clocks[row + other] = shadow[at + 1 + other]!;
    if (type > ATOMIC_READ) {
      shadow[at] = now;
      for (let other = 0; other < threads; other++) shadow[at + 1 + other] = clocks[row + other]!;
    }
    return -1;
  }

  #againstOdd(log: readonly Step[], thread: number, kind: number, address: number, bytes: number): number {
    for (const step of this.#odd) if (this.#races(step, log, thread, kind, address, bytes)) return step;
    return -1;
  }

  #races(
    step: number,
    log: readonly Step[],
    thread: number,
    kind: number,
    address: number,
    bytes: number,
  ): boolean {
    const earlier = log[step]!;
    const other = earlier.thread;
    const otherKind = earlier.failed ? KIND.load : earlier.kind;
    if (other === thread || !touchesBytes(otherKind)) return false;
    const from = earlier.address;
    const size = earlier.bytes;
    if (from >= address + bytes || address >= from + size || !clash(kind, otherKind)) return false;
    if (!isWrite(kind) && !isWrite(otherKind)) return false;
    if (!isPlain(kind) && !isPlain(otherKind) && from === address && size === bytes) return false;
    return this.#start + step + 1 > this.#clocks[thread * this.#threads + other]!;
  }

  /** Any other access, compared with all of the run. */
  #oddAccess(
    index: number,
    log: readonly Step[],
    thread: number,
    kind: number,
    address: number,
    bytes: number,
  ): number {
    for (let step = 0; step < index; step++)
      if (this.#races(step, log, thread, kind, address, bytes)) return step;
    if (!isPlain(kind) && kind !== KIND.store) this.#readFrom(index, log, thread, address, bytes);
    this.#odd.push(index);
    if (!isWrite(kind)) return -1;
    const row = thread * this.#threads;
    if (!isPlain(kind)) this.#oddClocks.set(index, this.#clocks.slice(row, row + this.#threads));
    for (let word = address >> 2; word << 2 < address + bytes; word++) this.#shadow[word * this.#stride] = 0;
    return -1;
  }

  #readFrom(index: number, log: readonly Step[], thread: number, address: number, bytes: number): void {
    for (let step = index - 1; step >= 0; step--) {
      const earlier = log[step]!;
      if (!isWrite(earlier.kind) || earlier.failed) continue;
      const from = earlier.address;
      if (from >= address + bytes || address >= from + earlier.bytes) continue;
      const clock = this.#oddClocks.get(step);
      if (clock !== undefined && from === address && earlier.bytes === bytes) this.#join(thread, clock, 0);
      return;
    }
  }
}
