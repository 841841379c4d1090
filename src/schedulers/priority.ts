import { START, us, type Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf } from './algorithm.ts';
import { Lines } from './lines.ts';
import type { Member } from './member.ts';
import { microseconds, readParameters, whole } from './parameters.ts';
import { Tournament } from './tournament.ts';

const HIGHEST = 31;
/** A rest of a slice that is a smaller part than this is not worth a switch. */
const WORTH_KEEPING = 1 / 10;
const OWN = { 'ageing-us': microseconds(1_000, 60_000_000, us(100_000)) };
const PER_VCOPROC = {
  priority: whole(0, HIGHEST, 16),
  /** Instead of the coprocessor's time slice. */
  'slice-us': microseconds(0, 60_000_000, us(0)),
};

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
  const members = new Set<Member>();
  /** By priority. */
  const lines = new Lines(HIGHEST + 1);
  /** The key of the first of each line, side by side: a decision looks at all of them. */
  const heads = new Float64Array(HIGHEST + 1);
  /** Lines in which somebody stands, a bit for each. */
  let there = 0;
  /** Who is not behind all others of its class: it pays for its overrun, or its priority was changed. */
  const outOfTurn = new Tournament();
  const urgency: number[] = [];
  /** The slice that each asked for; 0: the coprocessor's. */
  const asked: number[] = [];
  /** Since when each has been waiting for its turn. */
  const since: number[] = [];
  /** What is left of its slice, when somebody more urgent came in between. */
  const left: number[] = [];
  /** Time that each kept past its slices and has not paid for. */
  const debt: number[] = [];

  const key = (member: Member): number => since[member]! - urgency[member]! * ageing;
  const slice = (member: Member): number => asked[member]! || timeslice;
  const waits = (member: Member): boolean => lines.of(member) !== undefined || outOfTurn.has(member);
  const noteHead = (line: number): void => {
    const first = lines.first(line);
    if (first === undefined) there &= ~(1 << line);
    else {
      there |= 1 << line;
      heads[line] = key(first);
    }
  };
  const leaveQueue = (member: Member): void => {
    const line = lines.of(member);
    if (line === undefined) outOfTurn.remove(member);
    else {
      lines.remove(member);
      noteHead(line);
    }
  };
  const stand = (member: Member, from: number, now: number): void => {
    leaveQueue(member);
    since[member] = from;
    const line = urgency[member]!;
    const last = lines.last(line);
    const inTurn = from <= now && (last === undefined || from >= since[last]!);
    if (inTurn) {
      lines.append(line, member);
      if (last === undefined) noteHead(line);
    } else outOfTurn.put(member, key(member));
  };
  const first = (): Member => {
    let most = 0;
    let least = Infinity;
    for (let rest = there; rest !== 0;) {
      const line = HIGHEST - Math.clz32(rest);
      rest ^= 1 << line;
      if (heads[line]! >= least) continue;
      least = heads[line]!;
      most = line;
    }
    return outOfTurn.least < least ? outOfTurn.first! : lines.first(most)!;
  };
  const queueUp = (member: Member, from: number, now: number): void => {
    const length = slice(member);
    const paid = Math.min(debt[member]!, length * (1 - WORTH_KEEPING));
    debt[member]! -= paid;
    left[member] = length - paid;
    stand(member, from, now);
  };

  return schedulerOf({
    name: 'priority',
    parameters: PER_VCOPROC,
    past: { real: { since, debt } },
    join(member, values) {
      urgency[member] = values.priority;
      asked[member] = values['slice-us'];
      since[member] = START;
      left[member] = 0;
      debt[member] = 0;
      members.add(member);
      lines.admit(member);
      return undefined;
    },
    revise(member, values) {
      urgency[member] = values.priority;
      asked[member] = values['slice-us'];
      left[member] = Math.min(left[member]!, slice(member));
      if (!waits(member)) return undefined;
      leaveQueue(member);
      outOfTurn.put(member, key(member));
      return undefined;
    },
    leave(member) {
      members.delete(member);
      leaveQueue(member);
    },
    wake(member, { now, holder }) {
      queueUp(member, Math.max(since[member]!, now), now);
      return holder !== undefined && key(member) < key(holder);
    },
    sleep: leaveQueue,
    choose({ now, holder, held, slice: given }) {
      // Its turn is over, though it is not settled: it competes as one that comes now.
      if (holder !== undefined && held >= given) stand(holder, now, now);
      const member = first();
      if (member !== holder) return { member, slice: left[member] as Duration };
      return { member, slice: (held >= given ? slice(member) : given - held) as Duration };
    },
    missed() {},
    charge(member, { ran, overrun, switching, now }, awake) {
      const isAwake = waits(member);
      const length = slice(member);
      left[member]! -= ran;
      if (isAwake && left[member]! > length * WORTH_KEEPING) return;
      // Whole slices that it owes are turns that it lets go by; the rest is missing from the next one.
      debt[member]! += overrun;
      const turns = Math.floor(debt[member]! / length);
      debt[member]! -= turns * length;
      const others = isAwake ? awake - 1 : awake;
      const round = others * (length + switching);
      // Half a slice more, so that it is behind the last of them whatever the switches take.
      const from = turns === 0 ? now : now + turns * round + length / 2;
      if (isAwake) queueUp(member, from, now);
      else since[member] = from;
    },
    retime(length) {
      timeslice = length;
      for (const member of members) left[member] = Math.min(left[member]!, slice(member));
    },
    bound(member, late) {
      let longest = 0;
      for (const other of members) longest = Math.max(longest, slice(other));
      return ((HIGHEST - urgency[member]!) * ageing + (members.size - 1) * (longest + late)) as Duration;
    },
  });
}
