import { NO_TIME, between, type Duration, type Instant } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';

interface Stay {
  readonly vcoproc: VcoprocId;
  readonly slice: Duration;
  since: Instant;
}

/**
 * What was picked and is not settled yet, oldest first: at most who has the coprocessor and who shall get
 * it. A holder is settled only after the next decision, so a decision has to know how long it has been there.
 */
export class Stays {
  readonly #stays: Stay[] = [];

  /** Who has the coprocessor, as far as decisions tell. */
  get holder(): VcoprocId | undefined {
    return this.#stays[0]?.vcoproc;
  }

  /** The slice that the holder was given. */
  get slice(): Duration {
    return this.#stays[0]?.slice ?? NO_TIME;
  }

  /** How long the holder has had it, at most. */
  held(now: Instant): Duration {
    const stay = this.#stays[0];
    return stay === undefined ? NO_TIME : between(stay.since, now);
  }

  picked(vcoproc: VcoprocId, slice: Duration, now: Instant): void {
    this.#stays.push({ vcoproc, slice, since: now });
  }

  settled(vcoproc: VcoprocId, now: Instant): void {
    const at = this.#stays.findIndex((stay) => stay.vcoproc === vcoproc);
    if (at < 0) return;
    this.#stays.splice(at, 1);
    // The next one comes when the one before it is gone.
    const next = this.#stays[0];
    if (at === 0 && next !== undefined) next.since = now;
  }
}
