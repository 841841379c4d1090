import { NO_TIME, type Duration } from '../base/units.ts';
import type { VcoprocReport } from '../contract/report.ts';

/** Faults that are remembered in words; of older ones, how many. */
const KEPT = 32;

/** What one vcoproc was blamed for, and the resets that it was part of. */
export class Guilt {
  readonly resets = { guilty: 0, innocent: 0 };
  /** The time that it had had when its last fault was charged. */
  paidUntil: Duration = NO_TIME;
  readonly #faults: string[] = [];
  #earlier = 0;

  blame(what: string): void {
    this.#faults.push(what);
    if (this.#faults.length <= KEPT) return;
    this.#faults.shift();
    this.#earlier++;
  }

  /** Goes on from what a report says. */
  restore({
    resets,
    faults,
    earlierFaults,
  }: Pick<VcoprocReport, 'resets' | 'faults' | 'earlierFaults'>): void {
    Object.assign(this.resets, resets);
    this.#faults.push(...faults);
    this.#earlier = earlierFaults;
  }

  get report(): Pick<VcoprocReport, 'resets' | 'faults' | 'earlierFaults'> {
    return { resets: { ...this.resets }, faults: [...this.#faults], earlierFaults: this.#earlier };
  }
}
