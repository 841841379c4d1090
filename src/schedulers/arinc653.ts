import { NO_TIME, showDuration, us, type Duration, type Instant } from '../base/units.ts';
import { failed, ok } from '../base/outcome.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused, schedulerOf } from './algorithm.ts';
import type { Member } from './member.ts';
import { microseconds, readParameters, type Parameter } from './parameters.ts';

interface Window {
  readonly start: Duration;
  readonly end: Duration;
}

const OWN = { 'major-frame-us': microseconds(100, 60_000_000, us(100_000)) };

/** `0:2000/5000:1000`: start and length of each window in microseconds after the frame's begin. */
const windows: Parameter<readonly Window[]> = (given) => {
  const found: Window[] = [];
  for (const part of String(given ?? '').split('/')) {
    const [, start, length] = /^\s*(\d{1,8}):(\d{1,8})\s*$/.exec(part) ?? [];
    if (start === undefined || Number(length) === 0)
      return failed('START:LENGTH in microseconds for each window, as in 0:2000/5000:1000');
    found.push({ start: us(Number(start)), end: us(Number(start) + Number(length)) });
  }
  return ok(found);
};
const PER_VCOPROC = { windows };

interface Partition {
  readonly vcoproc: VcoprocId;
  readonly member: Member;
  awake: boolean;
}

interface Entry extends Window {
  readonly partition: Partition;
}

/**
 * A fixed table: a major frame (`scheduler-major-frame-us`, 100 ms) that repeats, and in it the windows of each
 * vcoproc (`windows=0:2000/50000:1000`), as ARINC 653 partitions a processor. A window is one vcoproc's alone,
 * used or not; the rest of the frame is nobody's. A slice ends one switch before its window does. Windows that
 * overlap or lie outside of the frame are refused. Overrun is at the expense of the next window in the table,
 * and is paid from the own next one: that one begins later by as much.
 *
 * Waits at most one major frame + lateness. Decides in O(log windows).
 */
export function arinc653(settings: SchedulerSettings): Scheduler | Refusal {
  const own = readParameters('arinc653', OWN, settings.parameters);
  if (own.kind === 'failed') return refused(own.reason);
  const frame = own.value['major-frame-us'];
  const { switchCost = NO_TIME } = settings;
  /** By start; they do not overlap. */
  let table: readonly Entry[] = [];
  /** The ends of its windows, side by side: a decision looks for one of them. */
  let ends = new Float64Array();
  const partitions: Partition[] = [];
  /** Time that each kept past its windows and has not paid for. */
  const debt: number[] = [];
  /** Whoever pays does not run before this. */
  const notBefore: number[] = [];

  const use = (entries: readonly Entry[]): void => {
    table = entries;
    ends = Float64Array.from(entries, ({ end }) => end);
  };
  const others = (vcoproc: VcoprocId): Entry[] =>
    table.filter(({ partition }) => partition.vcoproc !== vcoproc);
  const enter = (partition: Partition, wanted: readonly Window[]): Refusal | undefined => {
    const rest = others(partition.vcoproc);
    const all = [...rest, ...wanted.map((window) => ({ ...window, partition }))].toSorted(
      (a, b) => a.start - b.start,
    );
    for (const [at, entry] of all.entries()) {
      if (entry.end > frame)
        return refused(
          `arinc653: ${show(entry)} is outside of the major frame of ${showDuration(frame)}; shorten it, or raise scheduler-major-frame-us`,
        );
      const next = all[at + 1];
      if (next !== undefined && next.start < entry.end)
        return refused(
          `arinc653: ${show(next)} of ${next.partition.vcoproc} overlaps ${show(entry)} of ${entry.partition.vcoproc}`,
        );
    }
    use(all);
    return undefined;
  };
  /** The index of the first window that ends after `position`. */
  const indexAt = (position: number): number => {
    let low = 0;
    let high = ends.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle]! > position) high = middle;
      else low = middle + 1;
    }
    return low;
  };

  return schedulerOf({
    name: 'arinc653',
    parameters: PER_VCOPROC,
    past: { whole: { debt, notBefore } },
    join(member, { windows: wanted }, vcoproc) {
      const partition: Partition = { vcoproc, member, awake: false };
      partitions[member] = partition;
      debt[member] = 0;
      notBefore[member] = 0;
      return enter(partition, wanted);
    },
    revise: (member, values) => enter(partitions[member]!, values.windows),
    leave: (member) => use(others(partitions[member]!.vcoproc)),
    wake(member, { now }) {
      const partition = partitions[member]!;
      partition.awake = true;
      const entry = table[indexAt(now % frame)];
      return entry?.partition === partition && entry.start <= now % frame;
    },
    sleep: (member) => void (partitions[member]!.awake = false),
    choose({ now }) {
      const position = now % frame;
      const begin = now - position;
      const entry = table[indexAt(position)];
      if (entry === undefined) return { until: (begin + frame + (table[0]?.start ?? 0)) as Instant };
      if (entry.start > position) return { until: (begin + entry.start) as Instant };
      const { member, awake } = entry.partition;
      const end = begin + entry.end;
      if (awake && debt[member]! > 0 && now >= notBefore[member]!) {
        const paid = Math.min(debt[member]!, end - now);
        debt[member]! -= paid;
        notBefore[member] = now + paid;
      }
      if (awake && now < notBefore[member]!) return { until: Math.min(end, notBefore[member]!) as Instant };
      const slice = end - now - switchCost;
      if (!awake || slice <= 0) return { until: end as Instant };
      return { member, slice: slice as Duration };
    },
    missed() {},
    charge: (member, { overrun }) => void (debt[member]! += overrun),
    // The table says how long, not the slice.
    retime() {},
    bound: (_member, late) => (frame + late) as Duration,
  });
}

const show = ({ start, end }: Window): string =>
  `the window from ${showDuration(start)} to ${showDuration(end)}`;
