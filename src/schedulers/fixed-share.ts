import type { Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf, type Member } from './algorithm.ts';
import { readParameters, whole } from './parameters.ts';
import { Slots, owner, type Owner } from './slots.ts';

const OWN = { slots: whole(1, 1024, 8) };
const PER_VCOPROC = { slots: whole(1, 1024, 1) };

type Tenant = Member<typeof PER_VCOPROC> &
  Owner & { readonly vcoproc: Member<typeof PER_VCOPROC>['vcoproc'] };

/**
 * A round of `scheduler-slots` slots (8), of which each vcoproc has `slots` (1), one time slice each. Its share
 * is the same whoever else is there and whatever they do: slots of idle ones and slots that nobody has stay
 * empty. This is what NVIDIA calls the fixed share scheduler. A vcoproc for which no slots are left is refused.
 *
 * Waits at most (slots / own slots + admitted) x (slice + lateness). Decides in O(log n).
 */
export function fixedShare({ timeslice, parameters }: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('fixed-share', OWN, parameters);
  if (own.kind === 'failed') return refused(own.reason);
  const total = own.value.slots;
  const slots = new Slots<Tenant>(timeslice);
  const unsold = owner(undefined, total);
  slots.add(unsold);
  let admitted = 0;

  /** Gives and takes slots, or says that there are not enough. */
  const trade = (wanted: number): Refusal | undefined => {
    if (wanted > unsold.share)
      return refused(`fixed-share has ${unsold.share} of ${total} slots left, not ${wanted}`);
    unsold.share -= wanted;
    if (unsold.share === 0) slots.remove(unsold);
    else if (unsold.place < 0) slots.add(unsold);
    return undefined;
  };

  return schedulerOf({
    name: 'fixed-share',
    parameters: PER_VCOPROC,
    join(vcoproc, values): Tenant | Refusal {
      const refusal = trade(values.slots);
      if (refusal !== undefined) return refusal;
      const tenant = { values, ...owner(vcoproc, values.slots), vcoproc };
      slots.add(tenant);
      admitted++;
      return tenant;
    },
    revise(tenant, values) {
      const refusal = trade(values.slots - tenant.share);
      if (refusal === undefined) tenant.share = values.slots;
      return refusal;
    },
    leave(tenant) {
      slots.remove(tenant);
      trade(-tenant.share);
      admitted--;
    },
    wake: (tenant) => slots.isOpenFor(tenant),
    sleep() {},
    choose: (situation) => slots.choose(situation),
    missed: (tenant) => slots.missed(tenant),
    charge: (tenant, settled) => slots.charge(tenant, settled),
    retime: (length) => slots.retime(length),
    bound: (tenant, late) =>
      ((Math.ceil(total / tenant.share) + admitted) * (slots.timeslice + late)) as Duration,
  });
}
