import type { Duration, Instant } from '../base/units.ts';
import type { Settled } from '../contract/scheduler.ts';
import type { Choice, Situation } from './algorithm.ts';
import { NOBODY, type Member } from './member.ts';
import type { Past } from './past.ts';
import { Tournament } from './tournament.ts';

/** Has the slots that are not sold. */
export const UNSOLD = NOBODY;

/**
 * Slots of one length that follow each other, spread over their owners by stride scheduling (Waldspurger
 * 1995): the next slot is for whoever has had the least for its share. A slot of somebody asleep stays empty,
 * and is gone. Time past a slot, and the switch into it, bring the owner's next slot later.
 */
export class Slots {
  /** Slots that each has in each round. */
  readonly share: number[] = [];
  /** When the next slot of each is due, in virtual time, and its place among those that are due then. */
  readonly #due: number[] = [];
  readonly #place: number[] = [];
  /** Of whose slot is open, its end and its length; of the others, nothing. */
  readonly #ends: number[] = [];
  readonly #length: number[] = [];
  readonly past: Past = {
    whole: { place: this.#place, ends: this.#ends, length: this.#length },
    real: { due: this.#due },
  };
  readonly #owners = new Tournament();
  readonly #awake: boolean[] = [];
  #timeslice: Duration;
  /** Whose slot is open. */
  #open: Member | undefined;

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
    this.#note(newcomer, 0, 0);
    const now = this.#owners.first === undefined ? 0 : this.#owners.least;
    this.#put(newcomer, now + this.#timeslice / share);
  }

  /** Puts an owner where its past says that it was. */
  recall(owner: Member): void {
    if (!this.#owners.has(owner)) return;
    this.#put(owner, this.#due[owner]!, this.#place[owner]!);
    if (this.#length[owner]! > 0) this.#open = owner;
  }

  remove(leaver: Member): void {
    this.#owners.remove(leaver);
    if (this.#open === leaver) this.#close(leaver);
  }

  /** Answers whether it is the owner of the present slot. */
  wake(owner: Member): boolean {
    this.#awake[owner] = true;
    return this.#open === owner;
  }

  sleep(owner: Member): void {
    this.#awake[owner] = false;
  }

  choose({ now, holder, held, slice }: Situation): Choice | { readonly until: Instant } {
    const open = this.#open;
    // Its time begins when it has arrived, which may be later than the slot.
    if (open !== undefined && holder === open && held < slice)
      return { member: holder, slice: (slice - held) as Duration };
    if (open === undefined || now >= this.#ends[open]!) this.#next(now);
    const whose = this.#open!;
    const ends = this.#ends[whose] as Instant;
    if (this.#awake[whose] !== true) return { until: ends };
    return { member: whose, slice: (ends - now) as Duration };
  }

  /** The slot came to nothing because somebody else did not leave: its owner gets another. */
  missed(owner: Member): void {
    if (this.#open !== owner) return;
    const length = this.#length[owner]!;
    this.#close(owner);
    this.#delay(owner, 0 - length);
  }

  charge(owner: Member, { overrun, switching }: Settled): void {
    if (overrun + switching > 0) this.#delay(owner, overrun + switching);
  }

  #next(now: Instant): void {
    const next = this.#owners.first!;
    const length = this.#timeslice;
    if (this.#open !== undefined) this.#close(this.#open);
    this.#open = next;
    this.#note(next, now + length, length);
    this.#delay(next, length);
  }

  #close(owner: Member): void {
    this.#open = undefined;
    this.#note(owner, 0, 0);
  }

  #note(owner: Member, ends: number, length: number): void {
    this.#ends[owner] = ends;
    this.#length[owner] = length;
  }

  #delay(owner: Member, length: number): void {
    this.#put(owner, this.#owners.keyOf(owner) + length / this.share[owner]!);
  }

  #put(owner: Member, due: number, place?: number): void {
    this.#due[owner] = due;
    this.#place[owner] = this.#owners.put(owner, due, place);
  }
}
