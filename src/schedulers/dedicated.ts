import { NO_TIME } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf, type Member } from './algorithm.ts';
import { NO_PARAMETERS, readParameters, text } from './parameters.ts';

const OWN = { owner: text };

/**
 * One owner, and nobody beside it: the domain that `scheduler-owner` names, or the first that comes. Everybody
 * else is refused until it is gone. Like Xen's null scheduler, for one coprocessor.
 *
 * Waits for nobody. Decides in O(1).
 */
export function dedicated(settings: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('dedicated', OWN, settings.parameters);
  if (own.kind === 'failed') return refused(own.reason);
  const { owner: wanted } = own.value;
  let { timeslice } = settings;
  let owner: Member<typeof NO_PARAMETERS> | undefined;
  return schedulerOf({
    name: 'dedicated',
    parameters: NO_PARAMETERS,
    join(vcoproc, values) {
      if (wanted !== undefined && vcoproc !== wanted && !vcoproc.startsWith(`${wanted}/`))
        return refused(`it is dedicated to ${wanted}`);
      if (owner !== undefined) return refused(`it is dedicated to ${owner.vcoproc}`);
      owner = { vcoproc, values, awake: false };
      return owner;
    },
    revise: () => undefined,
    leave: () => void (owner = undefined),
    wake: () => true,
    sleep() {},
    choose: () => (owner === undefined ? undefined : { member: owner, slice: timeslice }),
    missed() {},
    charge() {},
    retime: (length) => void (timeslice = length),
    bound: () => NO_TIME,
  });
}
