import type { Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf } from './algorithm.ts';
import { NOBODY, type Member } from './member.ts';
import { NO_PARAMETERS, readParameters } from './parameters.ts';
import { Tournament } from './tournament.ts';

/**
 * The coprocessor goes to whoever is ready and has had the least of it: time that idle ones do not want is
 * given away, and nobody has a claim to more than an equal part of what is wanted. What NVIDIA calls the
 * best effort scheduler, with start-time fair queueing (Goyal, Guo and Vin 1997) for the order. Nobody
 * preempts, and sleeping earns nothing.
 *
 * Waits at most (2 x admitted) x (slice + lateness). Decides in O(log n).
 */
export function bestEffort(settings: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('best-effort', NO_PARAMETERS, settings.parameters);
  if (own.kind === 'failed') return refused(own.reason);
  let { timeslice } = settings;
  let admitted = 0;
  const ready = new Tournament();
  /** Time that each has had, or was set to when it woke: to nobody's, which the one that was chosen last had used. */
  const used: number[] = [0];
  /** Of that, what it has of the stay that is not settled. */
  const pending: number[] = [];
  const use = (member: Member, length: number): void => {
    used[member]! += length - pending[member]!;
    pending[member] = 0;
    if (ready.has(member)) ready.put(member, used[member]!);
  };
  return schedulerOf({
    name: 'best-effort',
    parameters: NO_PARAMETERS,
    past: { whole: { used, pending } },
    join(member) {
      admitted++;
      used[member] = 0;
      pending[member] = 0;
      return undefined;
    },
    revise: () => undefined,
    leave(member) {
      admitted--;
      ready.remove(member);
    },
    wake(member) {
      used[member] = Math.max(used[member]!, used[NOBODY]!);
      ready.put(member, used[member]);
      return false;
    },
    sleep: (member) => ready.remove(member),
    choose({ holder, held }) {
      if (holder !== undefined) {
        use(holder, held);
        pending[holder] = held;
      }
      const member = ready.first!;
      used[NOBODY] = Math.max(used[NOBODY]!, used[member]!);
      return { member, slice: timeslice };
    },
    missed() {},
    charge: (member, { ran, switching }) => use(member, ran + switching),
    retime: (length) => void (timeslice = length),
    bound: (_member, late) => (2 * admitted * (timeslice + late)) as Duration,
  });
}
