import { between, type Instant } from '../base/units.ts';
import type { Limit } from '../contract/recovery.ts';

interface Entry<Note> {
  readonly at: Instant;
  readonly note: Note;
}

/** Counts what happens within a window that slides: `n in t`. */
export class Tally<Note = undefined> {
  #entries: readonly Entry<Note>[] = [];

  /** Notes one more, and says how many there are now within the window. Never keeps more than the limit and one. */
  add(at: Instant, note: Note, { most, within }: Limit): number {
    const recent = this.#entries.filter((old) => between(old.at, at) <= within);
    this.#entries = [...recent.slice(Math.max(0, recent.length - most)), { at, note }];
    return this.#entries.length;
  }

  /** What was noted, oldest first. */
  get entries(): readonly Entry<Note>[] {
    return this.#entries;
  }

  /** Goes on from what was noted before. */
  restore(entries: readonly Entry<Note>[]): void {
    this.#entries = entries;
  }
}
