import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { NO_TIME, type Duration } from '../base/units.ts';
import type { Spread } from '../contract/report.ts';

/** So many are kept as they are: what is short costs no histogram. */
const MOST_EXACT = 256;

/** Collects durations in constant memory: the first ones exactly, many with three significant digits. */
export class SpreadRecorder {
  readonly #exact: Duration[] = [];
  #histogram: RecordableHistogram | undefined;
  /** Of what is recorded now. */
  #spread: Spread | undefined;
  #count = 0;
  #max = NO_TIME;

  record(length: Duration): void {
    this.#count++;
    if (length > this.#max) this.#max = length;
    this.#spread = undefined;
    if (this.#histogram === undefined && this.#exact.length < MOST_EXACT) this.#exact.push(length);
    else this.#many().record(Math.max(1, length));
  }

  get spread(): Spread {
    return (this.#spread ??= this.#compute());
  }

  /** The histogram, once there are many, with those that were kept exactly. */
  #many(): RecordableHistogram {
    if (this.#histogram === undefined) {
      this.#histogram = createHistogram({ figures: 3 });
      for (const length of this.#exact.splice(0)) this.#histogram.record(Math.max(1, length));
    }
    return this.#histogram;
  }

  #compute(): Spread {
    return { count: this.#count, p50: this.#percentile(50), p99: this.#percentile(99), max: this.#max };
  }

  /** The length that so many of a hundred are not above; of a share of a length, the nearest whole one. */
  #percentile(rank: number): Duration {
    if (this.#histogram !== undefined)
      return Math.min(this.#histogram.percentile(rank), this.#max) as Duration;
    if (this.#count === 0) return NO_TIME;
    this.#exact.sort((a, b) => a - b);
    return this.#exact[Math.max(1, Math.floor((rank / 100) * this.#count + 0.5)) - 1]!;
  }
}
