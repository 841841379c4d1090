import type { Duration } from '../base/units.ts';

/** What can be wrong between a coprocessor and its hypervisor. */
export type Impairment = 'lose-interrupts' | 'duplicate-interrupts' | 'delay-interrupts' | 'drop-doorbells';

interface Entry {
  readonly what: Impairment;
  readonly coproc: string;
  readonly length: Duration;
  readonly onUse: () => void;
  /** Whether this time is one that it is about. */
  readonly concerns: () => boolean;
  left: number;
}

/** What is wrong on the way to and from coprocessors now, each good for so many times. */
export class Impairments {
  #entries: Entry[] = [];

  add(entry: Entry): void {
    this.#entries.push(entry);
  }

  /** Whether it happens now, and for how long. */
  take(coproc: string, what: Impairment): Duration | undefined {
    if (this.#entries.length === 0) return undefined;
    const entry = this.#entries.find(
      (candidate) => candidate.coproc === coproc && candidate.what === what && candidate.concerns(),
    );
    if (entry === undefined) return undefined;
    entry.left--;
    if (entry.left === 0) this.#entries = this.#entries.filter((other) => other !== entry);
    entry.onUse();
    return entry.length;
  }
}
