// A lock of one word, and a counter that it guards: checked in every order that matters.
//
//   covisor races examples/races/lock.ts
//
// Take the `Atomics.notify` away, or turn `compareExchange` into a load and a store, and look at the report.

const FREE = 0;
const HELD = 1;
const CONTENDED = 2;

/** A mutual exclusion lock after Drepper's "Futexes are tricky": free, held, or held with somebody asleep. */
export class Lock {
  readonly #words: Int32Array;

  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
  }

  acquire(): void {
    if (Atomics.compareExchange(this.#words, 0, FREE, HELD) === FREE) return;
    while (Atomics.exchange(this.#words, 0, CONTENDED) !== FREE) Atomics.wait(this.#words, 0, CONTENDED);
  }

  release(): void {
    if (Atomics.exchange(this.#words, 0, FREE) === CONTENDED) Atomics.notify(this.#words, 0, 1);
  }
}

interface State {
  readonly lock: Lock;
  readonly counter: Int32Array;
}

function countUp({ lock, counter }: State): void {
  lock.acquire();
  // Plain accesses: the lock alone orders them, and the checker holds it to that.
  counter[0] = counter[0]! + 1;
  lock.release();
}

const setup = (): State => ({
  lock: new Lock(new SharedArrayBuffer(4)),
  counter: new Int32Array(new SharedArrayBuffer(4)),
});

const counted =
  (times: number) =>
  ({ counter }: State): void => {
    if (counter[0] !== times) throw new Error(`counted ${counter[0]} of ${times}`);
  };

export const scenarios = {
  'two threads, one count each': { setup, threads: { a: countUp, b: countUp }, check: counted(2) },
  'three threads, one count each': {
    setup,
    threads: { a: countUp, b: countUp, c: countUp },
    check: counted(3),
  },
  'two threads, two counts each': {
    setup,
    threads: {
      a(state: State) {
        countUp(state);
        countUp(state);
      },
      b(state: State) {
        countUp(state);
        countUp(state);
      },
    },
    check: counted(4),
  },
};
