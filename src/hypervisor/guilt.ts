import { NO_TIME, type Duration } from '../base/units.ts';
import type { VcoprocReport } from '../contract/report.ts';
import type { SavedGuilt } from './saved.ts';
import { Tally } from './tally.ts';

/** Faults that are remembered in words; of older ones, how many. */
const KEPT = 32;

/** What one vcoproc was blamed for, and the resets that it was part of. */
export class Guilt {
  readonly resets = { guilty: 0, innocent: 0 };
  /** The time that it had had when its last fault was charged. */
  paidUntil: Duration = NO_TIME;
  /** Faults that count against what its policy bears. */
  readonly offences = new Tally();
  readonly #faults: string[] = [];
  #earlier = 0;

  blame(what: string): void {
    this.#faults.push(what);
    if (this.#faults.length <= KEPT) return;
    this.#faults.shift();
    this.#earlier++;
  }

  save(): SavedGuilt {
    return { offences: this.offences.entries.map(({ at }) => at), paidUntil: this.paidUntil };
  }

  /** Goes on from what was saved, and what the report said then. */
  restore(
    { offences, paidUntil }: SavedGuilt,
    { resets, faults, earlierFaults }: Pick<VcoprocReport, 'resets' | 'faults' | 'earlierFaults'>,
  ): void {
    this.offences.restore(offences.map((at) => ({ at, note: undefined })));
    this.paidUntil = paidUntil;
    Object.assign(this.resets, resets);
    this.#faults.push(...faults);
    this.#earlier = earlierFaults;
  }

  get report(): Pick<VcoprocReport, 'resets' | 'faults' | 'earlierFaults'> {
    return { resets: { ...this.resets }, faults: [...this.#faults], earlierFaults: this.#earlier };
  }
}
