import { us, type Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf, type Member } from './algorithm.ts';
import { Heap, unranked, type Ranked } from './heap.ts';
import { microseconds, readParameters, whole } from './parameters.ts';

const HIGHEST = 31;
/** A rest of a slice that is a smaller part than this is not worth a switch. */
const WORTH_KEEPING = 1 / 10;
const OWN = { 'ageing-us': microseconds(1_000, 60_000_000, us(100_000)) };
const PER_VCOPROC = {
  priority: whole(0, HIGHEST, 16),
  /** Instead of the coprocessor's time slice. */
  'slice-us': microseconds(0, 60_000_000, us(0)),
};

interface Waiter extends Member<typeof PER_VCOPROC>, Ranked {
  /** Since when it has been waiting for its turn. */
  since: number;
  /** What is left of its slice, when somebody more urgent came in between. */
  left: number;
  /** Time that it kept past its slices and has not paid for. */
  debt: number;
}

/**
 * Classes by `priority` (0 to 31, 31 is the most urgent, 16); within one class in turn, each with its own
 * slice (`slice-us`, else the coprocessor's). A more urgent one that wakes preempts at once; who was preempted
 * keeps its turn and the rest of its slice. Whoever waits rises by one class each `scheduler-ageing-us`
 * (100 ms), so the order is that of the instants `since - priority x ageing`: a key that does not change while
 * one waits. Who gets its turn by its age has its slice to the end. Who keeps the coprocessor past its slice
 * queues up later by what that cost the others.
 *
 * Waits at most (31 - priority) x ageing + (admitted - 1) x (longest slice + lateness).
 * Decides in O(log n).
 */
export function priority(settings: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('priority', OWN, settings.parameters);
  if (own.kind === 'failed') return refused(own.reason);
  const ageing = own.value['ageing-us'];
  let { timeslice } = settings;
  const members = new Set<Waiter>();
  const queue = new Heap<Waiter>();
  const key = ({ since, values }: Waiter): number => since - values.priority * ageing;
  const slice = ({ values }: Waiter): number => values['slice-us'] || timeslice;
  const queueUp = (waiter: Waiter, since: number): void => {
    waiter.since = since;
    if (!waiter.awake) return;
    const paid = Math.min(waiter.debt, slice(waiter) * (1 - WORTH_KEEPING));
    waiter.debt -= paid;
    waiter.left = slice(waiter) - paid;
    queue.put(waiter, key(waiter));
  };

  return schedulerOf({
    name: 'priority',
    parameters: PER_VCOPROC,
    join(vcoproc, values): Waiter {
      const waiter: Waiter = { vcoproc, values, awake: false, since: 0, left: 0, debt: 0, ...unranked() };
      members.add(waiter);
      return waiter;
    },
    revise(waiter, values) {
      waiter.left = Math.min(waiter.left, values['slice-us'] || timeslice);
      if (waiter.awake) queue.put(waiter, waiter.since - values.priority * ageing);
      return undefined;
    },
    leave(waiter) {
      members.delete(waiter);
      queue.remove(waiter);
    },
    wake(waiter, { now, holder }) {
      queueUp(waiter, Math.max(waiter.since, now));
      return holder !== undefined && waiter.key < holder.key;
    },
    sleep: (waiter) => queue.remove(waiter),
    choose({ now, holder, held, slice: given }) {
      // Its turn is over, though it is not settled: it competes as one that comes now.
      if (holder !== undefined && held >= given) queue.put(holder, now - holder.values.priority * ageing);
      const member = queue.first!;
      if (member !== holder) return { member, slice: member.left as Duration };
      return { member, slice: (held >= given ? slice(member) : given - held) as Duration };
    },
    missed() {},
    charge(waiter, { ran, overrun, switching, now }, awake) {
      waiter.left -= ran;
      if (waiter.awake && waiter.left > slice(waiter) * WORTH_KEEPING) return;
      // Whole slices that it owes are turns that it lets go by; the rest is missing from the next one.
      waiter.debt += overrun;
      const turns = Math.floor(waiter.debt / slice(waiter));
      waiter.debt -= turns * slice(waiter);
      const others = waiter.awake ? awake - 1 : awake;
      const round = others * (slice(waiter) + switching);
      // Half a slice more, so that it is behind the last of them whatever the switches take.
      queueUp(waiter, turns === 0 ? now : now + turns * round + slice(waiter) / 2);
    },
    retime(length) {
      timeslice = length;
      for (const waiter of members) waiter.left = Math.min(waiter.left, slice(waiter));
    },
    bound({ values }, late) {
      let longest = 0;
      for (const waiter of members) longest = Math.max(longest, slice(waiter));
      return ((HIGHEST - values.priority) * ageing + (members.size - 1) * (longest + late)) as Duration;
    },
  });
}
