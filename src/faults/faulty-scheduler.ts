import type { Scheduler } from '../contract/scheduler.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Parts } from '../hypervisor/parts.ts';

/** What a call says that a fault plan made fail. */
export const FAILED = 'failed by the fault plan';

/** Schedulers that refuse whom they would admit, when `fails` says so. More may be added while they are in use. */
export const faultySchedulers = (
  schedulers: Parts['schedulers'],
  fails: (vcoproc: VcoprocId) => boolean,
): Parts['schedulers'] =>
  new Proxy(schedulers, {
    get: (known, name: string) => {
      const found = known[name];
      if (found === undefined) return undefined;
      return {
        create: (settings: Parameters<typeof found.create>[0]) => {
          const created = found.create(settings);
          return 'kind' in created ? created : faultyScheduler(created, fails);
        },
      };
    },
  });

const faultyScheduler = (scheduler: Scheduler, fails: (vcoproc: VcoprocId) => boolean): Scheduler => ({
  name: scheduler.name,
  admit: (vcoproc, parameters) =>
    fails(vcoproc) ? { kind: 'refused', reason: FAILED } : scheduler.admit(vcoproc, parameters),
  change: (vcoproc, parameters) => scheduler.change(vcoproc, parameters),
  retime: (timeslice) => scheduler.retime(timeslice),
  bound: (vcoproc, late) => scheduler.bound(vcoproc, late),
  remove: (vcoproc) => scheduler.remove(vcoproc),
  wake: (vcoproc, now) => scheduler.wake(vcoproc, now),
  sleep: (vcoproc, now) => scheduler.sleep(vcoproc, now),
  pick: (now) => scheduler.pick(now),
  settle: (report) => scheduler.settle(report),
  save: () => scheduler.save?.(),
  restore: (saved) => scheduler.restore?.(saved),
});
