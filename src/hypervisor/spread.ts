import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { NO_TIME, type Duration } from '../base/units.ts';
import type { Spread } from '../contract/report.ts';

/** Collects durations; three significant digits, constant memory. */
export class SpreadRecorder {
  #histogram: RecordableHistogram | undefined;
  /** Of what is recorded now. */
  #spread: Spread | undefined;
  #count = 0;
  #max = NO_TIME;

  record(length: Duration): void {
    this.#count++;
    if (length > this.#max) this.#max = length;
    this.#spread = undefined;
    this.#histogram ??= createHistogram({ figures: 3 });
    this.#histogram.record(Math.max(1, length));
  }

  get spread(): Spread {
    return (this.#spread ??= this.#compute());
  }

  #compute(): Spread {
    const histogram = this.#histogram;
    if (histogram === undefined) return { count: 0, p50: NO_TIME, p99: NO_TIME, max: NO_TIME };
    const percentile = (rank: number): Duration =>
      Math.min(histogram.percentile(rank), this.#max) as Duration;
    return { count: this.#count, p50: percentile(50), p99: percentile(99), max: this.#max };
  }
}
