import { between, type Instant } from '../base/units.ts';
import type { Limit } from '../contract/recovery.ts';

/** Counts what happens within a window that slides: `n in t`. */
export class Tally<Note = undefined> {
  readonly #limit: Limit;
  #notes: { readonly at: Instant; readonly note: Note }[] = [];

  constructor(limit: Limit) {
    this.#limit = limit;
  }

  /** Notes one more, and says how many there are now within the window. Never keeps more than the limit and one. */
  add(at: Instant, note: Note): number {
    const { most, within } = this.#limit;
    const recent = this.#notes.filter((old) => between(old.at, at) <= within);
    this.#notes = [...recent.slice(Math.max(0, recent.length - most)), { at, note }];
    return this.#notes.length;
  }

  /** What was noted, oldest first. */
  get notes(): readonly Note[] {
    return this.#notes.map(({ note }) => note);
  }

  clear(): void {
    this.#notes = [];
  }
}
