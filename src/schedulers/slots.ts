import type { Duration, Instant } from '../base/units.ts';
import type { Settled } from '../contract/scheduler.ts';
import type { Choice, Situation } from './algorithm.ts';
import type { Member } from './member.ts';
import { Tournament } from './tournament.ts';

/** Has the slots that are not sold. */
export const UNSOLD: Member = 0;

/**
 * Slots of one length that follow each other, spread over their owners by stride scheduling (Waldspurger
 * 1995): the next slot is for whoever has had the least for its share. A slot of somebody asleep stays empty,
 * and is gone. Time past a slot, and the switch into it, bring the owner's next slot later.
 */
export class Slots {
  /** Slots that each has in each round. */
  readonly share: number[] = [];
  readonly #owners = new Tournament();
  readonly #awake: boolean[] = [];
  #timeslice: Duration;
  #open: { readonly owner: Member; readonly ends: Instant; readonly length: Duration } | undefined;

  constructor(timeslice: Duration) {
    this.#timeslice = timeslice;
  }

  get timeslice(): Duration {
    return this.#timeslice;
  }

  retime(timeslice: Duration): void {
    this.#timeslice = timeslice;
  }

  has(owner: Member): boolean {
    return this.#owners.has(owner);
  }

  add(newcomer: Member, share: number): void {
    this.share[newcomer] = share;
    this.#awake[newcomer] = false;
    const now = this.#owners.first === undefined ? 0 : this.#owners.least;
    this.#owners.put(newcomer, now + this.#timeslice / share);
  }

  remove(leaver: Member): void {
    this.#owners.remove(leaver);
    if (this.#open?.owner === leaver) this.#open = undefined;
  }

  /** Answers whether it is the owner of the present slot. */
  wake(owner: Member): boolean {
    this.#awake[owner] = true;
    return this.#open?.owner === owner;
  }

  sleep(owner: Member): void {
    this.#awake[owner] = false;
  }

  choose({ now, holder, held, slice }: Situation): Choice | { readonly until: Instant } {
    const open = this.#open;
    // Its time begins when it has arrived, which may be later than the slot.
    if (open !== undefined && holder === open.owner && held < slice)
      return { member: holder, slice: (slice - held) as Duration };
    if (open === undefined || now >= open.ends) this.#next(now);
    const { owner: whose, ends } = this.#open!;
    if (this.#awake[whose] !== true) return { until: ends };
    return { member: whose, slice: (ends - now) as Duration };
  }

  /** The slot came to nothing because somebody else did not leave: its owner gets another. */
  missed(owner: Member): void {
    if (this.#open?.owner !== owner) return;
    const { length } = this.#open;
    this.#open = undefined;
    this.#delay(owner, 0 - length);
  }

  charge(owner: Member, { overrun, switching }: Settled): void {
    if (overrun + switching > 0) this.#delay(owner, overrun + switching);
  }

  #next(now: Instant): void {
    const next = this.#owners.first!;
    const length = this.#timeslice;
    this.#open = { owner: next, ends: (now + length) as Instant, length };
    this.#delay(next, length);
  }

  #delay(owner: Member, length: number): void {
    this.#owners.put(owner, this.#owners.keyOf(owner) + length / this.share[owner]!);
  }
}
