import { us, type Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf, type Member } from './algorithm.ts';
import { Heap, unranked, type Ranked } from './heap.ts';
import { microseconds, readParameters, whole } from './parameters.ts';

const DEFAULT_WEIGHT = 256;
const OWN = { 'granularity-us': microseconds(0, 1_000_000, us(0)) };
const PER_VCOPROC = { weight: whole(1, 65_535, DEFAULT_WEIGHT) };

interface Runner extends Member<typeof PER_VCOPROC>, Ranked {
  /** Virtual run time: time that it had, per default weight. */
  ran: number;
  /** Virtual time by which it has had the slice that it asks for. */
  deadline: number;
  /** Real time of the stay that is not settled, counted in `ran` already. */
  pending: number;
}

/**
 * Earliest eligible virtual deadline first (Stoica and Abdel-Wahab 1995; Linux since 6.6). The virtual time is
 * the weighted average of the virtual run times of all that are awake. Whoever has not had more than that is
 * eligible, and of those the one whose slice is due first is next: nobody gets ahead of its share by more than
 * one slice. Who wakes begins at the virtual time at best, and what it owed it still owes: sleeping earns
 * nothing. It preempts when its deadline is earlier, but leaves the holder half of its slice
 * (`scheduler-granularity-us`), so that waking often does not turn the time into switches. Shares by
 * `weight` (1 to 65535, 256).
 *
 * Waits at most (2 x weights / own weight + admitted) x (slice + lateness). Decides in O(log n), amortised.
 */
export function fair(settings: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('fair', OWN, settings.parameters);
  if (own.kind === 'failed') return refused(own.reason);
  let { timeslice } = settings;
  const granularity = (): number => own.value['granularity-us'] || timeslice / 2;
  let admitted = 0;
  let weights = 0;
  const average = new Average();
  /** By deadline. May hold some that are not eligible any more: the average goes down when a debtor leaves. */
  const eligible = new Heap<Runner>();
  /** By virtual run time. */
  const ahead = new Heap<Runner>();

  const virtual = (runner: Runner, length: number): number =>
    (length * DEFAULT_WEIGHT) / runner.values.weight;
  const isEligible = (runner: Runner): boolean => runner.ran <= average.value;
  const place = (runner: Runner): void => {
    eligible.remove(runner);
    ahead.remove(runner);
    if (!runner.awake) return;
    if (isEligible(runner)) eligible.put(runner, runner.deadline);
    else ahead.put(runner, runner.ran);
  };
  const advance = (runner: Runner, length: number): void => {
    const more = virtual(runner, length - runner.pending);
    runner.pending = 0;
    runner.ran += more;
    if (runner.awake) average.move(runner.values.weight, more);
    if (runner.ran >= runner.deadline) runner.deadline = runner.ran + virtual(runner, timeslice);
    place(runner);
  };
  const rest = (runner: Runner): void => {
    average.leave(runner.values.weight, runner.ran);
    eligible.remove(runner);
    ahead.remove(runner);
  };

  return schedulerOf({
    name: 'fair',
    parameters: PER_VCOPROC,
    join(vcoproc, values): Runner {
      admitted++;
      weights += values.weight;
      return { vcoproc, values, awake: false, ran: 0, deadline: 0, pending: 0, ...unranked() };
    },
    revise(runner, values) {
      weights += values.weight - runner.values.weight;
      if (runner.awake) {
        average.leave(runner.values.weight, runner.ran);
        average.join(values.weight, runner.ran);
      }
      // Its slice is due by its new weight from now on.
      runner.deadline = runner.ran + (timeslice * DEFAULT_WEIGHT) / values.weight;
      place(runner);
      return undefined;
    },
    leave(runner) {
      admitted--;
      weights -= runner.values.weight;
      if (eligible.has(runner) || ahead.has(runner)) rest(runner);
    },
    wake(runner, { holder, held }) {
      runner.ran = Math.max(runner.ran, average.value);
      runner.deadline = runner.ran + virtual(runner, timeslice);
      average.join(runner.values.weight, runner.ran);
      place(runner);
      if (holder === undefined || held < granularity()) return false;
      return isEligible(runner) && runner.deadline < holder.deadline;
    },
    sleep: rest,
    choose({ holder, held }) {
      if (holder !== undefined) {
        advance(holder, held);
        holder.pending = held;
      }
      for (let next = ahead.first; next !== undefined && isEligible(next); next = ahead.first) place(next);
      for (let next = eligible.first; next !== undefined && !isEligible(next); next = eligible.first)
        place(next);
      // Somebody is always at the average or below it, but for rounding.
      const member = eligible.first ?? ahead.first!;
      return { member, slice: timeslice };
    },
    missed() {},
    charge: (runner, { ran, switching }) => advance(runner, ran + switching),
    retime: (length) => void (timeslice = length),
    bound: ({ values }, late) =>
      ((2 * Math.ceil(weights / values.weight) + admitted) * (timeslice + late)) as Duration,
  });
}

/** The weighted average of points that come, go and move. With nobody there, it stays where it was. */
class Average {
  /** Near the points, so that the sum stays small enough to be exact. */
  #origin = 0;
  #weights = 0;
  #moment = 0;

  get value(): number {
    return this.#weights === 0 ? this.#origin : this.#origin + this.#moment / this.#weights;
  }

  join(weight: number, point: number): void {
    if (this.#weights === 0) this.#origin = point;
    this.#weights += weight;
    this.#moment += weight * (point - this.#origin);
  }

  leave(weight: number, point: number): void {
    const before = this.value;
    this.#weights -= weight;
    this.#moment -= weight * (point - this.#origin);
    if (this.#weights > 0) return;
    this.#origin = Math.max(before, point);
    this.#moment = 0;
  }

  move(weight: number, by: number): void {
    this.#moment += weight * by;
  }
}
