import { after, between, type Duration, type Instant } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Timeline } from '../contract/port.ts';

interface Fault {
  readonly guilty: VcoprocId;
  readonly since: Instant;
}

/**
 * What faults took from those who waited. Whoever was at fault pays before it is let in again, under a new vcoproc of
 * the same name too: so that one that crashes as fast as it can come back has no more of the coprocessor than one that
 * works. While the coprocessor is down nobody has it, and nothing is paid.
 */
export class Debts {
  readonly #timeline: Timeline;
  readonly #until = new Map<VcoprocId, Instant>();
  /** Since when the coprocessor has been down, and for whose fault: each from its own to the next one's, or to the end. */
  #outage: { readonly since: Instant; readonly guilty: Fault[] } | undefined;
  #waiting: (() => void)[] = [];

  constructor(timeline: Timeline) {
    this.#timeline = timeline;
  }

  /** `taken` from each of so many who waited. */
  owe(name: VcoprocId, taken: Duration, waiting: number): void {
    if (waiting === 0 || taken <= 0) return;
    const now = this.#now;
    // Names that never come back must not stay for ever.
    for (const [other, until] of this.#until) if (until <= now) this.#until.delete(other);
    this.#until.set(name, after(this.#until.get(name) ?? now, (taken * waiting) as Duration));
  }

  /** The coprocessor goes down. */
  down(): void {
    this.#outage ??= { since: this.#timeline.now(), guilty: [] };
  }

  /** That it is down is this one's fault. */
  blame(guilty: VcoprocId): void {
    this.#outage?.guilty.push({ guilty, since: this.#timeline.now() });
  }

  /** It is there again, for so many who waited, or never will be. */
  up(waiting: number): void {
    const outage = this.#outage;
    if (outage === undefined) return;
    this.#outage = undefined;
    const lasted = between(outage.since, this.#timeline.now());
    for (const [name, until] of this.#until) this.#until.set(name, after(until, lasted));
    outage.guilty.forEach(({ guilty, since }, at) => {
      const until = outage.guilty[at + 1]?.since ?? this.#timeline.now();
      this.owe(guilty, between(since, until), waiting);
    });
    const paying = this.#waiting;
    this.#waiting = [];
    for (const goOn of paying) goOn();
  }

  save(): readonly (readonly [VcoprocId, Instant])[] {
    return [...this.#until];
  }

  restore(saved: readonly (readonly [VcoprocId, Instant])[]): void {
    for (const [name, until] of saved) this.#until.set(name, until);
  }

  owes(name: VcoprocId): boolean {
    return this.#until.has(name);
  }

  /** Resolves when it owes nothing. */
  async paid(name: VcoprocId): Promise<void> {
    for (;;) {
      const until = this.#until.get(name);
      if (until === undefined || until <= this.#now) break;
      await new Promise<void>((resolve) => {
        if (this.#outage === undefined) this.#timeline.at(until, resolve);
        else this.#waiting.push(resolve);
      });
    }
    this.#until.delete(name);
  }

  /** The clock that debts are paid by: it stands while the coprocessor is down. */
  get #now(): Instant {
    return this.#outage?.since ?? this.#timeline.now();
  }
}
