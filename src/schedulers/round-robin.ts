import { type Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf, type Member } from './algorithm.ts';
import { Heap, unranked, type Ranked } from './heap.ts';
import { NO_PARAMETERS, readParameters } from './parameters.ts';

interface Place extends Member<typeof NO_PARAMETERS>, Ranked {
  /** The round in which it is served next. */
  turn: number;
  /** Time that it kept past its slices and has not paid for. */
  debt: number;
}

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
  /** The round that is served now. */
  let round = 0;
  const queue = new Heap<Place>();
  return schedulerOf({
    name: 'round-robin',
    parameters: NO_PARAMETERS,
    join(vcoproc, values): Place {
      admitted++;
      return { vcoproc, values, awake: false, turn: 0, debt: 0, ...unranked() };
    },
    revise: () => undefined,
    leave(place) {
      admitted--;
      queue.remove(place);
    },
    wake(place) {
      const first = queue.first;
      place.turn = Math.max(place.turn, first === undefined ? round : first.key + 1);
      queue.put(place, place.turn);
      return false;
    },
    sleep: (place) => queue.remove(place),
    choose({ holder }) {
      // Whoever has it has had its turn, though it is not settled.
      if (holder !== undefined) queue.put(holder, holder.turn + 1);
      const member = queue.first!;
      round = Math.max(round, member.turn);
      return { member, slice: timeslice };
    },
    missed() {},
    charge(place, { overrun }, awake) {
      // Nobody was kept waiting: nobody is owed anything.
      const waiting = place.awake ? awake - 1 : awake;
      if (waiting > 0) place.debt += overrun;
      const skipped = Math.floor(place.debt / timeslice);
      place.debt -= skipped * timeslice;
      place.turn += 1 + skipped;
      if (place.awake) queue.put(place, place.turn);
    },
    retime: (length) => void (timeslice = length),
    bound({ turn }, late) {
      const owed = Math.max(0, turn - round - 1);
      return ((1 + owed) * (admitted - 1) * (timeslice + late)) as Duration;
    },
  });
}
