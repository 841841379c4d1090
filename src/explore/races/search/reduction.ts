import type { Execution } from '../execution.ts';
import { lowest, stay, type Search } from './search.ts';

/**
 * Every order that matters: two orders that differ only in steps that commute are one. Source sets and sleep sets
 * (Abdulla, Aronis, Jonsson, Sagonas: Optimal Dynamic Partial Order Reduction, POPL 2014). After each step, the
 * earlier steps that it does not commute with and that nothing else put before it are races of orders: at the state
 * before such a step, some thread that can begin the other order is tried too.
 */
export class Reduction implements Search {
  readonly #threads: number;
  readonly #chosen: number[] = [];
  /** Threads to be tried at each depth, and those that need not be: tried already, or covered elsewhere. */
  readonly #wanted: number[] = [];
  readonly #sleeping: number[] = [];
  readonly #enabled: number[] = [];
  /** Per step: the latest step of each thread that it depends on, itself included; 0: none. */
  #before: Int32Array;
  /** The same, per thread, for its next step. */
  readonly #clock: Int32Array;
  readonly #row: Int32Array;
  #started = false;

  constructor(threads: number) {
    this.#threads = threads;
    this.#before = new Int32Array(threads * 256);
    this.#clock = new Int32Array(threads * threads);
    this.#row = new Int32Array(threads);
  }

  next(execution: Execution): 'ran' | 'redundant' | 'exhausted' {
    const fixed = this.#backtrack();
    if (fixed < 0) return 'exhausted';
    execution.begin();
    this.#clock.fill(0);
    for (let depth = 0; execution.failure === undefined; depth++) {
      const enabled = execution.enabled();
      if (enabled === 0) break;
      if (depth >= fixed) {
        const free = enabled & ~this.#sleeping[depth]!;
        if (free === 0) return 'redundant';
        const next = stay(free, depth === 0 ? -1 : this.#chosen[depth - 1]!);
        this.#chosen[depth] = next;
        this.#wanted[depth] = 1 << next;
        this.#enabled[depth] = enabled;
      }
      this.#take(execution, depth, depth < fixed - 1);
    }
    execution.finish();
    return 'ran';
  }

  #backtrack(): number {
    if (!this.#started) {
      this.#started = true;
      this.#sleeping[0] = 0;
      return 0;
    }
    for (let depth = this.#chosen.length - 1; depth >= 0; depth--) {
      this.#sleeping[depth]! |= 1 << this.#chosen[depth]!;
      const next = this.#wanted[depth]! & ~this.#sleeping[depth]!;
      if (next === 0) continue;
      this.#chosen[depth] = lowest(next);
      this.#chosen.length = depth + 1;
      return depth + 1;
    }
    return -1;
  }

  /** One step. `known`: its races were found by an earlier run. */
  #take(execution: Execution, depth: number, known: boolean): void {
    const thread = this.#chosen[depth]!;
    const at = depth * this.#threads;
    if ((depth + 1) * this.#threads > this.#before.length) this.#grow();
    if (known) {
      for (let other = 0; other < this.#threads; other++)
        this.#clockSet(thread, other, this.#before[at + other]!);
    } else {
      this.#races(execution, depth, thread);
      this.#sleeping[depth + 1] = this.#stillAsleep(execution, depth, thread);
    }
    execution.step(thread);
    if (execution.woken !== 0) this.#wake(execution, depth);
  }

  /** Finds the steps that this one races with for order, and its clock. */
  #races(execution: Execution, depth: number, thread: number): void {
    const threads = this.#threads;
    const row = this.#row;
    for (let other = 0; other < threads; other++) row[other] = this.#clock[thread * threads + other]!;
    row[thread] = depth + 1;
    const { log } = execution;
    for (let step = depth - 1; step >= 0; step--) {
      const other = log[step]!.thread;
      // What is ordered before already needs no look: it is no race, and its past is in the clock.
      if (other === thread || row[other]! > step || !execution.dependsOn(step, thread)) continue;
      this.#reverse(step, depth, thread);
      for (let one = 0; one < threads; one++) {
        const seen = this.#before[step * threads + one]!;
        if (seen > row[one]!) row[one] = seen;
      }
    }
    for (let other = 0; other < threads; other++) {
      this.#before[depth * threads + other] = row[other]!;
      this.#clockSet(thread, other, row[other]!);
    }
  }

  /** Some thread must be tried before `step` that can begin an order in which `thread` comes first. */
  #reverse(step: number, depth: number, thread: number): void {
    const threads = this.#threads;
    const before = this.#before;
    const owner = this.#chosen[step]!;
    const firsts = new Int32Array(threads).fill(-1);
    let initials = 0;
    for (let later = step + 1; later < depth; later++) {
      if (before[later * threads + owner]! > step) continue;
      const other = this.#chosen[later]!;
      if (firsts[other]! >= 0) continue;
      firsts[other] = later;
      if (this.#isInitial(firsts, later * threads, other)) initials |= 1 << other;
    }
    if (firsts[thread] === -1) {
      // The racing step itself, without what it owes to `step`: its clock so far, before the race is added.
      let initial = true;
      for (let other = 0; other < threads; other++)
        if (other !== thread && firsts[other]! >= 0 && this.#row[other]! > firsts[other]!) initial = false;
      if (initial) initials |= 1 << thread;
    }
    if ((initials & this.#wanted[step]!) !== 0) return;
    const possible = initials & this.#enabled[step]!;
    // A thread that something in between has to wake cannot begin: then all are tried.
    if (possible === 0) this.#wanted[step]! |= this.#enabled[step]!;
    else this.#wanted[step]! |= (possible & (1 << thread)) !== 0 ? 1 << thread : 1 << lowest(possible);
  }

  #isInitial(firsts: Int32Array, at: number, thread: number): boolean {
    for (let other = 0; other < this.#threads; other++)
      if (other !== thread && firsts[other]! >= 0 && this.#before[at + other]! > firsts[other]!) return false;
    return true;
  }

  /** Threads that need no look after this step either: what they are about to do commutes with it. */
  #stillAsleep(execution: Execution, depth: number, thread: number): number {
    let asleep = this.#sleeping[depth]! & ~(1 << thread);
    for (let rest = asleep; rest !== 0; rest &= rest - 1) {
      const other = lowest(rest);
      if (execution.pendingClash(thread, other)) asleep &= ~(1 << other);
    }
    return asleep;
  }

  /** What a woken thread does next comes after the step that woke it; it might have timed out instead. */
  #wake(execution: Execution, depth: number): void {
    for (let rest = execution.woken; rest !== 0; rest &= rest - 1) {
      const woken = lowest(rest);
      for (let other = 0; other < this.#threads; other++) {
        const seen = this.#before[depth * this.#threads + other]!;
        if (seen > this.#clock[woken * this.#threads + other]!) this.#clockSet(woken, other, seen);
      }
    }
    this.#wanted[depth]! |= execution.wokenTimed;
  }

  #clockSet(thread: number, other: number, step: number): void {
    this.#clock[thread * this.#threads + other] = step;
  }

  #grow(): void {
    const grown = new Int32Array(this.#before.length * 2);
    grown.set(this.#before);
    this.#before = grown;
  }
}
