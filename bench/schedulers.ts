import { performance } from 'node:perf_hooks';
import { NO_TIME, START, after, ms, type Duration, type Instant } from '../src/base/units.ts';
import { coprocId, domainId, vcoprocId } from '../src/contract/names.ts';
import type { Scheduler, SchedulerParameters } from '../src/contract/scheduler.ts';
import { schedulers } from '../src/schedulers/index.ts';

// What a decision costs: `pick` and `settle` of one slice, with 10, 1,000 and 100,000 runnable vcoprocs.
//
//     npx tsx bench/schedulers.ts

const COUNTS = [10, 1_000, 100_000] as const;
const SLICE = ms(1);

export interface DecisionCost {
  readonly scheduler: string;
  /** Nanoseconds of a decision and its settlement, the median of the rounds, by the number of runnable vcoprocs. */
  readonly cost: Readonly<Record<string, number>>;
  /** How many times more the largest number costs than the smallest. */
  readonly growth: number;
  /** Whether it grows no faster than the logarithm of the number does, allowing for caches with `ALLOWANCE`. */
  readonly ok: boolean;
}

/** log 100,000 is five times log 10; the rest is memory: 100,000 records are not in a cache. */
const LOGARITHM = Math.log(100_000) / Math.log(10);
const ALLOWANCE = 3;

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

/** Slots and windows are bounded by what can be admitted; a dedicated coprocessor has one. */
const most = (name: string): number => (name === 'dedicated' ? 1 : name === 'fixed-share' ? 1024 : Infinity);

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

/** Nanoseconds of one decision with its settlement, as the median of rounds. */
function decisionCost(scheduler: Scheduler, rounds: number, decisions: number): number {
  let now: Instant = START;
  const costs: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now();
    for (let n = 0; n < decisions; n++) {
      const decision = scheduler.pick(now);
      if (decision.kind === 'idle') {
        now = decision.until ?? after(now, SLICE);
        continue;
      }
      const { vcoproc, slice } = decision;
      now = after(now, slice);
      scheduler.settle({
        vcoproc,
        outcome: 'ran',
        ran: slice,
        overrun: NO_TIME,
        switching: 0 as Duration,
        now,
      });
    }
    costs.push(((performance.now() - begun) * 1e6) / decisions);
  }
  return costs.toSorted((a, b) => a - b)[rounds >> 1]!;
}

/** Measures all algorithms. `effort` scales how long: 1 takes some seconds. */
export function schedulerBench(effort = 1): DecisionCost[] {
  const results: DecisionCost[] = [];
  for (const name of Object.keys(schedulers) as (keyof typeof schedulers)[]) {
    const cost: Record<string, number> = {};
    for (const wanted of COUNTS) {
      const count = Math.min(wanted, most(name));
      if (count in cost) continue;
      // The fixed table is built by insertion; a tenth of it shows the same.
      if (name === 'arinc653' && count > 10_000) continue;
      const scheduler = populated(name, count);
      decisionCost(scheduler, 1, 20_000);
      cost[count] = Math.round(decisionCost(scheduler, 9, Math.ceil(20_000 * effort)));
    }
    const all = Object.values(cost);
    const growth = all.at(-1)! / all[0]!;
    results.push({ scheduler: name, cost, growth, ok: growth < LOGARITHM * ALLOWANCE });
  }
  return results;
}

function print(results: readonly DecisionCost[]): void {
  const columns = ['scheduler', ...COUNTS.map((count) => count.toLocaleString('en')), 'growth', ''];
  const rows = results.map(({ scheduler, cost, growth, ok }) => [
    scheduler,
    ...COUNTS.map((count) => (cost[count] === undefined ? '-' : `${cost[count]} ns`)),
    `${growth.toFixed(1)}x`,
    ok ? 'ok' : 'grows too fast',
  ]);
  for (const [first = '', ...rest] of [columns, ...rows])
    process.stdout.write(`${first.padEnd(14)}${rest.map((cell) => `  ${cell.padStart(9)}`).join('')}\n`);
}

if (process.argv[1]?.endsWith('schedulers.ts') === true) {
  const results = schedulerBench();
  if (process.argv.includes('--json')) process.stdout.write(`${JSON.stringify(results)}\n`);
  else print(results);
  if (results.some(({ ok }) => !ok)) process.exitCode = 1;
}
