import { AWAIT, CALL, WaitPromise, type Conductor, type Coroutine, type Rewritten } from './conductor.ts';
import type { Failure } from './failure.ts';
import { HappensBefore } from './happens-before.ts';
import { Log } from './log.ts';
import { KIND, clash, isWrite, type Kind } from './operation.ts';
import type { Scenario } from './scenario.ts';
import { Waiters } from './waiters.ts';

export interface ExecutionOptions {
  /** Look for data races in every run. */
  readonly races: boolean;
  /** Steps of one run after which a thread is said to spin. */
  readonly maxSteps: number;
}

/** The value that a step read or left behind, for reports. */
export interface Traced {
  readonly before: Value;
  after: Value;
}
/** What an element of a view holds; undefined where that cannot be said. */
export type Value = number | bigint | undefined;

/** A run's clock starts anew long before 32 bits are full. */
const LATEST_START = 2 ** 30;

interface Watched {
  readonly address: number;
  readonly bytes: number;
  readonly index: number;
}

/**
 * One scenario, run step by step in the order that its caller decides: a step is one access to shared memory and what
 * its thread does up to the next. Runs are many: everything is allocated once.
 */
export class Execution {
  readonly scenario: Scenario;
  readonly conductor: Conductor;
  readonly names: readonly string[];
  readonly threads: number;
  readonly log: Log;
  /** What each thread is about to do. */
  readonly pendingKind: Uint8Array;
  readonly pendingSite: Int32Array;
  readonly pendingAddress: Int32Array;
  readonly pendingBytes: Int32Array;
  /** Threads that the last step woke, and those among them that could have timed out instead. */
  woken = 0;
  wokenTimed = 0;
  failure: Failure | undefined;
  outcome = '';
  /** Set to an array to have the values of each step. */
  traced: Traced[] | undefined;
  readonly #options: ExecutionOptions;
  readonly #bodies: readonly Rewritten[];
  readonly #stacks: Coroutine[][];
  readonly #depth: Int32Array;
  readonly #pendingView: (ArrayBufferView | undefined)[];
  readonly #expected: (number | bigint)[];
  readonly #limit: Float64Array;
  readonly #order: HappensBefore;
  readonly #waiters = new Waiters();
  readonly #kinds: Uint8Array;
  readonly #pauses: boolean;
  readonly #watched: Watched[][];
  /** What each pause of this run had watched, by step. */
  readonly #pausedOn = new Map<number, readonly Watched[]>();
  #ready = 0;
  #paused = 0;
  #done = 0;
  #start = 0;
  #state: unknown;

  constructor(scenario: Scenario, conductor: Conductor, options: ExecutionOptions) {
    this.scenario = scenario;
    this.conductor = conductor;
    this.#options = options;
    this.names = Object.keys(scenario.threads);
    this.threads = this.names.length;
    if (this.threads < 1 || this.threads > 16)
      throw new RangeError(`${this.threads} threads; expected 1 to 16`);
    this.#bodies = Object.values(scenario.threads) as unknown as Rewritten[];
    this.log = new Log(options.maxSteps + 1);
    this.pendingKind = new Uint8Array(this.threads);
    this.pendingSite = new Int32Array(this.threads);
    this.pendingAddress = new Int32Array(this.threads);
    this.pendingBytes = new Int32Array(this.threads);
    this.#stacks = this.names.map(() => []);
    this.#depth = new Int32Array(this.threads);
    this.#pendingView = this.names.map(() => undefined);
    this.#expected = this.names.map(() => 0);
    this.#limit = new Float64Array(this.threads);
    this.#order = new HappensBefore(this.threads);
    this.#kinds = Uint8Array.from(conductor.sites, ({ kind }) => kind);
    this.#pauses = conductor.sites.some(({ kind }) => kind === KIND.pause);
    this.#watched = this.names.map(() => []);
  }

  /** Sets up a new run and takes every thread to its first access. */
  begin(): void {
    const { conductor, log } = this;
    this.#start = this.#start + log.length + 1;
    if (this.#start > LATEST_START) this.#start = 1;
    log.length = 0;
    conductor.begin();
    this.failure = undefined;
    this.outcome = '';
    this.woken = this.wokenTimed = 0;
    this.#ready = this.#paused = this.#done = 0;
    this.#waiters.clear();
    if (this.#pausedOn.size > 0) this.#pausedOn.clear();
    this.#state = this.scenario.setup();
    for (let thread = 0; thread < this.threads; thread++) {
      this.#ready |= 1 << thread;
      this.#depth[thread] = 0;
      if (this.#pauses) this.#watched[thread] = [];
      const body = this.#bodies[thread]!;
      const form = body.$g ?? body.$a;
      if (form === undefined) this.#plainThread(thread, body);
      else {
        this.#stacks[thread]![0] = (form as (state: unknown) => Coroutine)(this.#state);
        this.#resume(thread, undefined);
      }
    }
    this.#order.begin(conductor.memory.end, this.#start);
  }

  /** Threads that can take a step, one bit each. */
  enabled(): number {
    if (this.#paused === 0) return this.#ready;
    let mask = this.#ready;
    for (let thread = 0; thread < this.threads; thread++)
      if ((this.#paused & (1 << thread)) !== 0 && this.#somethingChanged(thread)) mask |= 1 << thread;
    return mask;
  }

  /** Lets a thread that is enabled do what it is about to do. */
  step(thread: number): void {
    const { log, conductor } = this;
    const index = log.length;
    if (index >= this.#options.maxSteps) {
      this.#fail({ kind: 'stuck', thread, site: this.pendingSite[thread]!, steps: index });
      return;
    }
    let kind = this.pendingKind[thread]!;
    const address = this.pendingAddress[thread]!;
    const bytes = this.pendingBytes[thread]!;
    log.thread[index] = thread;
    log.site[index] = this.pendingSite[thread]!;
    log.kind[index] = kind;
    log.address[index] = address;
    log.bytes[index] = bytes;
    log.length = index + 1;
    this.woken = this.wokenTimed = 0;
    const view = this.#pendingView[thread];
    const traced =
      this.traced === undefined ? undefined : { before: valueAt(view, address), after: undefined as Value };
    if (traced !== undefined) this.traced!.push(traced);
    const failed = kind === KIND.compareExchange && !this.#matches(thread);
    log.failed[index] = failed ? 1 : 0;
    if (failed) kind = KIND.load;
    if (this.#options.races && (kind < KIND.notify || kind === KIND.compareExchange)) {
      const raced = this.#order.access(index, log, thread, kind, address, bytes);
      if (raced >= 0) {
        this.#fail({ kind: 'race', first: raced, second: index });
        return;
      }
    }
    if (this.#pauses) this.#watch(thread, kind, index);
    if (kind < KIND.wait || kind === KIND.compareExchange) this.#resume(thread, undefined);
    else if (kind === KIND.stamp) this.#resume(thread, conductor.stamps++);
    else this.#waitOrWake(thread, kind as Kind, address, index);
    if (traced !== undefined) traced.after = valueAt(view, address);
  }

  /** All threads have ended, or none can go on: what became of the run. */
  finish(): void {
    if (this.conductor.refused !== undefined) throw this.conductor.refused;
    if (this.failure !== undefined) return;
    if (this.#done !== (1 << this.threads) - 1) {
      this.failure = { kind: 'deadlock', blocked: this.#blocked() };
      return;
    }
    this.conductor.thread = -1;
    try {
      this.scenario.check?.(this.#state);
    } catch (error) {
      this.failure = { kind: 'check', error };
    }
    if (this.scenario.outcome === undefined) return;
    this.outcome = this.scenario.outcome(this.#state);
    const { outcomes } = this.scenario;
    if (outcomes !== undefined && (outcomes[this.outcome] ?? 'forbidden') === 'forbidden')
      this.failure ??= { kind: 'outcome', outcome: this.outcome };
  }

  // ---- which steps do not commute

  /** Whether a step of the log and what a thread is about to do do not commute. */
  dependsOn(step: number, thread: number): boolean {
    const kind = this.pendingKind[thread]!;
    if (kind === KIND.pause)
      return this.#watched[thread]!.some((one) => this.#stepTouches(step, one.address, one.bytes, KIND.load));
    return this.#stepTouches(step, this.pendingAddress[thread]!, this.pendingBytes[thread]!, kind);
  }

  #stepTouches(step: number, address: number, bytes: number, kind: number): boolean {
    const { log } = this;
    const other = log.kind[step]!;
    if (other === KIND.pause)
      return (
        this.#pausedOn.get(step)!.some((one) => overlap(one.address, one.bytes, address, bytes)) &&
        isWrite(kind)
      );
    return clash(other, kind) && overlap(log.address[step]!, log.bytes[step]!, address, bytes);
  }

  /** Whether what two threads are about to do does not commute. */
  pendingClash(a: number, b: number): boolean {
    const kindA = this.pendingKind[a]!;
    const kindB = this.pendingKind[b]!;
    if (kindA === KIND.pause || kindB === KIND.pause) return this.#pauseClash(a, kindA, b, kindB);
    return (
      clash(kindA, kindB) &&
      overlap(this.pendingAddress[a]!, this.pendingBytes[a]!, this.pendingAddress[b]!, this.pendingBytes[b]!)
    );
  }

  #pauseClash(a: number, kindA: number, b: number, kindB: number): boolean {
    if (kindA === kindB) return false;
    const [paused, other, kind] = kindA === KIND.pause ? [a, b, kindB] : [b, a, kindA];
    return (
      isWrite(kind) &&
      this.#watched[paused]!.some((one) =>
        overlap(one.address, one.bytes, this.pendingAddress[other]!, this.pendingBytes[other]!),
      )
    );
  }

  // ---- spinning

  #watch(thread: number, kind: number, index: number): void {
    const { log } = this;
    if (kind === KIND.pause) {
      this.#pausedOn.set(index, this.#watched[thread]!);
      this.#watched[thread] = [];
      this.#paused &= ~(1 << thread);
      this.#ready |= 1 << thread;
    } else if (kind < KIND.notify || kind === KIND.compareExchange)
      this.#watched[thread]!.push({ address: log.address[index]!, bytes: log.bytes[index]!, index });
  }

  #somethingChanged(thread: number): boolean {
    const watched = this.#watched[thread]!;
    if (watched.length === 0) return true;
    const { log } = this;
    return watched.some(({ address, bytes, index }) => {
      for (let step = index + 1; step < log.length; step++) {
        if (log.thread[step] === thread || log.failed[step] === 1 || !isWrite(log.kind[step]!)) continue;
        if (overlap(log.address[step]!, log.bytes[step]!, address, bytes)) return true;
      }
      return false;
    });
  }

  // ---- waiting and waking

  #waitOrWake(thread: number, kind: Kind, address: number, index: number): void {
    const bit = 1 << thread;
    if (kind !== KIND.pause) this.#order.enterQueue(thread, address, index);
    if (kind === KIND.pause) this.#resume(thread, undefined);
    else if (kind === KIND.notify) this.#notify(thread, address);
    else if (kind === KIND.timeout) {
      const promise = this.#waiters.remove(address, thread);
      if (promise !== undefined) promise.settled = 'timed-out';
      this.#resume(thread, 'timed-out');
    } else if (!this.#matches(thread)) {
      this.#resume(thread, kind === KIND.wait ? 'not-equal' : { async: false, value: 'not-equal' });
    } else if (this.#limit[thread] === 0) {
      this.#resume(thread, kind === KIND.wait ? 'timed-out' : { async: false, value: 'timed-out' });
    } else if (kind === KIND.wait) {
      this.#waiters.add(address, { thread, promise: undefined });
      if (this.#limit[thread] === Infinity) this.#ready &= ~bit;
      else this.pendingKind[thread] = KIND.timeout;
    } else {
      const promise = new WaitPromise();
      this.#waiters.add(address, { thread, promise, limit: this.#limit[thread]! });
      this.#resume(thread, { async: true, value: promise });
    }
  }

  #notify(thread: number, address: number): void {
    let count = 0;
    for (; count < this.#limit[thread]!; count++) {
      const waiter = this.#waiters.first(address);
      if (waiter === undefined) break;
      const bit = 1 << waiter.thread;
      if (waiter.promise !== undefined) {
        waiter.promise.settled = 'ok';
        if (this.#waiters.awaiting.get(waiter.thread) !== waiter.promise) continue;
        this.#waiters.awaiting.delete(waiter.thread);
      }
      this.woken |= bit;
      if (this.pendingKind[waiter.thread] === KIND.timeout) this.wokenTimed |= bit;
      this.#ready |= bit;
      this.#order.leaveQueue(waiter.thread, address);
      this.#resume(waiter.thread, 'ok');
    }
    this.#resume(thread, count);
  }

  /** Whether the word holds what the thread expects. */
  #matches(thread: number): boolean {
    const view = this.#pendingView[thread] as Int32Array | Uint32Array;
    const at = (this.pendingAddress[thread]! - (view as { $base?: number }).$base!) / view.BYTES_PER_ELEMENT;
    if (view.BYTES_PER_ELEMENT === 4 && view instanceof Int32Array)
      return Atomics.load(view, at) === (Number(this.#expected[thread]) | 0);
    const worth = new (view.constructor as Uint32ArrayConstructor)(1);
    worth[0] = this.#expected[thread] as number;
    return Atomics.load(view, at) === worth[0];
  }

  #blocked(): { thread: number; site: number; address: number; changed: boolean; asleep: boolean }[] {
    const blocked = [];
    for (let thread = 0; thread < this.threads; thread++) {
      if ((this.#done & (1 << thread)) !== 0) continue;
      const asleep = (this.#paused & (1 << thread)) === 0;
      blocked.push({
        thread,
        site: this.pendingSite[thread]!,
        address: this.pendingAddress[thread]!,
        changed: asleep && this.#pendingView[thread] !== undefined && !this.#matches(thread),
        asleep,
      });
    }
    return blocked;
  }

  // ---- running a thread up to its next access

  #plainThread(thread: number, body: Rewritten): void {
    this.conductor.thread = thread;
    try {
      body(this.#state);
    } catch (error) {
      this.#threw(thread, error);
    }
    this.#ended(thread);
  }

  #resume(thread: number, value: unknown): void {
    const { conductor } = this;
    conductor.thread = thread;
    const stack = this.#stacks[thread]!;
    let depth = this.#depth[thread]!;
    try {
      let result = stack[depth]!.next(value);
      for (;;) {
        if (result.done === true) {
          if (depth === 0) {
            this.#depth[thread] = 0;
            this.#ended(thread);
            return;
          }
          result = stack[--depth]!.next(result.value);
        } else if (result.value === CALL) {
          const { callee } = conductor;
          stack[++depth] = callee!;
          result = callee!.next(undefined);
        } else break;
      }
      this.#depth[thread] = depth;
      if (result.value === AWAIT) this.#await(thread);
      else this.#arrive(thread);
    } catch (error) {
      this.#unwind(thread, depth, error);
    }
  }

  /** A thread stands before its next access. */
  #arrive(thread: number): void {
    const { conductor } = this;
    const { site } = conductor;
    const kind = this.#kinds[site]!;
    this.pendingSite[thread] = site;
    this.pendingKind[thread] = kind;
    this.pendingAddress[thread] = conductor.address;
    this.pendingBytes[thread] = conductor.bytes;
    this.#pendingView[thread] = conductor.view;
    if (kind < KIND.wait) return;
    if (kind === KIND.pause) {
      this.#paused |= 1 << thread;
      this.#ready &= ~(1 << thread);
      return;
    }
    this.#expected[thread] = conductor.expected;
    this.#limit[thread] = conductor.limit;
  }

  /** A thread waits for a promise of Atomics.waitAsync. */
  #await(thread: number): void {
    const { conductor } = this;
    const promise = conductor.awaited!;
    const waiter = this.#waiters.of(promise)!;
    this.#waiters.awaiting.set(thread, promise);
    this.pendingSite[thread] = conductor.site;
    this.pendingAddress[thread] = waiter.address;
    if (waiter.limit === Infinity) this.#ready &= ~(1 << thread);
    else this.pendingKind[thread] = KIND.timeout;
  }

  #ended(thread: number): void {
    this.#done |= 1 << thread;
    this.#ready &= ~(1 << thread);
    if (this.conductor.refused !== undefined) throw this.conductor.refused;
  }

  /** An exception goes up through the callers of the function that threw it. */
  #unwind(thread: number, from: number, thrown: unknown): void {
    const { conductor } = this;
    const stack = this.#stacks[thread]!;
    let error = thrown;
    for (let depth = from - 1; depth >= 0; depth--) {
      if (conductor.refused !== undefined) break;
      try {
        let result = stack[depth]!.throw(error);
        if (result.done === true && depth > 0) {
          this.#depth[thread] = depth - 1;
          this.#resume(thread, result.value);
          return;
        }
        if (result.done === true) {
          this.#ended(thread);
          return;
        }
        this.#depth[thread] = depth;
        if (result.value === CALL) {
          this.#depth[thread] = depth + 1;
          stack[depth + 1] = conductor.callee!;
          this.#resume(thread, undefined);
        } else if (result.value === AWAIT) this.#await(thread);
        else this.#arrive(thread);
        return;
      } catch (next) {
        error = next;
      }
    }
    if (conductor.refused !== undefined) throw conductor.refused;
    this.#threw(thread, error);
    this.#ended(thread);
  }

  #threw(thread: number, error: unknown): void {
    if (this.conductor.refused !== undefined) throw this.conductor.refused;
    this.#fail({ kind: 'exception', thread, error });
  }

  #fail(failure: Failure): void {
    this.failure ??= failure;
  }
}

/** What a view holds at an address, for reports. */
function valueAt(view: ArrayBufferView | undefined, address: number): Value {
  if (view === undefined || address === 0 || view instanceof DataView) return undefined;
  const words = view as Int32Array & { $base?: number };
  return words[(address - words.$base!) / words.BYTES_PER_ELEMENT];
}

const overlap = (a: number, sizeA: number, b: number, sizeB: number): boolean =>
  a < b + sizeB && b < a + sizeA;
