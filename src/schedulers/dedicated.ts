import { NO_TIME } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import type { VcoprocId } from '../contract/names.ts';
import { refused, schedulerOf } from './algorithm.ts';
import type { Member } from './member.ts';
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
  let owner: { readonly member: Member; readonly vcoproc: VcoprocId } | undefined;
  return schedulerOf({
    name: 'dedicated',
    parameters: NO_PARAMETERS,
    past: {},
    join(member, _values, vcoproc) {
      if (wanted !== undefined && vcoproc !== wanted && !vcoproc.startsWith(`${wanted}/`))
        return refused(`it is dedicated to ${wanted}`);
      if (owner !== undefined) return refused(`it is dedicated to ${owner.vcoproc}`);
      owner = { member, vcoproc };
      return undefined;
    },
    revise: () => undefined,
    leave: () => void (owner = undefined),
    wake: () => true,
    sleep() {},
    choose: () => (owner === undefined ? undefined : { member: owner.member, slice: timeslice }),
    missed() {},
    charge() {},
    retime: (length) => void (timeslice = length),
    bound: () => NO_TIME,
  });
}
