import type { Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf } from './algorithm.ts';
import { readParameters, whole } from './parameters.ts';
import { Slots, UNSOLD } from './slots.ts';

const OWN = { slots: whole(1, 1024, 8) };
const PER_VCOPROC = { slots: whole(1, 1024, 1) };

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
  const slots = new Slots(timeslice);
  slots.add(UNSOLD, total);
  let admitted = 0;

  /** Gives and takes slots, or says that there are not enough. */
  const trade = (wanted: number): Refusal | undefined => {
    const unsold = slots.share[UNSOLD]!;
    if (wanted > unsold) return refused(`fixed-share has ${unsold} of ${total} slots left, not ${wanted}`);
    slots.share[UNSOLD] = unsold - wanted;
    if (wanted === unsold) slots.remove(UNSOLD);
    else if (!slots.has(UNSOLD)) slots.add(UNSOLD, unsold - wanted);
    return undefined;
  };

  return schedulerOf({
    name: 'fixed-share',
    parameters: PER_VCOPROC,
    past: slots.past,
    recall: (tenant) => slots.recall(tenant),
    join(tenant, { slots: wanted }) {
      const refusal = trade(wanted);
      if (refusal !== undefined) return refusal;
      slots.add(tenant, wanted);
      admitted++;
      return undefined;
    },
    revise(tenant, { slots: wanted }) {
      const refusal = trade(wanted - slots.share[tenant]!);
      if (refusal === undefined) slots.share[tenant] = wanted;
      return refusal;
    },
    leave(tenant) {
      slots.remove(tenant);
      trade(-slots.share[tenant]!);
      admitted--;
    },
    wake: (tenant) => slots.wake(tenant),
    sleep: (tenant) => slots.sleep(tenant),
    choose: (situation) => slots.choose(situation),
    missed: (tenant) => slots.missed(tenant),
    charge: (tenant, settled) => slots.charge(tenant, settled),
    retime: (length) => slots.retime(length),
    bound: (tenant, late) =>
      ((Math.ceil(total / slots.share[tenant]!) + admitted) * (slots.timeslice + late)) as Duration,
  });
}
