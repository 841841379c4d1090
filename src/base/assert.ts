/** A broken invariant: a defect in Covisor itself, never the doing of a guest, a firmware or a file. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Throws an {@link InvariantError} unless `condition` holds. One fact per call. */
export function assert(condition: boolean, fact: string): asserts condition {
  if (!condition) throw new InvariantError(fact);
}

/** The value, which must be there. */
export function present<T>(value: T | undefined | null, fact: string): T {
  if (value === undefined || value === null) throw new InvariantError(fact);
  return value;
}
