import type { SchedulerFactory } from '../contract/scheduler.ts';
import { roundRobin } from './round-robin.ts';

/** The scheduling algorithms of this build, by the name that a system file uses. */
export const schedulers = {
  'round-robin': { create: roundRobin, summary: 'everyone awake in turn, one time slice each' },
} as const satisfies Record<string, { create: SchedulerFactory; summary: string }>;
