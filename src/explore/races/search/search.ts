import type { Execution } from '../execution.ts';

/** A way through the orders of a scenario: one run after the other. */
export interface Search {
  /** Makes the next run, to its end. Says how it went, or that no order is left. */
  next(execution: Execution): 'ran' | 'redundant' | 'exhausted';
}

/** The lowest thread of a mask. */
export const lowest = (mask: number): number => 31 - Math.clz32(mask & -mask);

/** How many threads a mask has. */
export function count(mask: number): number {
  let bits = mask - ((mask >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

/** The n-th thread of a mask, from 0. */
export function nth(mask: number, n: number): number {
  let rest = mask;
  for (let skip = n; skip > 0; skip--) rest &= rest - 1;
  return lowest(rest);
}

/** The thread that goes on when nothing speaks against it: fewer switches make better stories. */
export const stay = (mask: number, last: number): number =>
  last >= 0 && (mask & (1 << last)) !== 0 ? last : lowest(mask);
