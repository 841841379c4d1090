import type { WaitPromise } from './thread.ts';

export interface Waiter {
  readonly thread: number;
  /** Of Atomics.waitAsync. */
  readonly promise: WaitPromise | undefined;
  readonly limit?: number;
}

/** Who sleeps on which word, first come first served, as Atomics.notify wakes them. */
export class Waiters {
  /** Threads that await a promise right now. */
  readonly awaiting = new Map<number, WaitPromise>();
  readonly #lists = new Map<number, Waiter[]>();

  clear(): void {
    if (this.#lists.size > 0) this.#lists.clear();
    if (this.awaiting.size > 0) this.awaiting.clear();
  }

  add(address: number, waiter: Waiter): void {
    const list = this.#lists.get(address);
    if (list === undefined) this.#lists.set(address, [waiter]);
    else list.push(waiter);
  }

  /** Takes the waiter that came first off the list. */
  first(address: number): Waiter | undefined {
    return this.#lists.get(address)?.shift();
  }

  /** A thread gives up. Returns the promise that it awaited, if it did. */
  remove(address: number, thread: number): WaitPromise | undefined {
    const list = this.#lists.get(address) ?? [];
    const awaited = this.awaiting.get(thread);
    const at = list.findIndex((waiter) => waiter.thread === thread && waiter.promise === awaited);
    this.awaiting.delete(thread);
    return list.splice(at, 1)[0]?.promise;
  }

  /** The waiter behind a promise, and its word. */
  of(promise: WaitPromise): { readonly address: number; readonly limit: number } | undefined {
    for (const [address, list] of this.#lists) {
      const waiter = list.find((one) => one.promise === promise);
      if (waiter !== undefined) return { address, limit: waiter.limit ?? Infinity };
    }
    return undefined;
  }
}
