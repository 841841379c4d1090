import { us } from '../../src/base/units.ts';
import type { Scheduler, SchedulerParameters } from '../../src/contract/scheduler.ts';
import { schedulers } from '../../src/schedulers/index.ts';
import { made } from './simulation.ts';

interface Setting {
  readonly own: SchedulerParameters;
  readonly parameters: (at: number) => SchedulerParameters;
  create(): Scheduler;
}

/** How an algorithm shares a coprocessor equally among `count` vcoprocs, with slices of 1 ms. */
export function setting(name: string, count: number): Setting {
  const factory = schedulers[name as keyof typeof schedulers].create;
  const own: SchedulerParameters =
    name === 'arinc653' ? { 'major-frame-us': 2000 * count } : name === 'fixed-share' ? { slots: count } : {};
  const parameters = (at: number): SchedulerParameters => {
    if (name === 'edf') return { period: 4000, budget: Math.floor(3600 / count) };
    if (name === 'arinc653') return { windows: `${2000 * at}:2000` };
    return {};
  };
  return { own, parameters, create: () => made(factory, { parameters: own, switchCost: us(20) }) };
}
