import { failed, ok, type Outcome } from '../base/outcome.ts';

/** Makes what takes shared memory; there may be none. */
export function allocated<T>(whose: string, make: () => T): Outcome<T> {
  try {
    return ok(make());
  } catch (error) {
    // What the engine throws when there is no memory.
    if (!(error instanceof RangeError)) throw error;
    return failed(`no memory for ${whose}: ${error.message}`);
  }
}
