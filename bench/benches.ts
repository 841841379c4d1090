import { growthBench } from './growth/races.ts';
import type { Bench } from './harness/bench.ts';
import { dmaBench } from './memory/races.ts';
import { pathBench } from './path/races.ts';
import { recoveryBench } from './recovery/races.ts';
import { ringBench } from './ring/races.ts';
import { schedulerBench } from './schedulers/races.ts';
import { sharingBench } from './sharing/races.ts';
import { simulationBench } from './simulation/races.ts';
import { switchBench } from './switch/races.ts';

/** Every benchmark, in the order in which they run. */
export const benches: readonly Bench[] = [
  ringBench,
  pathBench,
  dmaBench,
  switchBench,
  sharingBench,
  recoveryBench,
  growthBench,
  schedulerBench,
  simulationBench,
];
