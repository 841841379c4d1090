import type { SchedulerFactory } from '../contract/scheduler.ts';
import { arinc653 } from './arinc653.ts';
import { bestEffort } from './best-effort.ts';
import { credit } from './credit.ts';
import { dedicated } from './dedicated.ts';
import { edf } from './edf.ts';
import { equalShare } from './equal-share.ts';
import { fair } from './fair.ts';
import { fixedShare } from './fixed-share.ts';
import { priority } from './priority.ts';
import { roundRobin } from './round-robin.ts';

/** The scheduling algorithms of this build, by the name that a system file uses. */
export const schedulers = {
  'round-robin': { create: roundRobin, summary: 'everyone awake in turn, one time slice each' },
  credit: { create: credit, summary: 'shares by weight, at most a cap; what is not used goes to the others' },
  fair: { create: fair, summary: 'shares by weight in virtual time, earliest eligible deadline first' },
  'fixed-share': {
    create: fixedShare,
    summary: 'a fixed number of slots, kept even for who is idle or absent',
  },
  'equal-share': {
    create: equalShare,
    summary: 'one slot for each that is there, kept even for who is idle',
  },
  'best-effort': { create: bestEffort, summary: 'whoever is ready and has had the least of it' },
  priority: { create: priority, summary: 'the most urgent first, with a slice for each and ageing' },
  edf: { create: edf, summary: 'a budget in each period, earliest deadline first, admitted only if it fits' },
  arinc653: { create: arinc653, summary: 'a fixed table of windows in a major frame' },
  dedicated: { create: dedicated, summary: 'one owner, and nobody beside it' },
} as const satisfies Record<string, { create: SchedulerFactory; summary: string }>;
