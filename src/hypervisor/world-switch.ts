import { assert } from '../base/assert.ts';
import { NO_TIME, after, bytes, earlier, type Duration, type Instant } from '../base/units.ts';
import type { TraceSink } from '../contract/events.ts';
import type { CoprocId } from '../contract/names.ts';
import type { Runtime } from '../contract/port.ts';
import type { Watchdogs } from '../contract/recovery.ts';
import type { Scheduler, Settled } from '../contract/scheduler.ts';
import type { CoprocDescription } from '../contract/system.ts';
import { CONTROL, NO_SLOT } from '../memory/channel.ts';
import type { Switched } from './events.ts';
import type { SpreadRecorder } from './spread.ts';
import type { Tenancy } from './tenure.ts';
import type { Vcoproc } from './vcoproc.ts';

// The world switch, in order. This file has the hypervisor's steps, `src/coprocessor/world-switch.ts` the others.
//
//   1. decide    the scheduler picked; nobody is charged yet               SharedCoproc.reschedule
//   2. revoke    the window of who runs is unmapped: accesses are emulated  begin
//   3. quiesce   the coprocessor stops at its granularity, or denies        core: leave
//   4. save      registers, globals, pending interrupts; memory stays its    core: depart
//   5. fence     its address space leaves the IOMMU                         core: depart
//   6. harvest   what it left behind is cleaned                             core: depart
//   7. load      the next context, firmware first, IOMMU before any DMA     core: arrive
//   8. replay    trapped writes, then the window, then pending interrupts   onSwitched
//   9. settle    the scheduler learns what really happened                  onSwitched
//
// Steps 3 to 7 are one request, so that a switch costs one round trip. Whatever fails, fails one context:
// who denied is asked again when it said, and as soon as the command that it denied for is through, until the stop
// deadline; past it the coprocessor is reset and who stayed is blamed; a context that cannot be loaded is isolated.

/** The coprocessor that switches, as far as the switch needs it. */
interface Switching {
  readonly id: CoprocId;
  readonly now: Instant;
  readonly description: CoprocDescription;
  readonly watchdogs: Watchdogs;
  readonly tenancy: Tenancy;
  readonly runtime: Runtime;
  readonly scheduler: Scheduler;
  readonly trace: TraceSink;
  readonly switchCost: SpreadRecorder;
  switches: number;
  denials: number;
  /** Whose context is in the coprocessor. */
  current: Vcoproc | undefined;
  /** Somebody woke who is a reason to decide anew. */
  readonly urgent: boolean;
  control(op: number, slot: number, to: number, sequence: number, slice: Duration, atEnd?: boolean): void;
  drain(): void;
  mapWindow(vcoproc: Vcoproc): void;
  mustLeave(vcoproc: Vcoproc): boolean;
  excused(again: () => void): boolean;
  settle(outcome: Settled['outcome'], drained?: Duration): void;
  reschedule(): void;
  left(vcoproc: Vcoproc): void;
  refuse(vcoproc: Vcoproc, reason: string): void;
  overdue(guilty: Vcoproc, reason: string): void;
  silent(reason: string): void;
}

interface Target {
  readonly vcoproc: Vcoproc;
  readonly slice: Duration;
}

interface Attempt {
  readonly sequence: number;
  readonly from: Vcoproc | undefined;
  readonly to: Target | undefined;
  readonly decidedBy: Scheduler;
}

export class WorldSwitch {
  readonly #coproc: Switching;
  #attempt: Attempt | undefined;
  #sequence = 0;
  /** When the present holder was first asked to leave and has not yet. */
  #askedSince: Instant | undefined;
  /** Denials since then. */
  #denied = 0;
  #cancelDeadline = (): void => {};
  #cancelRetry = (): void => {};
  /** Who denied is not asked before this. */
  #notBefore: Instant = 0 as Instant;

  constructor(coproc: Switching) {
    this.#coproc = coproc;
  }

  /** Whether a decision can be acted on now: no switch is under way, and who denied may be asked again. */
  get ready(): boolean {
    return this.#attempt === undefined && this.#coproc.now >= this.#notBefore;
  }

  concerns(vcoproc: Vcoproc): boolean {
    return this.#attempt?.from === vcoproc || this.#attempt?.to?.vcoproc === vcoproc;
  }

  /** Whoever denied is through with what it denied for: it can be asked at once. */
  ask(): void {
    this.#cancelRetry();
    this.#notBefore = 0 as Instant;
  }

  /** Nobody waits for the holder to leave any more: its stop deadline is off. Only while `ready`. */
  withdraw(): void {
    assert(this.#attempt === undefined, 'a switch that is under way goes to its end');
    this.#finished();
  }

  /** The holder is gone, and nothing of it was saved. A switch that is under way says itself how it ended. */
  lost(): void {
    if (this.#attempt === undefined) this.#finished();
  }

  /** Steps 2 and 3: takes the window, then asks the coprocessor to switch, at once or at the end of the slice. `undefined`: to nobody. */
  begin(to: Target | undefined, atEnd = false): void {
    const coproc = this.#coproc;
    assert(this.#attempt === undefined, 'one switch at a time');
    const from = coproc.current;
    this.#sequence = (this.#sequence + 1) | 0;
    this.#attempt = { sequence: this.#sequence, from, to, decidedBy: coproc.scheduler };
    from?.window.unmap();
    to?.vcoproc.window.lend();
    coproc.control(
      CONTROL.worldSwitch,
      from?.slot ?? NO_SLOT,
      to?.vcoproc.slot ?? NO_SLOT,
      this.#sequence,
      to?.slice ?? NO_TIME,
      atEnd,
    );
    if (this.#askedSince !== undefined) return;
    coproc.tenancy.asked();
    this.#askedSince = coproc.now;
    const deadline = after(coproc.now, coproc.watchdogs.stopDeadline);
    this.#cancelDeadline = coproc.runtime.timeline.at(deadline, () => this.#onDeadline());
  }

  /** Steps 8 and 9. */
  onSwitched(sequence: number, { saved, loaded, leftWithWork, cost, drained, arrived }: Switched): void {
    const attempt = this.#attempt;
    if (attempt?.sequence !== sequence) return;
    const coproc = this.#coproc;
    const { from, to } = attempt;
    this.#finished();
    coproc.switches++;
    coproc.switchCost.record(cost);
    // Nobody but its guest can have given it more since the coprocessor looked.
    if (from !== undefined && coproc.current === from)
      this.departed(from, leftWithWork || from.queues.unfetched, drained);
    coproc.current = arrived ? to?.vcoproc : undefined;
    coproc.trace({
      at: coproc.now,
      kind: 'switch',
      coproc: coproc.id,
      from: from?.name ?? null,
      to: coproc.current?.name ?? null,
      cost,
      saved: bytes(saved),
      loaded: bytes(loaded),
    });
    if (to !== undefined && arrived) {
      // Who comes does not pay for how long the one before it took to be quiet.
      coproc.tenancy.begin(to.vcoproc, to.slice, (cost - drained) as Duration, attempt.decidedBy);
      // Its domain may have been paused or destroyed on the way.
      if (!coproc.mustLeave(to.vcoproc)) coproc.mapWindow(to.vcoproc);
    } else if (to !== undefined) this.#unused(attempt.decidedBy, to, 'denied');
    if (to === undefined || !arrived || coproc.urgent || coproc.mustLeave(to.vcoproc)) coproc.reschedule();
    this.#over(attempt);
  }

  /** Who should leave goes on, and has its window again. It is asked again when it said, until the stop deadline. */
  onDenied(sequence: number, retryAfter: Duration): void {
    const attempt = this.#attempt;
    if (attempt?.sequence !== sequence) return;
    const coproc = this.#coproc;
    this.#attempt = undefined;
    coproc.denials++;
    const { from, to } = attempt;
    if (from !== undefined) {
      if (!coproc.mustLeave(from)) coproc.mapWindow(from);
      coproc.trace({ at: coproc.now, kind: 'denied', coproc: coproc.id, vcoproc: from.name, retryAfter });
    }
    if (to !== undefined) this.#unused(attempt.decidedBy, to, 'denied');
    const { denyRetryLimit = Infinity } = coproc.description;
    if (++this.#denied > denyRetryLimit && from !== undefined)
      coproc.overdue(from, `denied to leave more than ${denyRetryLimit} times in a row`);
    else this.#askAgain(retryAfter);
    this.#over(attempt);
  }

  #askAgain(retryAfter: Duration): void {
    const coproc = this.#coproc;
    const since = this.#askedSince ?? coproc.now;
    const again = earlier(after(coproc.now, retryAfter), after(since, coproc.watchdogs.stopDeadline));
    this.#notBefore = again;
    this.#cancelRetry = coproc.runtime.timeline.at(again, () => {
      this.#notBefore = 0 as Instant;
      coproc.reschedule();
    });
  }

  /** The old context left, the new one could not come. */
  onLoadFailed(sequence: number, reason: string): void {
    const attempt = this.#attempt;
    if (attempt?.sequence !== sequence) return;
    const coproc = this.#coproc;
    const { from, to } = attempt;
    this.#finished();
    if (from !== undefined && coproc.current === from) this.departed(from, from.queues.outstanding > 0);
    coproc.current = undefined;
    if (to !== undefined) {
      this.#unused(attempt.decidedBy, to, 'failed');
      coproc.refuse(to.vcoproc, reason);
    }
    coproc.reschedule();
    this.#over(attempt);
  }

  /** The coprocessor is gone and with it whatever was under way. */
  abandon(): void {
    const attempt = this.#attempt;
    this.#finished();
    if (attempt?.to !== undefined) this.#unused(attempt.decidedBy, attempt.to, 'denied');
  }

  /** The context of `from` is whole in its image; `drained` is how long it went on when it was asked to leave. */
  departed(from: Vcoproc, hasWork: boolean, drained = NO_TIME): void {
    const coproc = this.#coproc;
    coproc.settle('ran', drained);
    // A paused, isolated or removed vcoproc is not the scheduler's to choose, work or not.
    from.move(hasWork && !coproc.mustLeave(from) ? 'LEFT' : 'LEFT_IDLE');
    if (from.state === 'waiting') coproc.scheduler.wake(from.name, coproc.now);
    else coproc.scheduler.sleep(from.name, coproc.now);
    coproc.left(from);
    from.window.takeBack();
  }

  /**
   * Comes last: what a guest does when it hears of an interrupt may ask for the next decision. Whoever waits
   * for its context to be out of the coprocessor is told, however the attempt ended.
   */
  #over({ from, to }: Attempt): void {
    for (const vcoproc of [from, to?.vcoproc]) {
      if (vcoproc === undefined) continue;
      vcoproc.takePending();
      if (vcoproc !== this.#coproc.current && !this.concerns(vcoproc)) this.#coproc.left(vcoproc);
    }
  }

  /** A decision that led to nothing is settled too. */
  #unused(decidedBy: Scheduler, to: Target, outcome: 'denied' | 'failed'): void {
    const coproc = this.#coproc;
    to.vcoproc.window.takeBack();
    decidedBy.settle({
      vcoproc: to.vcoproc.name,
      outcome,
      ran: NO_TIME,
      overrun: NO_TIME,
      switching: NO_TIME,
      now: coproc.now,
    });
  }

  #onDeadline(): void {
    const coproc = this.#coproc;
    coproc.drain();
    if (this.#askedSince === undefined || coproc.excused(() => this.#onDeadline())) return;
    const guilty = coproc.current;
    if (guilty === undefined) coproc.silent('did not answer within its stop deadline');
    else coproc.overdue(guilty, 'did not leave the coprocessor within its stop deadline');
  }

  #finished(): void {
    this.#attempt = undefined;
    this.#askedSince = undefined;
    this.#denied = 0;
    this.#notBefore = 0 as Instant;
    this.#cancelDeadline();
    this.#cancelRetry();
  }
}
