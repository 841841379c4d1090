/**
 * A small program of a few threads that share memory. It is written as a module that exports `scenarios`; the
 * checker rewrites that module and what it imports, and runs the threads in every order that matters.
 *
 * `setup` makes what the threads share, before they start; it runs once for each order, so it has to be quick and
 * always the same. A thread is a plain function: it may call functions and methods of any module of the program. What
 * two threads share is shared memory; an object of `State` belongs to one thread, as objects do in real threads.
 */
export interface Scenario<State = unknown> {
  readonly setup: () => State;
  readonly threads: Readonly<Record<string, (state: State) => void | Promise<void>>>;
  /** Throws when the end is wrong. Called when all threads have ended. */
  readonly check?: (state: State) => void;
  /** What came out, in a few words: counted, and compared with `outcomes`. */
  readonly outcome?: (state: State) => string;
  readonly outcomes?: OutcomeTable;
}

/** What each outcome means. An outcome that is not listed is forbidden. */
export type OutcomeTable = Readonly<Record<string, 'acceptable' | 'interesting' | 'forbidden'>>;

/** Types a scenario; gives it back as it is. */
export const scenario = <State>(one: Scenario<State>): Scenario<State> => one;

/**
 * Says that the loop around it spins until another thread changes something that this thread has read since the last
 * call. Without the hint, a loop that waits never ends under the checker. It does nothing in a real thread.
 */
export function pause(): void {}

/** A moment in the order of all threads: for the invocations and responses of a history. Orders no memory. */
export function stamp(): number {
  throw new Error('stamp() has a meaning in threads under the checker only');
}
