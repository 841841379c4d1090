import { type Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf } from './algorithm.ts';
import { NOBODY } from './member.ts';
import { NO_PARAMETERS, readParameters } from './parameters.ts';
import { Tournament } from './tournament.ts';

/**
 * Everyone awake in turn, one time slice each. A vcoproc that wakes goes to the end of the queue and
 * never preempts; one whose switch was denied keeps its place. Who keeps the coprocessor past its slices
 * sits out one round for each slice's worth of it (as in deficit round robin, Shreedhar and Varghese 1995).
 *
 * Waits at most (1 + slices that it owes) x (admitted - 1) x (slice + lateness). Decides in O(log n).
 */
export function roundRobin(settings: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('round-robin', NO_PARAMETERS, settings.parameters);
  if (own.kind === 'failed') return refused(own.reason);
  let { timeslice } = settings;
  let admitted = 0;
  const queue = new Tournament();
  /** The round in which each is served next; nobody's is the one that is served now. */
  const turn: number[] = [0];
  /** Time that each kept past its slices and has not paid for. */
  const debt: number[] = [];
  return schedulerOf({
    name: 'round-robin',
    parameters: NO_PARAMETERS,
    past: { whole: { turn, debt } },
    join(member) {
      admitted++;
      turn[member] = 0;
      debt[member] = 0;
      return undefined;
    },
    revise: () => undefined,
    leave(member) {
      admitted--;
      queue.remove(member);
    },
    wake(member) {
      turn[member] = Math.max(turn[member]!, queue.first === undefined ? turn[NOBODY]! : queue.least + 1);
      queue.put(member, turn[member]);
      return false;
    },
    sleep: (member) => queue.remove(member),
    choose({ holder }) {
      // Whoever has it has had its turn, though it is not settled.
      if (holder !== undefined) queue.put(holder, turn[holder]! + 1);
      const member = queue.first!;
      turn[NOBODY] = Math.max(turn[NOBODY]!, turn[member]!);
      return { member, slice: timeslice };
    },
    missed() {},
    charge(member, { overrun }, awake) {
      const waits = queue.has(member);
      // Nobody was kept waiting: nobody is owed anything.
      if (awake > (waits ? 1 : 0)) debt[member]! += overrun;
      const skipped = Math.floor(debt[member]! / timeslice);
      debt[member]! -= skipped * timeslice;
      turn[member]! += 1 + skipped;
      if (waits) queue.put(member, turn[member]!);
    },
    retime: (length) => void (timeslice = length),
    bound(member, late) {
      const owed = Math.max(0, turn[member]! - turn[NOBODY]! - 1);
      return ((1 + owed) * (admitted - 1) * (timeslice + late)) as Duration;
    },
  });
}
