import { performance } from 'node:perf_hooks';
import { instant, type Instant } from '../../base/units.ts';

/** Where a run's timeline begins on the machine's monotonic clock: nanoseconds, the same in every thread. */
export type Epoch = bigint;

/** Readings of both clocks, of which the one that took least is kept: the first is cold, and any may be interrupted. */
const READINGS = 16;

/** Of a timeline that stands at `start` now. */
export const newEpoch = (start: Instant): Epoch => process.hrtime.bigint() - BigInt(start);

/**
 * This thread's clock on a run's timeline. `performance.now` is read (45 ns, no allocation) and set
 * against the machine's monotonic clock once, to within a microsecond: threads tell each other what is when.
 */
export function threadClock(epoch: Epoch): () => Instant {
  let offset = 0;
  let least = Infinity;
  for (let k = 0; k < READINGS; k++) {
    const before = process.hrtime.bigint();
    const own = performance.now() * 1e6;
    const took = Number(process.hrtime.bigint() - before);
    if (took >= least) continue;
    least = took;
    offset = Number(before - epoch) + took / 2 - own;
  }
  return () => instant(performance.now() * 1e6 + offset);
}
