import type { Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf, type Member } from './algorithm.ts';
import { Heap, unranked, type Ranked } from './heap.ts';
import { NO_PARAMETERS, readParameters } from './parameters.ts';

interface Taker extends Member<typeof NO_PARAMETERS>, Ranked {
  /** Time that it has had, or was set to when it woke. */
  used: number;
  /** Of `used`, what it has of the stay that is not settled. */
  pending: number;
}

/**
 * The coprocessor goes to whoever is ready and has had the least of it: time that idle ones do not want is
 * given away, and nobody has a claim to more than an equal part of what is wanted. What NVIDIA calls the
 * best effort scheduler, with start-time fair queueing (Goyal, Guo and Vin 1997) for the order. Nobody
 * preempts, and sleeping earns nothing.
 *
 * Waits at most (2 x admitted) x (slice + lateness). Decides in O(log n).
 */
export function bestEffort(settings: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('best-effort', NO_PARAMETERS, settings.parameters);
  if (own.kind === 'failed') return refused(own.reason);
  let { timeslice } = settings;
  let admitted = 0;
  /** What the one that was chosen last had used: who wakes begins there. */
  let now = 0;
  const ready = new Heap<Taker>();
  const use = (taker: Taker, length: number): void => {
    taker.used += length - taker.pending;
    taker.pending = 0;
    if (taker.awake) ready.put(taker, taker.used);
  };
  return schedulerOf({
    name: 'best-effort',
    parameters: NO_PARAMETERS,
    join(vcoproc, values): Taker {
      admitted++;
      return { vcoproc, values, awake: false, used: 0, pending: 0, ...unranked() };
    },
    revise: () => undefined,
    leave(taker) {
      admitted--;
      ready.remove(taker);
    },
    wake(taker) {
      taker.used = Math.max(taker.used, now);
      ready.put(taker, taker.used);
      return false;
    },
    sleep: (taker) => ready.remove(taker),
    choose({ holder, held }) {
      if (holder !== undefined) {
        use(holder, held);
        holder.pending = held;
      }
      const member = ready.first!;
      now = Math.max(now, member.used);
      return { member, slice: timeslice };
    },
    missed() {},
    charge: (taker, { ran, switching }) => use(taker, ran + switching),
    retime: (length) => void (timeslice = length),
    bound: (_taker, late) => (2 * admitted * (timeslice + late)) as Duration,
  });
}
