import { AWAIT, CALL, type Conductor, type Rewritten } from './conductor.ts';
import { stepClashes, stepSpins } from './dependence.ts';
import type { Blocked, Failure } from './failure.ts';
import { HappensBefore } from './happens-before.ts';
import { KIND } from './operation.ts';
import type { Scenario } from './scenario.ts';
import { Step, Thread, WaitPromise, type Coroutine, type Watched } from './thread.ts';
import { matches, valueAt, type Traced } from './value.ts';
import { Waiters } from './waiters.ts';

export interface ExecutionOptions {
  /** Look for data races in every run. */
  readonly races: boolean;
  /** Steps of one run after which a thread is said to spin. */
  readonly maxSteps: number;
}

/** A run's clock starts anew long before 32 bits are full. */
const LATEST_START = 2 ** 30;
const MOST_THREADS = 16;

/**
 * One scenario, run step by step in the order that its caller decides: a step is one access to shared memory and what
 * its thread does up to the next. Runs are many: everything is allocated once.
 */
export class Execution {
  readonly scenario: Scenario;
  readonly conductor: Conductor;
  readonly names: readonly string[];
  /** The threads, each with what it is about to do. */
  readonly threads: readonly Thread[];
  /** The steps so far are the first `length`. */
  readonly log: Step[] = [];
  length = 0;
  /** Threads that the last step woke, one bit each, and those among them that could have timed out instead. */
  woken = 0;
  wokenTimed = 0;
  failure: Failure | undefined;
  outcome = '';
  /** Set to an array to have the values of each step. */
  traced: Traced[] | undefined;
  readonly #options: ExecutionOptions;
  readonly #bodies: readonly Rewritten[];
  readonly #order: HappensBefore;
  readonly #waiters = new Waiters();
  /** Whether any code of the program has a hint that it spins. */
  readonly #pauses: boolean;
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
    const count = this.names.length;
    if (count < 1 || count > MOST_THREADS)
      throw new RangeError(`${count} threads; expected 1 to ${MOST_THREADS}`);
    this.#bodies = Object.values(scenario.threads) as unknown as Rewritten[];
    this.threads = this.names.map((_, index) => new Thread(index));
    this.#order = new HappensBefore(count);
    this.#pauses = conductor.sites.some(({ kind }) => kind === KIND.pause);
  }

  /** Sets up a new run and takes every thread to its first access. */
  begin(): void {
    const { conductor } = this;
    this.#start += this.length + 1;
    if (this.#start > LATEST_START) this.#start = 1;
    this.length = 0;
    conductor.begin();
    this.failure = undefined;
    this.outcome = '';
    this.woken = this.wokenTimed = 0;
    this.#ready = (1 << this.threads.length) - 1;
    this.#paused = this.#done = 0;
    this.#waiters.clear();
    if (this.#pausedOn.size > 0) this.#pausedOn.clear();
    this.#state = this.scenario.setup();
    for (const thread of this.threads) this.#launch(thread, this.#bodies[thread.index]!);
    this.#order.begin(conductor.memory.end, this.#start);
  }

  #launch(thread: Thread, body: Rewritten): void {
    thread.depth = 0;
    if (this.#pauses) thread.watched = [];
    const form = (body.$g ?? body.$a) as ((state: unknown) => Coroutine) | undefined;
    if (form !== undefined) {
      thread.stack[0] = form(this.#state);
      this.#resume(thread, undefined);
      return;
    }
    // It touches nothing shared, so it runs to its end.
    this.conductor.thread = thread;
    try {
      body(this.#state);
    } catch (error) {
      this.#threw(thread, error);
    }
    this.#ended(thread);
  }

  /** Threads that can take a step, one bit each. */
  enabled(): number {
    return this.#paused === 0 ? this.#ready : this.#ready | this.#unpaused();
  }

  #unpaused(): number {
    let mask = 0;
    for (const { index, watched } of this.threads) {
      if ((this.#paused & (1 << index)) === 0) continue;
      if (watched.length === 0 || stepSpins(this.log, this.length, index, watched)) mask |= 1 << index;
    }
    return mask;
  }

  /** Lets a thread that is enabled do what it is about to do. */
  step(which: number): void {
    const thread = this.threads[which]!;
    const index = this.length;
    if (index >= this.#options.maxSteps) {
      this.failure ??= { kind: 'stuck', thread: which, site: thread.site, steps: index };
      return;
    }
    if (index === this.log.length) this.log.push(new Step());
    const step = this.log[index]!;
    let { kind } = thread;
    step.thread = which;
    step.kind = kind;
    step.site = thread.site;
    step.address = thread.address;
    step.bytes = thread.bytes;
    step.failed = false;
    this.length = index + 1;
    if (this.woken !== 0) this.woken = this.wokenTimed = 0;
    const traced = this.traced === undefined ? undefined : this.#trace(thread);
    if (kind === KIND.compareExchange && !matches(thread)) {
      step.failed = true;
      kind = KIND.load;
    }
    if (this.#options.races && kind < KIND.notify) {
      const raced = this.#order.access(index, this.log, which, kind, step.address, step.bytes);
      if (raced >= 0) {
        this.failure ??= { kind: 'race', first: raced, second: index };
        return;
      }
    }
    if (this.#pauses && kind < KIND.notify)
      thread.watched.push({ address: step.address, bytes: step.bytes, step: index });
    const { view } = thread;
    if (kind < KIND.wait) this.#resume(thread, undefined);
    else this.#special(thread, step, index);
    if (traced !== undefined) traced.after = valueAt(view, step.address);
  }

  #trace(thread: Thread): Traced {
    const traced: Traced = { before: valueAt(thread.view, thread.address), after: undefined };
    this.traced!.push(traced);
    return traced;
  }

  /** All threads have ended, or none can go on: what became of the run. */
  finish(): void {
    if (this.conductor.refused !== undefined) throw this.conductor.refused;
    if (this.failure !== undefined) return;
    if (this.#done !== (1 << this.threads.length) - 1) {
      this.failure = { kind: 'deadlock', blocked: this.#blocked() };
      return;
    }
    this.conductor.thread = undefined;
    const { check, outcome, outcomes } = this.scenario;
    if (check !== undefined) {
      try {
        check(this.#state);
      } catch (error) {
        this.failure = { kind: 'check', error };
      }
    }
    if (outcome === undefined) return;
    this.outcome = outcome(this.#state);
    if (outcomes !== undefined && (outcomes[this.outcome] ?? 'forbidden') === 'forbidden')
      this.failure ??= { kind: 'outcome', outcome: this.outcome };
  }

  #blocked(): Blocked[] {
    return this.threads
      .filter(({ index }) => (this.#done & (1 << index)) === 0)
      .map((thread) => {
        const asleep = (this.#paused & (1 << thread.index)) === 0;
        const changed = asleep && thread.view !== undefined && !matches(thread);
        return { thread: thread.index, site: thread.site, address: thread.address, changed, asleep };
      });
  }

  // ---- which steps do not commute

  /** Whether a step of the log and what a thread is about to do do not commute. */
  dependsOn(step: number, thread: number): boolean {
    const { kind, address, bytes, watched } = this.threads[thread]!;
    const earlier = this.log[step]!;
    const paused = this.#pausedOn.get(step);
    if (kind !== KIND.pause) return stepClashes(earlier, paused, kind, address, bytes);
    return watched.some((one) => stepClashes(earlier, paused, KIND.load, one.address, one.bytes));
  }

  /** Whether what two threads are about to do does not commute. */
  pendingClash(a: number, b: number): boolean {
    const [one, other] = [this.threads[a]!, this.threads[b]!];
    const paused = one.kind === KIND.pause ? one.watched : undefined;
    if (other.kind !== KIND.pause) return stepClashes(one, paused, other.kind, other.address, other.bytes);
    return other.watched.some((seen) => stepClashes(one, paused, KIND.load, seen.address, seen.bytes));
  }

  // ---- waiting and waking

  #special(thread: Thread, step: Step, index: number): void {
    const { kind, address } = step;
    const bit = 1 << thread.index;
    if (kind === KIND.stamp) {
      this.#resume(thread, this.conductor.stamps++);
      return;
    }
    if (kind === KIND.pause) {
      this.#pausedOn.set(index, thread.watched);
      thread.watched = [];
      this.#paused &= ~bit;
      this.#ready |= bit;
      this.#resume(thread, undefined);
      return;
    }
    this.#order.enterQueue(thread.index, address, index);
    if (kind === KIND.notify) this.#notify(thread, address);
    else if (kind === KIND.timeout) {
      const promise = this.#waiters.remove(address, thread.index);
      if (promise !== undefined) promise.settled = 'timed-out';
      this.#resume(thread, 'timed-out');
    } else this.#wait(thread, kind === KIND.waitAsync, address);
  }

  #wait(thread: Thread, isAsync: boolean, address: number): void {
    const now = !matches(thread) ? 'not-equal' : thread.limit === 0 ? 'timed-out' : undefined;
    if (now !== undefined) this.#resume(thread, isAsync ? { async: false, value: now } : now);
    else if (isAsync) {
      const promise = new WaitPromise();
      this.#waiters.add(address, { thread: thread.index, promise, limit: thread.limit });
      this.#resume(thread, { async: true, value: promise });
    } else {
      this.#waiters.add(address, { thread: thread.index, promise: undefined });
      this.#block(thread, thread.limit);
    }
  }

  /** A thread sleeps: for ever, or it may time out at any step from now on. */
  #block(thread: Thread, limit: number): void {
    if (limit === Infinity) this.#ready &= ~(1 << thread.index);
    else thread.kind = KIND.timeout;
  }

  #notify(thread: Thread, address: number): void {
    let count = 0;
    for (; count < thread.limit; count++) {
      const waiter = this.#waiters.first(address);
      if (waiter === undefined) break;
      if (waiter.promise !== undefined) {
        waiter.promise.settled = 'ok';
        if (this.#waiters.awaiting.get(waiter.thread) !== waiter.promise) continue;
        this.#waiters.awaiting.delete(waiter.thread);
      }
      const sleeper = this.threads[waiter.thread]!;
      const bit = 1 << waiter.thread;
      this.woken |= bit;
      if (sleeper.kind === KIND.timeout) this.wokenTimed |= bit;
      this.#ready |= bit;
      this.#order.leaveQueue(waiter.thread, address);
      this.#resume(sleeper, 'ok');
    }
    this.#resume(thread, count);
  }

  /** A thread waits for a promise of Atomics.waitAsync. */
  #await(thread: Thread): void {
    const promise = thread.awaited!;
    const waiter = this.#waiters.of(promise)!;
    this.#waiters.awaiting.set(thread.index, promise);
    thread.address = waiter.address;
    this.#block(thread, waiter.limit);
  }

  // ---- running a thread up to its next access

  #resume(thread: Thread, value: unknown): void {
    const { conductor } = this;
    conductor.thread = thread;
    const { stack } = thread;
    let { depth } = thread;
    try {
      let result = stack[depth]!.next(value);
      for (;;) {
        if (result.done === true) {
          if (depth === 0) {
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
      thread.depth = depth;
      if (result.value === AWAIT) this.#await(thread);
      else if (thread.kind === KIND.pause) this.#spin(thread);
    } catch (error) {
      this.#unwind(thread, depth, error);
    }
  }

  #spin(thread: Thread): void {
    this.#paused |= 1 << thread.index;
    this.#ready &= ~(1 << thread.index);
  }

  #ended(thread: Thread): void {
    this.#done |= 1 << thread.index;
    this.#ready &= ~(1 << thread.index);
    if (this.conductor.refused !== undefined) throw this.conductor.refused;
  }

  /** An exception goes up through the callers of the function that threw it. */
  #unwind(thread: Thread, from: number, thrown: unknown): void {
    const { conductor } = this;
    const { stack } = thread;
    let error = thrown;
    for (let depth = from - 1; depth >= 0 && conductor.refused === undefined; depth--) {
      try {
        const result = stack[depth]!.throw(error);
        thread.depth = depth;
        if (result.done === true && depth > 0) {
          thread.depth = depth - 1;
          this.#resume(thread, result.value);
        } else if (result.done === true) this.#ended(thread);
        else if (result.value === CALL) {
          stack[++thread.depth] = conductor.callee!;
          this.#resume(thread, undefined);
        } else if (result.value === AWAIT) this.#await(thread);
        else if (thread.kind === KIND.pause) this.#spin(thread);
        return;
      } catch (next) {
        error = next;
      }
    }
    this.#threw(thread, error);
    this.#ended(thread);
  }

  #threw(thread: Thread, error: unknown): void {
    if (this.conductor.refused !== undefined) throw this.conductor.refused;
    this.failure ??= { kind: 'exception', thread: thread.index, error };
  }
}
