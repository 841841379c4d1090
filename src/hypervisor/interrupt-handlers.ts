/** Of the interrupts that come at once on one line, a guest hears of so many one by one. */
const MOST_AT_ONCE = 256;

/** What a guest wants to be called for its interrupts. */
export class InterruptHandlers {
  readonly #handlers: ((line: number) => void)[] = [];
  readonly #onError: (error: unknown) => void;

  /** `onError`: a handler threw. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  add(handler: (line: number) => void): void {
    this.#handlers.push(handler);
  }

  /** `count` interrupts came on one line. A storm is told as one. */
  call(line: number, count: number): void {
    const calls = count > MOST_AT_ONCE ? 1 : count;
    for (let call = 0; call < calls; call++) {
      for (const handler of this.#handlers) {
        try {
          handler(line);
        } catch (error) {
          this.#onError(error);
        }
      }
    }
  }
}
