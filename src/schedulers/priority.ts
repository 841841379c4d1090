import { us, type Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf, type Member } from './algorithm.ts';
import { Heap, unranked, type Ranked } from './heap.ts';
import { Line, inNoLine, type InLine } from './line.ts';
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

interface Waiter extends Member<typeof PER_VCOPROC>, Ranked, InLine<Waiter> {
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
 * one waits. Within a class that is the order in which they come, so a class is a line, and a decision looks at
 * the first of each. Who gets its turn by its age has its slice to the end. Who keeps the coprocessor past its
 * slice queues up later by what that cost the others.
 *
 * Waits at most (31 - priority) x ageing + (admitted - 1) x (longest slice + lateness).
 * Decides in O(classes); in O(log n) for who comes out of turn.
 */
export function priority(settings: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('priority', OWN, settings.parameters);
  if (own.kind === 'failed') return refused(own.reason);
  const ageing = own.value['ageing-us'];
  let { timeslice } = settings;
  const members = new Set<Waiter>();
  /** By priority. */
  const lines = Array.from({ length: HIGHEST + 1 }, () => new Line<Waiter>());
  /** The key of the first of each line, side by side: a decision looks at all of them. */
  const heads = new Float64Array(HIGHEST + 1).fill(Infinity);
  /** Who is not behind all others of its class: it pays for its overrun, or its priority was changed. */
  const outOfTurn = new Heap<Waiter>();
  const key = ({ since, values }: Waiter): number => since - values.priority * ageing;
  const slice = ({ values }: Waiter): number => values['slice-us'] || timeslice;
  const noteHead = (line: Line<Waiter>, priority: number): void => {
    heads[priority] = line.first === undefined ? Infinity : line.first.since - priority * ageing;
  };
  const leaveQueue = (waiter: Waiter): void => {
    const { line, values } = waiter;
    if (line === undefined) outOfTurn.remove(waiter);
    else {
      line.remove(waiter);
      noteHead(line, values.priority);
    }
  };
  const stand = (waiter: Waiter, since: number, now: number): void => {
    leaveQueue(waiter);
    waiter.since = since;
    const line = lines[waiter.values.priority]!;
    const inTurn = since <= now && since >= (line.last?.since ?? since);
    if (inTurn) {
      line.append(waiter);
      noteHead(line, waiter.values.priority);
    } else outOfTurn.put(waiter, key(waiter));
  };
  const first = (): Waiter => {
    let most = HIGHEST;
    for (let urgent = HIGHEST - 1; urgent >= 0; urgent--) if (heads[urgent]! < heads[most]!) most = urgent;
    const other = outOfTurn.first;
    return other !== undefined && other.key < heads[most]! ? other : lines[most]!.first!;
  };
  const queueUp = (waiter: Waiter, since: number, now: number): void => {
    waiter.since = since;
    if (!waiter.awake) return;
    const paid = Math.min(waiter.debt, slice(waiter) * (1 - WORTH_KEEPING));
    waiter.debt -= paid;
    waiter.left = slice(waiter) - paid;
    stand(waiter, since, now);
  };

  return schedulerOf({
    name: 'priority',
    parameters: PER_VCOPROC,
    join(vcoproc, values): Waiter {
      const waiter: Waiter = {
        vcoproc,
        values,
        awake: false,
        since: -Infinity,
        left: 0,
        debt: 0,
        ...inNoLine(),
        ...unranked(),
      };
      members.add(waiter);
      return waiter;
    },
    revise(waiter, values) {
      waiter.left = Math.min(waiter.left, values['slice-us'] || timeslice);
      if (!waiter.awake) return undefined;
      leaveQueue(waiter);
      outOfTurn.put(waiter, waiter.since - values.priority * ageing);
      return undefined;
    },
    leave(waiter) {
      members.delete(waiter);
      leaveQueue(waiter);
    },
    wake(waiter, { now, holder }) {
      queueUp(waiter, Math.max(waiter.since, now), now);
      return holder !== undefined && key(waiter) < key(holder);
    },
    sleep: leaveQueue,
    choose({ now, holder, held, slice: given }) {
      // Its turn is over, though it is not settled: it competes as one that comes now.
      if (holder !== undefined && held >= given) stand(holder, now, now);
      const member = first();
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
      queueUp(waiter, turns === 0 ? now : now + turns * round + slice(waiter) / 2, now);
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
