import type { Domain } from '../hypervisor/domain.ts';

/** Who is not done, and with what: for people who look at a run that stands still. */
export const unfinished = (domains: readonly Domain[]): string =>
  domains
    .filter(({ over }) => !over)
    .map(({ name, state, vcoprocs }) => {
      const waits = vcoprocs.map(
        (vcoproc) => `${vcoproc.name} ${vcoproc.state}, ${vcoproc.queues.outstanding} commands open`,
      );
      return `${name} ${state} (${waits.join('; ')})`;
    })
    .join(', ');
