// Who may write the word: the sleeper sets ASLEEP, or WATCHING while it looks now and then, and, once awake, AWAKE;
// ringers exchange it to AWAKE.
//
// Why no wake-up is lost: the sleeper announces itself (store ASLEEP), then looks for work once more, then waits
// for the word to leave ASLEEP. A ringer publishes work, then looks at the word. Both are sequentially consistent,
// so either the ringer sees ASLEEP and changes the word before it notifies (the wait returns, or does not begin),
// or the sleeper sees the work.

const AWAKE = 0;
const ASLEEP = 1;
const WATCHING = 2;
const WORDS_APART = 32;

/** One side's bell in shared memory: many may ring, one sleeps. Ringing an awake side costs one atomic load. */
export class Doorbell {
  readonly #words: Int32Array;
  readonly #at: number;
  readonly #onWake: ((words: Int32Array, at: number) => void) | undefined;

  /** `onWake` replaces the notification where the sleeper is not a thread. */
  constructor(memory: SharedArrayBuffer, index: number, onWake?: () => void) {
    this.#words = new Int32Array(memory);
    this.#at = index * WORDS_APART;
    this.#onWake = onWake;
  }

  /** Call after the work is published. */
  ring(): void {
    if (Atomics.load(this.#words, this.#at) === AWAKE) return;
    if (Atomics.exchange(this.#words, this.#at, AWAKE) !== ASLEEP) return;
    if (this.#onWake === undefined) Atomics.notify(this.#words, this.#at, 1);
    else this.#onWake(this.#words, this.#at);
  }

  /** Ends its side's sleep when nobody is left to ring: whoever did may have died between the steps of a ring. */
  abandon(): void {
    this.disarm();
    Atomics.notify(this.#words, this.#at);
  }

  /** Says "I am going to sleep". Look for work afterwards, then either `wait` or `disarm`. */
  arm(): void {
    Atomics.store(this.#words, this.#at, ASLEEP);
  }

  /** Says "I look now and then": whoever rings leaves a mark, which costs it no notification. */
  watch(): void {
    Atomics.store(this.#words, this.#at, WATCHING);
  }

  /** Whether somebody rang since `watch` or `arm`. */
  get rang(): boolean {
    return Atomics.load(this.#words, this.#at) === AWAKE;
  }

  /** Whether its side sleeps, or is about to. */
  get asleep(): boolean {
    return Atomics.load(this.#words, this.#at) === ASLEEP;
  }

  disarm(): void {
    Atomics.store(this.#words, this.#at, AWAKE);
  }

  /** Blocks this thread until rung, or for `timeout` milliseconds. */
  wait(timeout: number): void {
    Atomics.wait(this.#words, this.#at, ASLEEP, timeout);
    this.disarm();
  }

  /** Resolves when rung: for the main thread, which must not block. */
  async rung(): Promise<void> {
    const wait = Atomics.waitAsync(this.#words, this.#at, ASLEEP);
    if (wait.async) await wait.value;
    this.disarm();
  }
}

/** Bytes for `count` doorbells, each on cache lines of its own. */
export const doorbellBytes = (count: number): number => count * WORDS_APART * 4;
