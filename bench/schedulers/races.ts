import { performance } from 'node:perf_hooks';
import { NO_TIME, START, after, ms, type Instant } from '../../src/base/units.ts';
import { coprocId, domainId, vcoprocId } from '../../src/contract/names.ts';
import type { Scheduler, SchedulerParameters } from '../../src/contract/scheduler.ts';
import { schedulers } from '../../src/schedulers/index.ts';
import type { Bench } from '../harness/bench.ts';

const SLICE = ms(1);
const FEW = 10;

interface Setup {
  readonly own?: (count: number) => SchedulerParameters;
  readonly each?: (at: number, count: number) => SchedulerParameters;
}

const SETUPS: Readonly<Record<string, Setup>> = {
  credit: { each: (at) => ({ weight: 1 + (at % 1000), cap: at % 3 === 0 ? 50 : 0 }) },
  fair: { each: (at) => ({ weight: 1 + (at % 1000) }) },
  'fixed-share': { own: (count) => ({ slots: Math.min(1024, count) }) },
  priority: { each: (at) => ({ priority: at % 32 }) },
  edf: {
    each: (at, count) => ({ period: 60_000_000 - (at % 1000), budget: Math.max(10, 50_000_000 / count) }),
  },
  arinc653: {
    own: (count) => ({ 'major-frame-us': Math.max(100, 100 * count) }),
    each: (at) => ({ windows: `${100 * at}:100` }),
  },
};

/** Slots and windows are bounded by what can be admitted; a table is built by insertion; one may own. */
const MOST: Readonly<Record<string, number>> = { dedicated: 1, 'fixed-share': 1024, arinc653: 1000 };
const most = (name: string): number => MOST[name] ?? Infinity;

function populated(name: keyof typeof schedulers, count: number): Scheduler {
  const { own = () => ({}), each = () => ({}) } = SETUPS[name] ?? {};
  const scheduler = schedulers[name].create({ timeslice: SLICE, parameters: own(count) });
  if ('kind' in scheduler) throw new Error(scheduler.reason);
  for (let at = 0; at < count; at++) {
    const vcoproc = vcoprocId(domainId(`d${at}`), coprocId('gpu0'));
    const admission = scheduler.admit(vcoproc, each(at, count));
    if (admission.kind === 'refused') throw new Error(admission.reason);
    scheduler.wake(vcoproc, START);
  }
  return scheduler;
}

/** Nanoseconds of one decision with its settlement. */
function decisionCost(scheduler: Scheduler, milliseconds: number): number {
  let now: Instant = START;
  const begun = performance.now();
  let decisions = 0;
  for (; performance.now() - begun < milliseconds; decisions += 256) {
    for (let n = 0; n < 256; n++) {
      const decision = scheduler.pick(now);
      if (decision.kind === 'idle') {
        now = decision.until ?? after(now, SLICE);
        continue;
      }
      const { vcoproc, slice } = decision;
      now = after(now, slice);
      scheduler.settle({ vcoproc, outcome: 'ran', ran: slice, overrun: NO_TIME, switching: NO_TIME, now });
    }
  }
  return ((performance.now() - begun) * 1e6) / decisions;
}

/** What a decision costs as the number of runnable vcoprocs grows: no more than its logarithm asks for. */
export const schedulerBench: Bench = {
  name: 'schedulers',
  what: 'one pick and its settle, by the number of runnable vcoprocs',
  async *races({ milliseconds, rounds }) {
    const smoke = rounds === 1;
    for (const name of Object.keys(schedulers) as (keyof typeof schedulers)[]) {
      const many = Math.min(most(name), smoke ? 1_000 : 100_000);
      if (many <= FEW) continue;
      const small = populated(name, FEW);
      const large = populated(name, many);
      await Promise.resolve();
      const of = `${many.toLocaleString('en')} runnable`;
      const to = `${FEW} runnable`;
      yield {
        title: name,
        unit: 'ns',
        contestants: [
          { name: of, sample: () => decisionCost(large, milliseconds) },
          { name: to, sample: () => decisionCost(small, milliseconds) },
        ],
        // A ratio of speeds: the logarithm allows as much as this; caches are not in it.
        questions: [{ of, to, goal: Math.log(FEW) / Math.log(many) }],
      };
    }
  },
};
