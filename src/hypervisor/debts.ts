import { after, between, type Duration, type Instant } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Timeline } from '../contract/port.ts';

/**
 * What faults took from those who waited. Whoever was at fault pays before it is let in again, under a new vcoproc of
 * the same name too: so that one that crashes as fast as it can come back has no more of the coprocessor than one that
 * works.
 */
export class Debts {
  readonly #timeline: Timeline;
  readonly #until = new Map<VcoprocId, Instant>();
  /** Whose fault the present restart is, and since when. */
  #restart: { readonly name: VcoprocId; readonly since: Instant } | undefined;

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** `taken` from each of so many who waited. */
  owe(name: VcoprocId, taken: Duration, waiting: number): void {
    if (waiting === 0 || taken <= 0) return;
    const now = this.#timeline.now();
    // Names that never come back must not stay for ever.
    for (const [other, until] of this.#until) if (until <= now) this.#until.delete(other);
    const from = Math.max(this.#until.get(name) ?? now, now) as Instant;
    this.#until.set(name, after(from, (taken * waiting) as Duration));
  }

  /** The coprocessor goes down for this one's fault. */
  down(name: VcoprocId): void {
    this.#restart = { name, since: this.#timeline.now() };
  }

  /** It is there again. */
  up(waiting: number): void {
    const restart = this.#restart;
    this.#restart = undefined;
    if (restart !== undefined) this.owe(restart.name, between(restart.since, this.#timeline.now()), waiting);
  }

  owes(name: VcoprocId): boolean {
    return this.#until.has(name);
  }

  /** Resolves when it owes nothing. */
  async paid(name: VcoprocId): Promise<void> {
    const timeline = this.#timeline;
    for (;;) {
      const until = this.#until.get(name);
      if (until === undefined || until <= timeline.now()) break;
      await new Promise<void>((resolve) => timeline.at(until, resolve));
    }
    this.#until.delete(name);
  }
}
