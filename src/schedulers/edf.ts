import { NO_TIME, showDuration, sum, us, type Duration, type Instant } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf } from './algorithm.ts';
import type { Member } from './member.ts';
import { microseconds, readParameters } from './parameters.ts';
import { TaskSet, type Task } from './task-set.ts';
import { Tournament } from './tournament.ts';

const LONGEST = 60_000_000;
const PER_VCOPROC = { period: microseconds(100, LONGEST), budget: microseconds(10, LONGEST) };

/** The shortest slice: what is left of a budget may be less than anybody can stop in. */
const SHORTEST = us(10);

/**
 * Earliest deadline first: each vcoproc has `budget` microseconds in each `period`, both to be given, as with
 * Xen's RTDS. Budgets are those of a constant bandwidth server (Abeni and Buttazzo 1998) with hard
 * reservations: who used its budget waits for its deadline, which is the next period's begin, even when nobody
 * else wants the coprocessor; who wakes often gets no more for it. Overrun is missing from the next budget; the
 * first switch of a wake in a period is counted by admission, any other is paid from the budget, twice: there and
 * back.
 *
 * Admission (Baker 1991, for one resource): for each period T, the sum over all periods up to T of
 * (budget + two switches) / period, plus blocking / T, is at most 1. Blocking is what nobody can preempt: denials,
 * however many in a row, until the holder leaves (`scheduler-denial-us` at their longest; else the stop deadline,
 * past which it is reset) and a switch (`scheduler-switch-us`, what the board's bandwidth says). What does not fit is
 * refused with the figures. The guarantee is that of the budgets; a context that outstays its budget is blocking for
 * the others, and one that has to be reset is a fault.
 *
 * Whoever needs its budget by the end of the period has it by then; it waits at most 2 x (period - budget) + lateness.
 * Decides in O(log n), amortised: a budget that was used up is renewed once. Admits in O(1) far from full, else in
 * O(n log n).
 */
export function edf(settings: SchedulerSettings): Scheduler | Refusal {
  const { timeslice, stopDeadline = NO_TIME, switchCost = NO_TIME } = settings;
  const own = readParameters(
    'edf',
    {
      'denial-us': microseconds(0, LONGEST, stopDeadline),
      'switch-us': microseconds(0, LONGEST, switchCost),
    },
    settings.parameters,
  );
  if (own.kind === 'failed') return refused(own.reason);
  const switching = own.value['switch-us'];
  const tasks = new TaskSet(switching, sum(own.value['denial-us'], switching));
  let longest = timeslice;
  /** Awake with budget, by deadline. */
  const ready = new Tournament();
  /** Awake without, by the instant at which they get a new one. */
  const spent = new Tournament();
  const period: number[] = [];
  const budget: number[] = [];
  const deadline: number[] = [];
  /** What is left of the budget until the deadline; below zero what it owes. */
  const left: number[] = [];
  /** Time of the stay that is not settled, taken from `left` already. */
  const pending: number[] = [];
  /** Woke since it was switched to last. */
  const woke: boolean[] = [];
  /** The deadline of the period in which it had the switches that admission counted. */
  const switched: number[] = [];

  /** Begins a period. */
  const renew = (member: Member, begin: number, periods: number): void => {
    deadline[member] = begin + period[member]!;
    left[member] = Math.min(budget[member]!, left[member]! + periods * budget[member]!);
  };
  /** Puts an awake one where it belongs. */
  const place = (member: Member): void => {
    const [here, other] = left[member]! > 0 ? [ready, spent] : [spent, ready];
    other.remove(member);
    here.put(member, deadline[member]!);
  };
  const use = (member: Member, length: number): void => {
    left[member]! -= length - pending[member]!;
    pending[member] = 0;
    if (ready.has(member) || spent.has(member)) place(member);
  };
  const rest = (member: Member): void => {
    ready.remove(member);
    spent.remove(member);
  };

  return schedulerOf({
    name: 'edf',
    parameters: PER_VCOPROC,
    past: { whole: { deadline, left, pending, switched } },
    join(member, values) {
      const refusal = tooMuch(values) ?? tasks.put(member, values);
      if (refusal !== undefined) return refusal;
      period[member] = values.period;
      budget[member] = values.budget;
      deadline[member] = 0;
      left[member] = values.budget;
      pending[member] = 0;
      woke[member] = false;
      switched[member] = -1;
      return undefined;
    },
    revise(member, values) {
      const refusal = tooMuch(values) ?? tasks.put(member, values);
      if (refusal !== undefined) return refusal;
      period[member] = values.period;
      budget[member] = values.budget;
      // The present deadline stands, and what is left until then cannot grow.
      left[member] = Math.min(left[member]!, values.budget);
      return undefined;
    },
    leave(member) {
      tasks.remove(member);
      rest(member);
    },
    wake(member, { now, holder }) {
      const [due, length, rested] = [deadline[member]!, period[member]!, left[member]!];
      woke[member] = true;
      if (now >= due) renew(member, now, 1 + Math.floor((now - due) / length));
      // Too much is left for the time that is left: taken now, it would be more than its share.
      else if (rested > 0 && rested * length > (due - now) * budget[member]!) renew(member, now, 1);
      place(member);
      return holder !== undefined && left[member]! > 0 && deadline[member]! < deadline[holder]!;
    },
    sleep: rest,
    choose({ now, holder, held }) {
      if (holder !== undefined) {
        use(holder, held);
        pending[holder] = held;
      }
      while (spent.least <= now) {
        const due = spent.first!;
        renew(due, spent.least, 1);
        place(due);
      }
      const member = ready.first;
      const next = spent.least;
      if (member === undefined) return spent.first === undefined ? undefined : { until: next as Instant };
      // Somebody's new period may come with an earlier deadline.
      const slice = Math.min(left[member]!, longest, next - now);
      return { member, slice: Math.max(SHORTEST, slice) as Duration };
    },
    missed() {},
    charge(member, { ran, switching: cost }) {
      const again = woke[member] && switched[member] === deadline[member];
      if (cost > 0 && woke[member]) {
        switched[member] = deadline[member]!;
        woke[member] = false;
      }
      use(member, again ? ran + 2 * cost : ran);
    },
    retime: (length) => void (longest = length),
    bound: (member, late) => (2 * (period[member]! - budget[member]!) + late) as Duration,
  });
}

function tooMuch({ budget, period }: Task): Refusal | undefined {
  if (budget <= period) return undefined;
  return refused(
    `edf cannot give a budget of ${showDuration(budget)} in a period of ${showDuration(period)}: expected budget <= period`,
  );
}
