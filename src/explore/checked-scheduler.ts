import type { VcoprocId } from '../contract/names.ts';
import type { Scheduler, SchedulerFactory } from '../contract/scheduler.ts';
import { BrokenLawError } from './decisions.ts';

const LAW = 'picks and settles come in pairs, and no wake is dropped';

/** A scheduler, and its user, held to the scheduler's contract. */
export function checkedScheduler(inner: Scheduler): Scheduler {
  const admitted = new Set<VcoprocId>();
  const awake = new Set<VcoprocId>();
  const open: VcoprocId[] = [];
  const hold = (fact: boolean, what: string): void => {
    if (!fact) throw new BrokenLawError(LAW, `${inner.name}: ${what}`);
  };
  return {
    name: inner.name,
    admit(vcoproc, parameters) {
      const admission = inner.admit(vcoproc, parameters);
      if (admission.kind === 'admitted') admitted.add(vcoproc);
      return admission;
    },
    change: (vcoproc, parameters) => inner.change(vcoproc, parameters),
    retime: (timeslice) => inner.retime(timeslice),
    bound: (vcoproc, late) => inner.bound(vcoproc, late),
    remove(vcoproc) {
      admitted.delete(vcoproc);
      awake.delete(vcoproc);
      inner.remove(vcoproc);
    },
    wake(vcoproc, now) {
      hold(admitted.has(vcoproc), `${vcoproc} wakes and is not admitted`);
      awake.add(vcoproc);
      return inner.wake(vcoproc, now);
    },
    sleep(vcoproc, now) {
      awake.delete(vcoproc);
      inner.sleep(vcoproc, now);
    },
    pick(now) {
      const decision = inner.pick(now);
      if (decision.kind === 'idle') {
        hold(
          awake.size === 0 || decision.until !== undefined,
          `nobody is picked, and ${[...awake].join(', ')} woke`,
        );
        return decision;
      }
      hold(admitted.has(decision.vcoproc), `${decision.vcoproc} is picked and not admitted`);
      hold(awake.has(decision.vcoproc), `${decision.vcoproc} is picked and asleep`);
      hold(decision.slice > 0, `${decision.vcoproc} is given ${decision.slice} ns`);
      open.push(decision.vcoproc);
      hold(open.length <= 2, `${open.join(', ')} are picked and not settled`);
      return decision;
    },
    settle(report) {
      const at = open.indexOf(report.vcoproc);
      hold(at >= 0, `${report.vcoproc} is settled and was not picked`);
      open.splice(at, 1);
      hold(
        report.ran >= 0 && report.overrun >= 0 && report.switching >= 0,
        `a time of ${report.vcoproc} is negative`,
      );
      inner.settle(report);
    },
  };
}

/** Every scheduler of a table, checked. */
export function checkedSchedulers(
  table: Readonly<Record<string, { readonly create: SchedulerFactory }>>,
): Record<string, { readonly create: SchedulerFactory }> {
  return Object.fromEntries(
    Object.entries(table).map(([name, { create }]) => [
      name,
      {
        create: (settings) => {
          const created = create(settings);
          return 'pick' in created ? checkedScheduler(created) : created;
        },
      },
    ]),
  );
}
