import { NO_TIME, showDuration, sum, us, type Duration, type Instant } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf, type Member } from './algorithm.ts';
import { Heap, unranked, type Ranked } from './heap.ts';
import { microseconds, readParameters } from './parameters.ts';
import { TaskSet, type Task } from './task-set.ts';

const LONGEST = 60_000_000;
const PER_VCOPROC = { period: microseconds(100, LONGEST), budget: microseconds(10, LONGEST) };

/** The shortest slice: what is left of a budget may be less than anybody can stop in. */
const SHORTEST = us(10);

interface Server extends Member<typeof PER_VCOPROC>, Ranked {
  deadline: number;
  /** What is left of the budget until the deadline; below zero what it owes. */
  left: number;
  /** Time of the stay that is not settled, taken from `left` already. */
  pending: number;
  /** It woke since it was switched to last. */
  woke: boolean;
  /** The switches of this period are those that admission counted. */
  free: boolean;
}

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
 * Decides in O(log n); admits in O(1) far from full, else in O(n log n).
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
  const ready = new Heap<Server>();
  /** Awake without, by the instant at which they get a new one. */
  const spent = new Heap<Server>();

  /** Begins a period. */
  const renew = (server: Server, begin: number, periods: number): void => {
    const { period, budget } = server.values;
    server.deadline = begin + period;
    server.left = Math.min(budget, server.left + periods * budget);
    server.free = true;
  };
  const place = (server: Server): void => {
    ready.remove(server);
    spent.remove(server);
    if (!server.awake) return;
    if (server.left > 0) ready.put(server, server.deadline);
    else spent.put(server, server.deadline);
  };
  const use = (server: Server, length: number): void => {
    server.left -= length - server.pending;
    server.pending = 0;
    place(server);
  };

  return schedulerOf({
    name: 'edf',
    parameters: PER_VCOPROC,
    join(vcoproc: VcoprocId, values): Server | Refusal {
      const server: Server = {
        vcoproc,
        values,
        awake: false,
        deadline: 0,
        left: values.budget,
        pending: 0,
        woke: false,
        free: true,
        ...unranked(),
      };
      return tooMuch(values) ?? tasks.put(vcoproc, values) ?? server;
    },
    revise(server, values) {
      const refusal = tooMuch(values) ?? tasks.put(server.vcoproc, values);
      // The present deadline stands, and what is left until then cannot grow.
      if (refusal === undefined) server.left = Math.min(server.left, values.budget);
      return refusal;
    },
    leave(server) {
      tasks.remove(server.vcoproc);
      ready.remove(server);
      spent.remove(server);
    },
    wake(server, { now, holder }) {
      const { deadline, left } = server;
      const { period, budget } = server.values;
      server.woke = true;
      if (now >= deadline) renew(server, now, 1 + Math.floor((now - deadline) / period));
      // Too much is left for the time that is left: taken now, it would be more than its share.
      else if (left > 0 && left * period > (deadline - now) * budget) renew(server, now, 1);
      place(server);
      return holder !== undefined && server.left > 0 && server.deadline < holder.deadline;
    },
    sleep(server) {
      ready.remove(server);
      spent.remove(server);
    },
    choose({ now, holder, held }) {
      if (holder !== undefined) {
        use(holder, held);
        holder.pending = held;
      }
      for (let due = spent.first; due !== undefined && due.key <= now; due = spent.first) {
        renew(due, due.deadline, 1);
        place(due);
      }
      const member = ready.first;
      const next = spent.first?.key;
      if (member === undefined) return next === undefined ? undefined : { until: next as Instant };
      // Somebody's new period may come with an earlier deadline.
      const slice = Math.min(member.left, longest, next === undefined ? Infinity : next - now);
      return { member, slice: Math.max(SHORTEST, slice) as Duration };
    },
    missed() {},
    charge(server, { ran, switching: cost }) {
      const extra = cost > 0 && server.woke && !server.free ? 2 * cost : 0;
      if (cost > 0) {
        if (server.woke) server.free = false;
        server.woke = false;
      }
      use(server, ran + extra);
    },
    retime: (length) => void (longest = length),
    bound: ({ values: { period, budget } }, late) => (2 * (period - budget) + late) as Duration,
  });
}

function tooMuch({ budget, period }: Task): Refusal | undefined {
  if (budget <= period) return undefined;
  return refused(
    `edf cannot give a budget of ${showDuration(budget)} in a period of ${showDuration(period)}: expected budget <= period`,
  );
}
