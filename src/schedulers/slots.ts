import type { Duration, Instant } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Settled } from '../contract/scheduler.ts';
import type { Choice, Situation } from './algorithm.ts';
import { Heap, unranked, type Ranked } from './heap.ts';

/** Who owns slots: a vcoproc, or nobody for those that are not sold. */
export interface Owner extends Ranked {
  readonly vcoproc: VcoprocId | undefined;
  awake: boolean;
  /** Slots that it has in each round. */
  share: number;
}

export const owner = (vcoproc: VcoprocId | undefined, share: number): Owner => ({
  vcoproc,
  awake: false,
  share,
  ...unranked(),
});

/**
 * Slots of one length that follow each other, spread over their owners by stride scheduling (Waldspurger
 * 1995): the next slot is for whoever has had the least for its share. A slot of somebody asleep stays empty,
 * and is gone. Time past a slot, and the switch into it, bring the owner's next slot later.
 */
export class Slots<Real extends Owner & { readonly vcoproc: VcoprocId }> {
  readonly #owners = new Heap<Owner>();
  #timeslice: Duration;
  #open: { readonly owner: Owner; readonly ends: Instant; readonly length: Duration } | undefined;

  constructor(timeslice: Duration) {
    this.#timeslice = timeslice;
  }

  get timeslice(): Duration {
    return this.#timeslice;
  }

  retime(timeslice: Duration): void {
    this.#timeslice = timeslice;
  }

  add(newcomer: Owner): void {
    const now = this.#owners.first?.key ?? 0;
    this.#owners.put(newcomer, now + this.#timeslice / newcomer.share);
  }

  remove(leaver: Owner): void {
    this.#owners.remove(leaver);
    if (this.#open?.owner === leaver) this.#open = undefined;
  }

  /** Whether this is the owner of the present slot. */
  isOpenFor(real: Real): boolean {
    return this.#open?.owner === real;
  }

  choose({ now, holder, held, slice }: Situation<Real>): Choice<Real> | { readonly until: Instant } {
    const open = this.#open;
    // Its time begins when it has arrived, which may be later than the slot.
    if (open !== undefined && holder === open.owner && held < slice)
      return { member: holder, slice: (slice - held) as Duration };
    if (open === undefined || now >= open.ends) this.#next(now);
    const { owner: whose, ends } = this.#open!;
    if (!isAwake<Real>(whose)) return { until: ends };
    return { member: whose, slice: (ends - now) as Duration };
  }

  /** The slot came to nothing because somebody else did not leave: its owner gets another. */
  missed(real: Real): void {
    if (this.#open?.owner !== real) return;
    const { length } = this.#open;
    this.#open = undefined;
    this.#delay(real, 0 - length);
  }

  charge(real: Real, { overrun, switching }: Settled): void {
    if (overrun + switching > 0) this.#delay(real, overrun + switching);
  }

  #next(now: Instant): void {
    const next = this.#owners.first!;
    const length = this.#timeslice;
    this.#open = { owner: next, ends: (now + length) as Instant, length };
    this.#delay(next, length);
  }

  #delay(one: Owner, length: number): void {
    this.#owners.put(one, one.key + length / one.share);
  }
}

/** Only vcoprocs wake. */
function isAwake<Real extends Owner>(one: Owner): one is Real {
  return one.awake;
}
