import { failed, ok, type Outcome } from '../base/outcome.ts';
import { after, showDuration } from '../base/units.ts';
import type { TraceSink } from '../contract/events.ts';
import type { CoprocId, VcoprocId } from '../contract/names.ts';
import type { Timeline } from '../contract/port.ts';
import type { IsolationCause, Recovery as Settings, RecoveryStep, Watchdogs } from '../contract/recovery.ts';
import type { Supervisor } from './supervisor.ts';
import type { Vcoproc } from './vcoproc.ts';

// How a vcoproc that is at fault is dealt with, step by step. Each step is taken when the one before it was in vain.
//
//   1. ask                 the world switch asks it to leave                        world-switch.ts: begin
//   2. ask again           it denied, and is asked again when it said               world-switch.ts: onDenied
//   3. reset the vcoproc   it is taken out without being asked, its context is lost overdue
//   4. reset the coproc    the coprocessor does not answer: it is ended             onStuck
//   5. ban or isolate      at once or after too many faults, as the policy says     offend
//
// After 3 and 4 a vcoproc that is not isolated is renewed: it begins again from its firmware's first image. Whatever
// was outstanding has failed by then; of that, only the command under way can have run. Others lose nothing in step 3,
// and in step 4 nothing but what was in the coprocessor, which the guilty one had to itself.

/** The coprocessor on which faults happen, as far as dealing with them needs it. */
export interface Recovering {
  readonly id: CoprocId;
  readonly timeline: Timeline;
  readonly trace: TraceSink;
  readonly settings: Settings;
  watchdogs(): Watchdogs;
  supervisor(): Supervisor;
  /** Whose context is in the coprocessor. */
  current(): Vcoproc | undefined;
  /** Has a context taken out without asking it. */
  drop(vcoproc: Vcoproc): void;
  drain(): void;
  /** Whether its context is in the coprocessor or on its way. */
  concerned(vcoproc: Vcoproc): boolean;
  /** Whether it is being detached. */
  leaving(vcoproc: Vcoproc): boolean;
  excused(again: () => void): boolean;
  blame(vcoproc: Vcoproc, what: string, reset: boolean): void;
  /** It is not the scheduler's to choose: for now, or ever again. */
  sleep(vcoproc: Vcoproc): void;
  forget(vcoproc: Vcoproc): void;
  /** The vcoproc may be chosen again. */
  back(vcoproc: Vcoproc): void;
  /** The context of a fresh start is not fit to be loaded. */
  refuse(vcoproc: Vcoproc, reason: string): void;
}

/** Why one is isolated, and which other share of its domain was at fault. */
export type Isolation =
  | { readonly cause: Exclude<IsolationCause, 'domain'> }
  | { readonly cause: 'domain'; readonly guilty: VcoprocId };

/** A vcoproc that is being taken out of the coprocessor. */
interface Drop {
  readonly reason: string;
  readonly guilty: boolean;
  readonly cancel: () => void;
  readonly done: Promise<Outcome<void>>;
  readonly resolve: (renewed: Promise<Outcome<void>>) => void;
}

export class Recovery {
  readonly #coproc: Recovering;
  readonly #drops = new Map<Vcoproc, Drop>();
  /** By those who are being reset, what becomes of it. */
  readonly #resets = new Map<Vcoproc, Promise<Outcome<void>>>();
  /** Why the coprocessor that is being ended is ended, and for whom. */
  #condemned: { readonly vcoproc: Vcoproc; readonly reason: string } | undefined;
  vcoprocResets = 0;
  isolated = 0;

  constructor(coproc: Recovering) {
    this.#coproc = coproc;
  }

  /** Whether it is being taken out of the coprocessor. */
  drops(vcoproc: Vcoproc): boolean {
    return this.#drops.has(vcoproc);
  }

  /** Whether nobody may give it the coprocessor: it is being taken out of it, or made anew. */
  holds(vcoproc: Vcoproc): boolean {
    return this.#drops.has(vcoproc) || this.#resets.has(vcoproc);
  }

  /** Step 3, of its own: a reset that somebody asked for. Clears what is its own, and nobody is to blame. */
  reset(vcoproc: Vcoproc, reason: string): Promise<Outcome<void>> {
    if (vcoproc.state === 'isolated' || vcoproc.state === 'gone')
      return Promise.resolve(failed(`${vcoproc.name} is ${vcoproc.state}; detach it and attach it again`));
    if (this.#coproc.leaving(vcoproc)) return Promise.resolve(failed(`${vcoproc.name} is being detached`));
    const underWay = this.#resets.get(vcoproc) ?? this.#drops.get(vcoproc)?.done;
    return underWay ?? this.#takeOut(vcoproc, reason, false);
  }

  /** Step 3: it did not leave, or has a command that does not end. */
  overdue(vcoproc: Vcoproc, reason: string): void {
    if (this.#drops.has(vcoproc) || this.#coproc.supervisor().down) return;
    void this.#takeOut(vcoproc, reason, true);
  }

  #takeOut(vcoproc: Vcoproc, reason: string, guilty: boolean): Promise<Outcome<void>> {
    const coproc = this.#coproc;
    this.tell('reset-vcoproc', reason, vcoproc);
    this.vcoprocResets++;
    coproc.sleep(vcoproc);
    if (!coproc.concerned(vcoproc)) return this.#renew(vcoproc, reason);
    let resolve: Drop['resolve'] = () => {};
    const done = new Promise<Outcome<void>>((resolved) => (resolve = resolved));
    const deadline = after(coproc.timeline.now(), coproc.watchdogs().resetDeadline);
    const cancel = coproc.timeline.at(deadline, () => this.#onStuck(vcoproc));
    this.#drops.set(vcoproc, { reason, guilty, cancel, done, resolve });
    coproc.drop(vcoproc);
    return done;
  }

  /** Step 4: the coprocessor did not even take it out. */
  #onStuck(vcoproc: Vcoproc): void {
    const coproc = this.#coproc;
    coproc.drain();
    const drop = this.#drops.get(vcoproc);
    if (drop === undefined || coproc.excused(() => this.#onStuck(vcoproc))) return;
    const current = coproc.current();
    if (current === undefined) coproc.supervisor().silent('does not answer');
    else coproc.supervisor().reset(current, current === vcoproc ? drop.reason : 'did not return from a step');
  }

  /** The coprocessor holds nothing of it any more, however that came. `reason`: what it was at fault for. */
  onOut(vcoproc: Vcoproc, reason?: string): void {
    const drop = this.#drops.get(vcoproc);
    this.#drops.delete(vcoproc);
    drop?.cancel();
    const fault = reason ?? (drop?.guilty === true ? drop.reason : undefined);
    if (fault !== undefined) {
      const dealtWith = this.#offend(vcoproc, fault, false);
      drop?.resolve(dealtWith);
    } else if (drop !== undefined) drop.resolve(this.#renew(vcoproc, drop.reason));
  }

  /** Its fault ends the coprocessor, which is about to be killed. */
  condemn(vcoproc: Vcoproc, reason: string): void {
    const why = this.#drops.get(vcoproc)?.reason ?? reason;
    this.#condemned = { vcoproc, reason: why };
    this.tell('reset-coproc', why, vcoproc);
  }

  /**
   * The coprocessor is gone. For each vcoproc: whether it is dealt with here. The others were innocent.
   */
  onGone(vcoproc: Vcoproc): boolean {
    const condemned = this.#condemned?.vcoproc === vcoproc ? this.#condemned.reason : undefined;
    if (condemned === undefined) {
      if (vcoproc.state !== 'isolated') vcoproc.guilt.resets.innocent++;
      if (!this.#drops.has(vcoproc)) return false;
      this.onOut(vcoproc);
      return true;
    }
    this.#condemned = undefined;
    const drop = this.#drops.get(vcoproc);
    this.#drops.delete(vcoproc);
    drop?.cancel();
    const dealtWith = this.#offend(vcoproc, condemned, true);
    drop?.resolve(dealtWith);
    return true;
  }

  /** Step 5, at once, for what leaves no choice. `reset`: the coprocessor is ended for it. */
  outlaw(vcoproc: Vcoproc, reason: string, reset: boolean): void {
    this.#coproc.blame(vcoproc, reason, reset);
    vcoproc.guilt.resets.guilty++;
    this.isolate(vcoproc, reason, { cause: 'unfit' });
  }

  /** Step 5: it never gets the coprocessor again. */
  isolate(vcoproc: Vcoproc, reason: string, why: Isolation, step: 'isolated' | 'banned' = 'isolated'): void {
    if (vcoproc.state === 'isolated' || vcoproc.state === 'gone') return;
    this.isolated++;
    this.#coproc.forget(vcoproc);
    vcoproc.isolate(reason);
    this.tell(step, reason, vcoproc, why);
  }

  /** Its context is not in the coprocessor, which goes on or is gone. */
  #offend(vcoproc: Vcoproc, reason: string, reset: boolean): Promise<Outcome<void>> {
    const coproc = this.#coproc;
    coproc.blame(vcoproc, reason, reset);
    vcoproc.guilt.resets.guilty++;
    const isolated = (): Promise<Outcome<void>> =>
      Promise.resolve(failed(`${vcoproc.name} was isolated: ${reason}`));
    if (vcoproc.state === 'isolated') return isolated();
    const policy = vcoproc.settings.onFault ?? coproc.settings.onFault;
    if (policy === 'ban') {
      const { most, within } = coproc.settings.faults;
      const times = vcoproc.guilt.offences.add(coproc.timeline.now(), undefined, coproc.settings.faults);
      if (times < most) return this.#renew(vcoproc, reason);
      this.isolate(
        vcoproc,
        `banned: ${times} faults in ${showDuration(within)}, the last: ${reason}`,
        { cause: 'offence' },
        'banned',
      );
      return isolated();
    }
    this.isolate(vcoproc, reason, { cause: 'offence' });
    if (policy === 'isolate-domain') vcoproc.settings.onOutlawed(vcoproc.name, reason);
    return isolated();
  }

  /** Makes it new: registers, local memory, queue. Its context is not in the coprocessor. */
  #renew(vcoproc: Vcoproc, reason: string): Promise<Outcome<void>> {
    const renewed = this.#remake(vcoproc, reason).finally(() => {
      if (this.#resets.get(vcoproc) === renewed) this.#resets.delete(vcoproc);
    });
    this.#resets.set(vcoproc, renewed);
    return renewed;
  }

  async #remake(vcoproc: Vcoproc, reason: string): Promise<Outcome<void>> {
    const coproc = this.#coproc;
    coproc.sleep(vcoproc);
    const anew = vcoproc.reset(reason);
    if (anew.kind === 'failed') {
      this.isolate(vcoproc, anew.reason, { cause: 'unfit' });
      vcoproc.left();
      return anew;
    }
    if (coproc.leaving(vcoproc)) return failed(`${vcoproc.name} is being detached`);
    const attached = await coproc.supervisor().attach(vcoproc);
    if (vcoproc.state === 'isolated' || vcoproc.state === 'gone' || coproc.leaving(vcoproc))
      return failed(`${vcoproc.name} is ${vcoproc.state}`);
    // A coprocessor that is down gets it with all the others.
    if (attached.kind === 'failed' && !coproc.supervisor().down) {
      coproc.refuse(vcoproc, attached.reason);
      return attached;
    }
    this.tell('renewed', reason, vcoproc);
    this.#resets.delete(vcoproc);
    coproc.back(vcoproc);
    return ok(undefined);
  }

  /** A step for one vcoproc, or for the coprocessor. */
  tell(step: RecoveryStep, why: string, vcoproc?: Vcoproc, isolation?: Isolation): void {
    const { trace, timeline, id } = this.#coproc;
    const at = timeline.now();
    trace({ at, kind: 'recovery', coproc: id, vcoproc: vcoproc?.name ?? null, step, why, ...isolation });
  }
}
