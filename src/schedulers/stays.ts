import { NO_TIME, between, type Duration, type Instant } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Member } from './member.ts';

interface Stay {
  readonly vcoproc: VcoprocId;
  /** Nobody when it was removed meanwhile. */
  member: Member | undefined;
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
  get holder(): Member | undefined {
    return this.#stays[0]?.member;
  }

  get isEmpty(): boolean {
    return this.#stays.length === 0;
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

  picked(vcoproc: VcoprocId, member: Member, slice: Duration, now: Instant): void {
    this.#stays.push({ vcoproc, member, slice, since: now });
  }

  removed(member: Member): void {
    for (const stay of this.#stays) if (stay.member === member) stay.member = undefined;
  }

  /** Answers who it was, unless it was removed since it was picked. */
  settled(vcoproc: VcoprocId, now: Instant): Member | undefined {
    const at = this.#stays.findIndex((stay) => stay.vcoproc === vcoproc);
    if (at < 0) return undefined;
    const [settled] = this.#stays.splice(at, 1);
    // The next one comes when the one before it is gone.
    const next = this.#stays[0];
    if (at === 0 && next !== undefined) next.since = now;
    return settled!.member;
  }
}
