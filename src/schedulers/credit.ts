import type { Duration, Instant } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf, type Member } from './algorithm.ts';
import { Heap, unranked, type Ranked } from './heap.ts';
import { NO_PARAMETERS, readParameters, whole } from './parameters.ts';

const DEFAULT_WEIGHT = 256;
const PER_VCOPROC = { weight: whole(1, 65_535, DEFAULT_WEIGHT), cap: whole(0, 100, 0) };

/** Slices in the period over which a cap holds: Xen's credit scheduler has 30 ms slices and 30 ms periods. */
const PERIOD = 30;
/** The shortest slice, as a part of a whole one: what is left of a cap may be less than a switch is worth. */
const SHORTEST = 1 / 10;

interface Account extends Member<typeof PER_VCOPROC>, Ranked {
  /** Credit burnt: time that it had, per default weight. */
  burnt: number;
  /** Time of the stay that is not settled, burnt already. */
  pending: number;
  /** What it may still have in this period, when it is capped; below zero what it owes. */
  left: number;
  /** The period that `left` is of. */
  period: number;
}

/**
 * Shares by `weight` (1 to 65535, 256), and no more than `cap` percent (1 to 100; 0: no limit) of the wall
 * time even when nobody else wants it. What one does not use the others have, by their weights. After Xen's
 * credit2: whoever has burnt the least credit for its weight is next; sleeping earns none, and nobody
 * preempts. A cap is a budget per 30 time slices; what was taken beyond it is missing from the next one.
 *
 * Waits at most (weights / own weight + admitted) x (slice + lateness); one that is capped, one period more.
 * Decides in O(log n).
 */
export function credit(settings: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('credit', NO_PARAMETERS, settings.parameters);
  if (own.kind === 'failed') return refused(own.reason);
  let { timeslice } = settings;
  let admitted = 0;
  let weights = 0;
  /** What the one that was chosen last had burnt: who wakes begins there. */
  let level = 0;
  const ready = new Heap<Account>();
  /** Awake and over their cap, by the instant at which they may go on. */
  const parked = new Heap<Account>();
  /** Have other parameters since the last decision. */
  const revised = new Set<Account>();
  // Periods are of one length for the whole life: a cap that moves with the slice could be used twice.
  const period = PERIOD * timeslice;

  const quota = ({ values }: Account): number => (period * values.cap) / 100;
  const refill = (account: Account, now: Instant): void => {
    const current = Math.floor(now / period);
    const passed = current - account.period;
    account.period = current;
    if (passed > 0) account.left = Math.min(quota(account), account.left + passed * quota(account));
  };
  /** Puts an awake account where it belongs. */
  const place = (account: Account, now: Instant): void => {
    ready.remove(account);
    parked.remove(account);
    if (!account.awake) return;
    if (account.values.cap === 0) {
      ready.put(account, account.burnt);
      return;
    }
    refill(account, now);
    if (account.left > 0) ready.put(account, account.burnt);
    else parked.put(account, (account.period + 1 + Math.floor(-account.left / quota(account))) * period);
  };
  const burn = (account: Account, length: number, now: Instant): void => {
    const more = length - account.pending;
    account.pending = 0;
    account.burnt += (more * DEFAULT_WEIGHT) / account.values.weight;
    if (account.values.cap > 0) {
      refill(account, now);
      account.left -= more;
    }
    place(account, now);
  };

  return schedulerOf({
    name: 'credit',
    parameters: PER_VCOPROC,
    join(vcoproc, values): Account {
      const account: Account = {
        vcoproc,
        values,
        awake: false,
        burnt: 0,
        pending: 0,
        left: (period * values.cap) / 100,
        period: 0,
        ...unranked(),
      };
      admitted++;
      weights += values.weight;
      return account;
    },
    revise(account, values) {
      weights += values.weight - account.values.weight;
      // What it used of the old budget counts against the new one.
      account.left += (period * (values.cap - account.values.cap)) / 100;
      revised.add(account);
      return undefined;
    },
    leave(account) {
      admitted--;
      revised.delete(account);
      weights -= account.values.weight;
      ready.remove(account);
      parked.remove(account);
    },
    wake(account, { now }) {
      account.burnt = Math.max(account.burnt, level);
      place(account, now);
      return false;
    },
    sleep(account) {
      ready.remove(account);
      parked.remove(account);
    },
    choose({ now, holder, held }) {
      for (const account of revised) place(account, now);
      revised.clear();
      if (holder !== undefined) {
        burn(holder, held, now);
        holder.pending = held;
      }
      for (let due = parked.first; due !== undefined && due.key <= now; due = parked.first) place(due, now);
      const member = ready.first;
      if (member === undefined)
        return parked.first === undefined ? undefined : { until: Math.ceil(parked.first.key) as Instant };
      level = Math.max(level, member.burnt);
      if (member.values.cap === 0) return { member, slice: timeslice };
      refill(member, now);
      const slice = Math.max(timeslice * SHORTEST, Math.min(timeslice, member.left));
      return { member, slice: Math.ceil(slice) as Duration };
    },
    missed() {},
    charge: (account, { ran, switching, now }) => burn(account, ran + switching, now),
    retime: (length) => void (timeslice = length),
    bound: ({ values }, late) =>
      ((Math.ceil(weights / values.weight) + admitted) * (timeslice + late) +
        (values.cap > 0 ? period : 0)) as Duration,
  });
}
