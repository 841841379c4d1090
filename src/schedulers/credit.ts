import type { Duration, Instant } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf } from './algorithm.ts';
import { NOBODY, type Member } from './member.ts';
import { NO_PARAMETERS, readParameters, whole } from './parameters.ts';
import { Tournament } from './tournament.ts';

const DEFAULT_WEIGHT = 256;
const PER_VCOPROC = { weight: whole(1, 65_535, DEFAULT_WEIGHT), cap: whole(0, 100, 0) };

/** Slices in the period over which a cap holds: Xen's credit scheduler has 30 ms slices and 30 ms periods. */
const PERIOD = 30;
/** The shortest slice, as a part of a whole one: what is left of a cap may be less than a switch is worth. */
const SHORTEST = 1 / 10;

/**
 * Shares by `weight` (1 to 65535, 256), and no more than `cap` percent (1 to 100; 0: no limit) of the wall
 * time even when nobody else wants it. What one does not use the others have, by their weights. After Xen's
 * credit2: whoever has burnt the least credit for its weight is next; sleeping earns none, and nobody
 * preempts. A cap is a budget per 30 time slices; what was taken beyond it is missing from the next one.
 *
 * Waits at most (weights / own weight + admitted) x (slice + lateness); one that is capped, one period more.
 * Decides in O(log n), amortised: a cap that was reached is lifted once.
 */
export function credit(settings: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('credit', NO_PARAMETERS, settings.parameters);
  if (own.kind === 'failed') return refused(own.reason);
  let { timeslice } = settings;
  let admitted = 0;
  let weights = 0;
  const ready = new Tournament();
  /** Awake and over their cap, by the instant at which they may go on. */
  const parked = new Tournament();
  /** Awake, with other parameters since the last decision. */
  const revised = new Set<Member>();
  const weight: number[] = [];
  const cap: number[] = [];
  /** Credit burnt: time that each had, per default weight; nobody's is that of who was chosen last, where who wakes begins. */
  const burnt: number[] = [0];
  /** Time of the stay that is not settled, burnt already. */
  const pending: number[] = [];
  /** What each may still have in its period, when it is capped; below zero what it owes. */
  const left: number[] = [];
  /** The period that `left` is of. */
  const current: number[] = [];
  // Periods are of one length for the whole life: a cap that moves with the slice could be used twice.
  const period = PERIOD * timeslice;

  const quota = (member: Member): number => (period * cap[member]!) / 100;
  const refill = (member: Member, now: Instant): void => {
    const passed = Math.floor(now / period) - current[member]!;
    current[member]! += passed;
    if (passed > 0) left[member] = Math.min(quota(member), left[member]! + passed * quota(member));
  };
  /** Puts an awake one where it belongs. */
  const place = (member: Member, now: Instant): void => {
    if (cap[member]! > 0) refill(member, now);
    if (cap[member] === 0 || left[member]! > 0) {
      parked.remove(member);
      ready.put(member, burnt[member]!);
    } else {
      ready.remove(member);
      parked.put(member, (current[member]! + 1 + Math.floor(-left[member]! / quota(member))) * period);
    }
  };
  const isAwake = (member: Member): boolean => ready.has(member) || parked.has(member);
  const burn = (member: Member, length: number, now: Instant): void => {
    const more = length - pending[member]!;
    pending[member] = 0;
    burnt[member]! += (more * DEFAULT_WEIGHT) / weight[member]!;
    if (cap[member]! > 0) {
      refill(member, now);
      left[member]! -= more;
    }
    if (isAwake(member)) place(member, now);
  };
  const rest = (member: Member): void => {
    ready.remove(member);
    parked.remove(member);
    revised.delete(member);
  };

  return schedulerOf({
    name: 'credit',
    parameters: PER_VCOPROC,
    past: { whole: { pending, current }, real: { burnt, left } },
    join(member, values) {
      admitted++;
      weights += values.weight;
      weight[member] = values.weight;
      cap[member] = values.cap;
      burnt[member] = 0;
      pending[member] = 0;
      left[member] = quota(member);
      current[member] = 0;
      return undefined;
    },
    revise(member, values) {
      weights += values.weight - weight[member]!;
      // What it used of the old budget counts against the new one.
      left[member]! += (period * (values.cap - cap[member]!)) / 100;
      weight[member] = values.weight;
      cap[member] = values.cap;
      if (isAwake(member)) revised.add(member);
      return undefined;
    },
    leave(member) {
      admitted--;
      weights -= weight[member]!;
      rest(member);
    },
    wake(member, { now }) {
      burnt[member] = Math.max(burnt[member]!, burnt[NOBODY]!);
      place(member, now);
      return false;
    },
    sleep: rest,
    choose({ now, holder, held }) {
      for (const member of revised) if (isAwake(member)) place(member, now);
      revised.clear();
      if (holder !== undefined) {
        burn(holder, held, now);
        pending[holder] = held;
      }
      while (parked.least <= now) place(parked.first!, now);
      const member = ready.first;
      if (member === undefined)
        return parked.first === undefined ? undefined : { until: Math.ceil(parked.least) as Instant };
      burnt[NOBODY] = Math.max(burnt[NOBODY]!, burnt[member]!);
      if (cap[member] === 0) return { member, slice: timeslice };
      refill(member, now);
      const slice = Math.max(timeslice * SHORTEST, Math.min(timeslice, left[member]!));
      return { member, slice: Math.ceil(slice) as Duration };
    },
    missed() {},
    charge: (member, { ran, switching, now }) => burn(member, ran + switching, now),
    retime: (length) => void (timeslice = length),
    bound: (member, late) =>
      ((Math.ceil(weights / weight[member]!) + admitted) * (timeslice + late) +
        (cap[member]! > 0 ? period : 0)) as Duration,
  });
}
