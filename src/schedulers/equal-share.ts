import type { Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf } from './algorithm.ts';
import { NO_PARAMETERS, readParameters } from './parameters.ts';
import { Slots } from './slots.ts';

/**
 * One time slice for each vcoproc that is there, in turn, busy or not: a share changes when somebody comes or
 * goes, never with what the others do. Slots of idle ones stay empty. This is what NVIDIA calls the equal share
 * scheduler.
 *
 * Waits at most (2 x admitted) x (slice + lateness): a whole round for who wakes just after its slot, and as
 * much for who came or was put off within it. Decides in O(log n).
 */
export function equalShare({ timeslice, parameters }: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('equal-share', NO_PARAMETERS, parameters);
  if (own.kind === 'failed') return refused(own.reason);
  const slots = new Slots(timeslice);
  let admitted = 0;
  return schedulerOf({
    name: 'equal-share',
    parameters: NO_PARAMETERS,
    past: slots.past,
    recall: (tenant) => slots.recall(tenant),
    join(tenant) {
      slots.add(tenant, 1);
      admitted++;
      return undefined;
    },
    revise: () => undefined,
    leave(tenant) {
      slots.remove(tenant);
      admitted--;
    },
    wake: (tenant) => slots.wake(tenant),
    sleep: (tenant) => slots.sleep(tenant),
    choose: (situation) => slots.choose(situation),
    missed: (tenant) => slots.missed(tenant),
    charge: (tenant, settled) => slots.charge(tenant, settled),
    retime: (length) => slots.retime(length),
    bound: (_tenant, late) => (2 * admitted * (slots.timeslice + late)) as Duration,
  });
}
