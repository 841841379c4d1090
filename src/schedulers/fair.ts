import { us, type Duration } from '../base/units.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf } from './algorithm.ts';
import { NOBODY, type Member } from './member.ts';
import { microseconds, readParameters, whole } from './parameters.ts';
import { Tournament } from './tournament.ts';

const DEFAULT_WEIGHT = 256;
const OWN = { 'granularity-us': microseconds(0, 1_000_000, us(0)) };
const PER_VCOPROC = { weight: whole(1, 65_535, DEFAULT_WEIGHT) };

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
  /** By deadline. May hold some that are not eligible any more: the average goes down when a debtor leaves. */
  const eligible = new Tournament();
  /** By virtual run time. */
  const ahead = new Tournament();
  const weight: number[] = [];
  /** Virtual run time: time that each had, per default weight. */
  const ran: number[] = [0];
  const average = new Average(ran);
  /** Virtual time by which each has had the slice that it asks for. */
  const deadline: number[] = [];
  /** Real time of the stay that is not settled, counted in `ran` already. */
  const pending: number[] = [];

  const virtual = (member: Member, length: number): number => (length * DEFAULT_WEIGHT) / weight[member]!;
  const isEligible = (member: Member): boolean => ran[member]! <= average.value;
  const isAwake = (member: Member): boolean => eligible.has(member) || ahead.has(member);
  /** Puts an awake one where it belongs. */
  const place = (member: Member): void => {
    if (isEligible(member)) {
      ahead.remove(member);
      eligible.put(member, deadline[member]!);
    } else {
      eligible.remove(member);
      ahead.put(member, ran[member]!);
    }
  };
  const advance = (member: Member, length: number): void => {
    const more = virtual(member, length - pending[member]!);
    pending[member] = 0;
    ran[member]! += more;
    const awake = isAwake(member);
    if (awake) average.move(weight[member]!, more);
    if (ran[member]! >= deadline[member]!) deadline[member] = ran[member]! + virtual(member, timeslice);
    if (awake) place(member);
  };
  const rest = (member: Member): void => {
    average.leave(weight[member]!, ran[member]!);
    eligible.remove(member);
    ahead.remove(member);
  };

  return schedulerOf({
    name: 'fair',
    parameters: PER_VCOPROC,
    past: { whole: { pending }, real: { ran } },
    join(member, values) {
      admitted++;
      weights += values.weight;
      weight[member] = values.weight;
      ran[member] = 0;
      deadline[member] = 0;
      pending[member] = 0;
      return undefined;
    },
    revise(member, values) {
      weights += values.weight - weight[member]!;
      const awake = isAwake(member);
      if (awake) {
        average.leave(weight[member]!, ran[member]!);
        average.join(values.weight, ran[member]!);
      }
      weight[member] = values.weight;
      // Its slice is due by its new weight from now on.
      deadline[member] = ran[member]! + virtual(member, timeslice);
      if (awake) place(member);
      return undefined;
    },
    leave(member) {
      admitted--;
      weights -= weight[member]!;
      if (isAwake(member)) rest(member);
    },
    wake(member, { holder, held }) {
      ran[member] = Math.max(ran[member]!, average.value);
      deadline[member] = ran[member] + virtual(member, timeslice);
      average.join(weight[member]!, ran[member]);
      place(member);
      if (holder === undefined || held < granularity()) return false;
      return isEligible(member) && deadline[member] < deadline[holder]!;
    },
    sleep: rest,
    choose({ holder, held }) {
      if (holder !== undefined) {
        advance(holder, held);
        pending[holder] = held;
      }
      while (ahead.least <= average.value) place(ahead.first!);
      for (let next = eligible.first; next !== undefined && !isEligible(next); next = eligible.first)
        place(next);
      // Somebody is always at the average or below it, but for rounding.
      const member = eligible.first ?? ahead.first!;
      return { member, slice: timeslice };
    },
    missed() {},
    charge: (member, { ran: length, switching }) => advance(member, length + switching),
    retime: (length) => void (timeslice = length),
    bound: (member, late) =>
      ((2 * Math.ceil(weights / weight[member]!) + admitted) * (timeslice + late)) as Duration,
  });
}

/** The weighted average of points that come, go and move. With nobody there, it stays where it was. */
class Average {
  readonly #points: number[];
  #weights = 0;
  #moment = 0;

  constructor(points: number[]) {
    this.#points = points;
  }

  /** Near the points, so that the sum stays small enough to be exact. Stands among them, as nobody's. */
  get #origin(): number {
    return this.#points[NOBODY]!;
  }

  set #origin(point: number) {
    this.#points[NOBODY] = point;
  }

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
