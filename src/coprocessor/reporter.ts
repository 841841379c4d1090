import { START, after, type Duration, type Instant } from '../base/units.ts';
import { ACCESSES, type Access } from '../contract/events.ts';
import { COPROC_STATES, type CoprocState } from '../contract/states.ts';
import { EVENT, writeInstant, writeText } from '../memory/channel.ts';
import type { Doorbell } from '../memory/doorbell.ts';
import { DESCRIPTOR_WORDS, FULL, type RingProducer } from '../memory/ring.ts';
import type { Context } from './context.ts';

/** A context and its command under way. */
type Where = Pick<Context, 'slot' | 'active' | 'queue' | 'sequence'>;

/** Tells the hypervisor what happens, in order, at the end of each turn. When the ring is full, the rest is kept until there is room. */
export class Reporter {
  readonly #ring: RingProducer;
  readonly #bell: Doorbell;
  readonly #draft = new Int32Array(DESCRIPTOR_WORDS);
  readonly #backlog: Int32Array[] = [];
  #unheard = false;
  #refused = false;

  constructor(ring: RingProducer, bell: Doorbell) {
    this.#ring = ring;
    this.#bell = bell;
  }

  state(state: CoprocState, slot: number, now: Instant): void {
    this.#begin(EVENT.state, slot, now);
    this.#draft[4] = COPROC_STATES.indexOf(state);
    this.#send();
  }

  switched(
    slot: number,
    now: Instant,
    sequence: number,
    saved: number,
    loaded: number,
    more: boolean,
    started: Instant,
    drained: Duration,
  ): void {
    const draft = this.#begin(EVENT.switched, slot, now);
    draft[4] = sequence;
    draft[5] = saved;
    draft[6] = loaded;
    draft[7] = more ? 1 : 0;
    writeInstant(draft, 8, started);
    writeInstant(draft, 10, after(START, drained));
    this.#send();
  }

  denied(slot: number, now: Instant, sequence: number, retryAfterUs: number): void {
    const draft = this.#begin(EVENT.denied, slot, now);
    draft[4] = sequence;
    draft[5] = retryAfterUs;
    this.#send();
  }

  loadFailed(slot: number, now: Instant, sequence: number, reason: string): void {
    const draft = this.#begin(EVENT.loadFailed, slot, now);
    draft[4] = sequence;
    writeText(draft, 0, reason);
    this.#send();
  }

  trapped({ slot, queue }: Where, now: Instant, reason: string): void {
    const draft = this.#begin(EVENT.trapped, slot, now);
    draft[4] = queue;
    writeText(draft, 0, reason);
    this.#send();
  }

  expired({ slot, active, queue, sequence }: Where, now: Instant): void {
    const draft = this.#begin(EVENT.expired, slot, now);
    draft[4] = active ? 1 : 0;
    draft[5] = queue;
    draft[6] = sequence;
    this.#send();
  }

  corrupt(slot: number, now: Instant, queue: number): void {
    this.#begin(EVENT.corrupt, slot, now)[4] = queue;
    this.#send();
  }

  evicted(slot: number, now: Instant, queue: number, sequence: number): void {
    const draft = this.#begin(EVENT.evicted, slot, now);
    draft[4] = queue;
    draft[5] = sequence;
    this.#send();
  }

  iommuFault({ slot, queue }: Where, now: Instant, access: Access, iova: number, untold: number): void {
    const draft = this.#begin(EVENT.iommuFault, slot, now);
    draft[4] = ACCESSES.indexOf(access);
    draft[5] = iova | 0;
    draft[6] = untold;
    draft[7] = queue;
    this.#send();
  }

  invalidated(slot: number, now: Instant, epoch: number): void {
    this.#begin(EVENT.invalidated, slot, now)[4] = epoch;
    this.#send();
  }

  dropped(slot: number, now: Instant): void {
    this.#begin(EVENT.dropped, slot, now);
    this.#send();
  }

  through(slot: number, now: Instant): void {
    this.#begin(EVENT.through, slot, now);
    this.#send();
  }

  /** Unlike the others this one may be refused: a pending interrupt stays with its context while the ring is full. */
  interrupt(slot: number, now: Instant, line: number, count: number): boolean {
    if (this.#backlog.length > 0) return false;
    const draft = this.#begin(EVENT.interrupt, slot, now);
    draft[4] = line;
    draft[5] = count;
    return this.#offer(this.#draft);
  }

  /** Something is kept back until there is room. */
  get behind(): boolean {
    return this.#backlog.length > 0;
  }

  /** Shows what was said so far, and rings for it later. */
  show(): void {
    this.flush();
    if (this.#unheard) this.#ring.publish();
  }

  /**
   * Shows what was said in a turn, and rings once for all of it: to wake the hypervisor is the dear part.
   * Says whether something found no room in this turn.
   */
  announce(): boolean {
    this.flush();
    const refused = this.#refused;
    this.#refused = false;
    if (!this.#unheard) return refused;
    this.#unheard = false;
    this.#ring.publish();
    this.#bell.ring();
    return refused;
  }

  /** Sends what was kept back. */
  flush(): void {
    while (this.#backlog.length > 0 && this.#offer(this.#backlog[0]!)) this.#backlog.shift();
  }

  #begin(event: number, slot: number, now: Instant): Int32Array {
    this.#draft.fill(0);
    this.#draft[0] = event;
    this.#draft[1] = slot;
    writeInstant(this.#draft, 2, now);
    return this.#draft;
  }

  #send(): void {
    this.flush();
    if (this.#backlog.length > 0 || !this.#offer(this.#draft)) this.#backlog.push(this.#draft.slice());
  }

  #offer(event: Int32Array): boolean {
    const at = this.#ring.claim();
    if (at === FULL) {
      this.#refused = true;
      return false;
    }
    // The hypervisor's index is the only thing it could break here, and it does not share this memory with guests.
    if (at >= 0) this.#ring.words.set(event, at);
    this.#unheard = true;
    return true;
  }
}
