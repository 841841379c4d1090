import { NO_TIME } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Decision, Scheduler, SchedulerSettings, Settled } from '../contract/scheduler.ts';

const IDLE: Decision = { kind: 'idle' };

/**
 * Everyone awake in turn, one time slice each. A vcoproc that wakes goes to the end of the queue and
 * never preempts; one whose switch was denied keeps its place.
 *
 * Waits at most (awake - 1) x (slice + overrun), the overrun bounded by the stop deadline.
 */
export function roundRobin({ timeslice }: SchedulerSettings): Scheduler {
  const queue: VcoprocId[] = [];
  /** Picked and not settled yet, oldest first: at most who has the coprocessor and who shall get it. */
  const picked: VcoprocId[] = [];

  const leave = (list: VcoprocId[], vcoproc: VcoprocId): boolean => {
    const at = list.indexOf(vcoproc);
    if (at >= 0) list.splice(at, 1);
    return at >= 0;
  };

  return {
    name: 'round-robin',
    admit(_vcoproc, parameters) {
      const unknown = Object.keys(parameters)[0];
      if (unknown === undefined) return { kind: 'admitted' };
      return { kind: 'refused', reason: `round-robin has no parameter ${unknown}; it treats all alike` };
    },
    remove(vcoproc) {
      leave(queue, vcoproc);
    },
    wake(vcoproc) {
      if (!queue.includes(vcoproc)) queue.push(vcoproc);
      return picked.length === 0;
    },
    sleep(vcoproc) {
      leave(queue, vcoproc);
    },
    pick() {
      const holder = picked[0];
      const next = queue.find((vcoproc) => vcoproc !== holder) ?? queue[0];
      if (next === undefined) return IDLE;
      picked.push(next);
      return { kind: 'run', vcoproc: next, slice: timeslice };
    },
    settle({ vcoproc, outcome, ran }: Settled) {
      leave(picked, vcoproc);
      if (outcome !== 'ran' && ran === NO_TIME) return;
      if (leave(queue, vcoproc)) queue.push(vcoproc);
    },
  };
}
