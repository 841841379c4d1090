import { InvariantError } from '../base/assert.ts';
import { isError, stackOf } from '../base/said.ts';
import type { Domain } from '../hypervisor/domain.ts';

export interface Strays {
  /** Rejects when an invariant of Covisor's own broke where nobody waited for it: no guest is to blame. */
  readonly broken: Promise<never>;
  release(): void;
}

/**
 * Catches what a guest throws or rejects where nobody waits for it, which would end the process. It costs the domain
 * whose module its stack names; `unknown` is told where that cannot be said.
 */
export function catchStrays(
  domains: () => readonly Domain[],
  unknown: (error: unknown, running: readonly Domain[]) => void,
): Strays {
  let fail: (error: InvariantError) => void = () => {};
  const broken = new Promise<never>((_, reject) => (fail = reject));
  broken.catch(() => {});
  const stray = (error: unknown): void => {
    if (isError(error, InvariantError)) return fail(error);
    const stack = stackOf(error);
    const running = domains().filter(({ over }) => !over);
    const guilty = running.filter(({ settings }) => stack.includes(settings.description.kernel));
    for (const domain of guilty) domain.crash(error);
    if (guilty.length === 0) unknown(error, running);
  };
  process.on('unhandledRejection', stray).on('uncaughtException', stray);
  return {
    broken,
    release: () => {
      process.off('unhandledRejection', stray).off('uncaughtException', stray);
    },
  };
}
