/** A thread that will never go on. */
export interface Blocked {
  readonly thread: number;
  readonly site: number;
  readonly address: number;
  /** Sleeps in Atomics.wait; otherwise it spins on what nobody changes any more. */
  readonly asleep: boolean;
  /** The word no longer holds what the thread waits on: whoever changed it did not wake the thread. */
  readonly changed: boolean;
}

/** Why a run failed. Threads, sites and steps are numbers of the execution and of its log. */
export type Failure =
  | { readonly kind: 'race'; readonly first: number; readonly second: number }
  | { readonly kind: 'deadlock'; readonly blocked: readonly Blocked[] }
  | { readonly kind: 'exception'; readonly thread: number; readonly error: unknown }
  | { readonly kind: 'check'; readonly error: unknown }
  | { readonly kind: 'outcome'; readonly outcome: string }
  | { readonly kind: 'stuck'; readonly thread: number; readonly site: number; readonly steps: number };
