import { NO_TIME, after, between, us, type Duration, type Instant } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Scheduler, SchedulerFactory } from '../contract/scheduler.ts';
import { BrokenLawError } from './decisions.ts';

const LAW = 'picks and settles come in pairs, and no wake is dropped';
const BOUND = 'nobody waits longer than its scheduler promised';
/** Interrupts and decisions take a moment, too. */
const A_MOMENT = us(50);

/** A scheduler, and its user, held to the scheduler's contract; to its bound while nothing excuses it. */
export function checkedScheduler(inner: Scheduler, excused: () => boolean): Scheduler {
  const admitted = new Set<VcoprocId>();
  const awake = new Set<VcoprocId>();
  const open: VcoprocId[] = [];
  const waits = new Map<VcoprocId, { readonly since: Instant; bound: number }>();
  let lastPick: { readonly at: Instant; readonly slice: Duration } | undefined;
  /** Nobody may have the coprocessor until then: a slot that stays empty can end late, too. */
  let emptyUntil: Instant | undefined;
  /** How long the worst stay until now was, past its slice. */
  let late = NO_TIME;
  /** Who has the coprocessor when a wait begins may be somebody that the scheduler does not count any more. */
  let longest = NO_TIME;
  const boundOf = (vcoproc: VcoprocId): number => inner.bound(vcoproc, late) ?? Infinity;
  /** What each stayed past its slices: who takes more than it was given may be made to wait for it. */
  const overran = new Map<VcoprocId, number>();
  /** A stay can be no later than the next decision. */
  const observe = (now: Instant): void => {
    const ends = lastPick === undefined ? now : after(lastPick.at, lastPick.slice);
    late = Math.max(late, between(ends, now), between(emptyUntil ?? now, now)) as Duration;
  };
  const waitsFrom = (vcoproc: VcoprocId, now: Instant): void => {
    if (!open.includes(vcoproc)) waits.set(vcoproc, { since: now, bound: boundOf(vcoproc) });
  };
  const hold = (fact: boolean, what: () => string): void => {
    if (!fact) throw new BrokenLawError(LAW, `${inner.name}: ${what()}`);
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
      waits.delete(vcoproc);
      // Who leaves has made others wait as long as it was there.
      for (const [one, wait] of waits) wait.bound = Math.max(wait.bound, boundOf(one));
      inner.remove(vcoproc);
    },
    wake(vcoproc, now) {
      hold(admitted.has(vcoproc), () => `${vcoproc} wakes and is not admitted`);
      const urgent = inner.wake(vcoproc, now);
      if (!awake.has(vcoproc)) waitsFrom(vcoproc, now);
      awake.add(vcoproc);
      return urgent;
    },
    sleep(vcoproc, now) {
      awake.delete(vcoproc);
      waits.delete(vcoproc);
      inner.sleep(vcoproc, now);
    },
    pick(now) {
      observe(now);
      const decision = inner.pick(now);
      if (decision.kind === 'idle') {
        emptyUntil = decision.until;
        hold(
          awake.size === 0 || decision.until !== undefined,
          () => `nobody is picked, and ${[...awake].join(', ')} woke`,
        );
        return decision;
      }
      hold(admitted.has(decision.vcoproc), () => `${decision.vcoproc} is picked and not admitted`);
      hold(awake.has(decision.vcoproc), () => `${decision.vcoproc} is picked and asleep`);
      hold(decision.slice > 0, () => `${decision.vcoproc} is given ${decision.slice} ns`);
      lastPick = { at: now, slice: decision.slice };
      emptyUntil = undefined;
      if (decision.slice > longest) longest = decision.slice;
      const wait = waits.get(decision.vcoproc);
      waits.delete(decision.vcoproc);
      if (wait !== undefined) {
        const waited = between(wait.since, now);
        const bound = Math.max(wait.bound, boundOf(decision.vcoproc)) + longest + late + A_MOMENT;
        const debt = overran.get(decision.vcoproc) ?? 0;
        if (waited > bound && debt < decision.slice && !excused())
          throw new BrokenLawError(
            BOUND,
            `${inner.name}: ${decision.vcoproc} waited ${waited} ns, promised were ${bound}`,
          );
      }
      open.push(decision.vcoproc);
      hold(open.length <= 2, () => `${open.join(', ')} are picked and not settled`);
      return decision;
    },
    settle(report) {
      const at = open.indexOf(report.vcoproc);
      hold(at >= 0, () => `${report.vcoproc} is settled and was not picked`);
      open.splice(at, 1);
      hold(
        report.ran >= 0 && report.overrun >= 0 && report.switching >= 0,
        () => `a time of ${report.vcoproc} is negative`,
      );
      observe(report.now);
      overran.set(report.vcoproc, (overran.get(report.vcoproc) ?? 0) + report.overrun);
      inner.settle(report);
      if (awake.has(report.vcoproc)) waitsFrom(report.vcoproc, report.now);
    },
    save() {
      hold(awake.size === 0 && open.length === 0, () => `${[...awake, ...open].join(', ')} is not at rest`);
      return inner.save?.();
    },
    restore: (saved) => inner.restore?.(saved),
  };
}

/** Every scheduler of a table, checked. */
export function checkedSchedulers(
  table: Readonly<Record<string, { readonly create: SchedulerFactory }>>,
  excused: () => boolean,
): Record<string, { readonly create: SchedulerFactory }> {
  return Object.fromEntries(
    Object.entries(table).map(([name, { create }]) => [
      name,
      {
        create: (settings) => {
          const created = create(settings);
          return 'pick' in created ? checkedScheduler(created, excused) : created;
        },
      },
    ]),
  );
}
