import { KIND, clash, isWrite, type Kind } from './operation.ts';
import type { Step, Watched } from './thread.ts';

type Access = Pick<Step, 'kind' | 'address' | 'bytes'>;

export const overlap = (a: number, sizeA: number, b: number, sizeB: number): boolean =>
  a < b + sizeB && b < a + sizeA;

/**
 * Whether an access and another, of `kind` on these bytes, do not commute. A pause reads all that its thread had
 * watched: `paused`.
 */
export function stepClashes(
  one: Access,
  paused: readonly Watched[] | undefined,
  kind: Kind,
  address: number,
  bytes: number,
): boolean {
  if (one.kind !== KIND.pause)
    return clash(one.kind, kind) && overlap(one.address, one.bytes, address, bytes);
  return isWrite(kind) && (paused ?? []).some((seen) => overlap(seen.address, seen.bytes, address, bytes));
}

/** Whether another thread has written what a spinning thread had read, since it read it. */
export function stepSpins(
  log: readonly Step[],
  length: number,
  thread: number,
  watched: readonly Watched[],
): boolean {
  return watched.some(({ address, bytes, step }) => {
    for (let later = step + 1; later < length; later++) {
      const other = log[later]!;
      if (other.thread === thread || other.failed || !isWrite(other.kind)) continue;
      if (overlap(other.address, other.bytes, address, bytes)) return true;
    }
    return false;
  });
}
