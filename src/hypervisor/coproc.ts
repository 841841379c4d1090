import { assert, present } from '../base/assert.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import { after, between, showDuration, us, type Duration, type Instant } from '../base/units.ts';
import type { TraceSink } from '../contract/events.ts';
import type { CoprocId, VcoprocId } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type { QueueService, QueueSpec, Runtime } from '../contract/port.ts';
import type { CrashDump } from '../contract/crash-dump.ts';
import type { CoprocReport } from '../contract/report.ts';
import type { Scheduler, SchedulerParameters, Settled } from '../contract/scheduler.ts';
import { type CoprocState } from '../contract/states.ts';
import type { CoprocDescription } from '../contract/system.ts';
import { CONTROL, NO_SLOT } from '../memory/channel.ts';
import { Account } from './account.ts';
import { crashDump } from './crash-dump.ts';
import { tellEvent, type CoprocEvents, type UnderWay } from './events.ts';
import type { SavedCoproc } from './saved.ts';
import { SpreadRecorder } from './spread.ts';
import { Supervisor, type Supervised } from './supervisor.ts';
import type { Vcoproc } from './vcoproc.ts';
import { WorldSwitch } from './world-switch.ts';

/** Between two questions to a scheduler that has nobody to run. */
const SHORTEST_REST = us(1);

/** A stay of one vcoproc on the coprocessor, from a scheduler's decision to its settlement. */
export interface Tenure {
  readonly vcoproc: Vcoproc;
  readonly decidedBy: Scheduler;
  readonly slice: Duration;
  readonly ends: Instant;
  readonly switching: Duration;
  expired: boolean;
  /** The vcoproc's time when it was first asked to leave. */
  asked: Duration | undefined;
  cancelWatchdog: () => void;
}

/** What a coprocessor does at one moment. */
export interface Occupancy {
  readonly id: CoprocId;
  readonly state: CoprocState;
  /** Whose context it has. */
  readonly owner: VcoprocId | null;
  readonly sliceLeft: Duration | null;
}

/**
 * One shared coprocessor: its port, its scheduler, its vcoprocs, its account. Everything here happens
 * on events, in their order; nothing waits.
 */
export class SharedCoproc {
  readonly id: CoprocId;
  readonly description: CoprocDescription;
  readonly platform: Platform;
  readonly runtime: Runtime;
  readonly trace: TraceSink;
  account: Account;
  readonly switchCost = new SpreadRecorder();
  switches = 0;
  denials = 0;
  resets = 0;
  /** What schedulers of it did wrong, newest last. */
  readonly #faults: string[] = [];
  /** Who decides. A stay or a switch that another one decided is settled with that one. */
  scheduler: Scheduler;
  timeslice: Duration;
  /** What made the scheduler: its name in the hypervisor's record, and its own parameters. */
  algorithm: SavedCoproc['algorithm'];
  /** Whose context is in the coprocessor, working or not. */
  current: Vcoproc | undefined;
  tenure: Tenure | undefined;
  /** Somebody woke whom the scheduler wants to decide about at once, and nothing was decided since. */
  urgent = false;
  /** Who is charged for the time that goes by. */
  #owner: Vcoproc | undefined;
  readonly #vcoprocs = new Map<number, Vcoproc>();
  readonly #byName = new Map<VcoprocId, Vcoproc>();
  readonly #detached = new WeakMap<Vcoproc, Promise<void>>();
  readonly #leaving = new Map<Vcoproc, () => void>();
  readonly #switch: WorldSwitch;
  readonly #supervisor: Supervisor;
  readonly #crashed: (dump: () => CrashDump) => void;
  #cancelDecision = (): void => {};

  /** `crashed` may ask for what is left, before it is cleaned away. */
  constructor(
    description: CoprocDescription,
    platform: Platform,
    scheduler: Scheduler,
    runtime: Runtime,
    trace: TraceSink,
    crashed: (dump: () => CrashDump) => void = () => {},
  ) {
    this.id = description.id;
    this.#crashed = crashed;
    this.description = description;
    this.platform = platform;
    this.scheduler = scheduler;
    this.timeslice = description.timeslice;
    this.algorithm = description.scheduler;
    this.runtime = runtime;
    this.trace = trace;
    this.account = new Account(this.now);
    this.#switch = new WorldSwitch(this);
    const coproc: Supervised = {
      description,
      platform,
      runtime,
      vcoprocs: { [Symbol.iterator]: () => this.#vcoprocs.values() },
      has: (vcoproc) => this.#vcoprocs.has(vcoproc.slot),
      onEvent: (words, at) => tellEvent(words, at, this.#events),
      onDrained: () => this.current?.window.flush(),
      onSilence: () => this.#onSilence(),
      onDown: () => this.#onDown(),
      onGone: (reason, expected) => this.#onGone(reason, expected),
      onUp: () => this.#onUp(),
      isolate: (guilty, reason) => this.#isolate(guilty, reason, true),
      refuse: (vcoproc, reason) => this.refuse(vcoproc, reason),
    };
    this.#supervisor = new Supervisor(coproc);
  }

  get now(): Instant {
    return this.runtime.timeline.now();
  }

  // ---- vcoprocs come and go

  /** Makes a vcoproc known to the coprocessor, then to the scheduler. */
  async attach(vcoproc: Vcoproc, parameters: SchedulerParameters): Promise<Outcome<void>> {
    let admittedBy = this.scheduler;
    let admission = admittedBy.admit(vcoproc.name, parameters);
    if (admission.kind === 'refused')
      return failed(`${this.id} does not take ${vcoproc.name}: ${admission.reason}`);
    const attached = await this.#supervisor.attach(vcoproc);
    if (attached.kind === 'failed') {
      admittedBy.remove(vcoproc.name);
      return attached;
    }
    // The algorithm changed meanwhile, and the new one knows only who was attached then.
    while (admittedBy !== this.scheduler) {
      admittedBy = this.scheduler;
      admission = admittedBy.admit(vcoproc.name, parameters);
      if (admission.kind === 'refused') {
        await this.#supervisor.detach(vcoproc);
        return failed(`${this.id} does not take ${vcoproc.name}: ${admission.reason}`);
      }
    }
    vcoproc.parameters = parameters;
    this.#vcoprocs.set(vcoproc.slot, vcoproc);
    this.#byName.set(vcoproc.name, vcoproc);
    return attached;
  }

  /** Takes a vcoproc out, whatever it is doing. Resolves when the coprocessor holds nothing of it any more. */
  detach(vcoproc: Vcoproc): Promise<void> {
    const detached = this.#detached.get(vcoproc) ?? this.#detach(vcoproc);
    this.#detached.set(vcoproc, detached);
    return detached;
  }

  async #detach(vcoproc: Vcoproc): Promise<void> {
    this.scheduler.remove(vcoproc.name);
    if (this.current === vcoproc || this.#switch.concerns(vcoproc)) {
      await new Promise<void>((resolve) => {
        this.#leaving.set(vcoproc, resolve);
        this.reschedule();
      });
    }
    this.#vcoprocs.delete(vcoproc.slot);
    this.#byName.delete(vcoproc.name);
    await this.#supervisor.detach(vcoproc);
  }

  // ---- changed while it runs

  /**
   * Decides by another algorithm from now on. Whoever has the coprocessor goes on until the new one says
   * otherwise, everybody who is ready is ready for the new one. Parameters that it does not know are
   * dropped unless they are `wanted`; who it cannot take makes the change fail, and nothing is changed.
   */
  useScheduler(
    scheduler: Scheduler,
    wanted: ReadonlyMap<VcoprocId, SchedulerParameters> = new Map(),
  ): Outcome<void> {
    const kept = new Map<Vcoproc, SchedulerParameters>();
    for (const vcoproc of this.#byName.values()) {
      // Who is leaving is nobody's to choose any more.
      if (vcoproc.state === 'isolated' || this.#detached.has(vcoproc)) continue;
      const asked = wanted.get(vcoproc.name);
      const given = asked ?? vcoproc.parameters;
      let admission = scheduler.admit(vcoproc.name, given);
      const known = admission.kind === 'admitted';
      kept.set(vcoproc, known ? given : {});
      if (known) continue;
      if (asked === undefined) admission = scheduler.admit(vcoproc.name, {});
      if (admission.kind === 'refused')
        return failed(`${scheduler.name} does not take ${vcoproc.name}: ${admission.reason}`);
    }
    this.#charge();
    this.settle('ran');
    this.scheduler = scheduler;
    for (const [vcoproc, parameters] of kept) {
      vcoproc.parameters = parameters;
      if (vcoproc.state === 'waiting' || vcoproc.state === 'running') scheduler.wake(vcoproc.name, this.now);
    }
    this.reschedule();
    return ok(undefined);
  }

  /** Slices from the next decision on, which comes at once. */
  retime(timeslice: Duration): void {
    this.timeslice = timeslice;
    this.scheduler.retime(timeslice);
    this.reschedule();
  }

  changeParameters(vcoproc: Vcoproc, parameters: SchedulerParameters): Outcome<void> {
    const admission = this.scheduler.change(vcoproc.name, parameters);
    if (admission.kind === 'refused') return failed(admission.reason);
    vcoproc.parameters = { ...vcoproc.parameters, ...parameters };
    this.reschedule();
    return ok(undefined);
  }

  /** Whether a vcoproc has to leave although nobody else wants the coprocessor. */
  mustLeave(vcoproc: Vcoproc): boolean {
    return this.#leaving.has(vcoproc) || vcoproc.state === 'isolated' || !vcoproc.settings.awake();
  }

  ring(): void {
    this.#supervisor.link.ring();
  }

  addQueues(vcoproc: Vcoproc, queues: readonly QueueSpec[]): Promise<Outcome<void>> {
    return this.#supervisor.link.addQueues(vcoproc.slot, queues);
  }

  serveQueue(vcoproc: Vcoproc, index: number, service: QueueService, sequence: number): void {
    this.#supervisor.link.serveQueue(vcoproc.slot, index, service, sequence);
  }

  /** Its domain pauses: the vcoproc leaves the coprocessor, work or not. */
  pause(vcoproc: Vcoproc): void {
    vcoproc.move('PAUSE');
    this.scheduler.sleep(vcoproc.name, this.now);
    if (this.current === vcoproc) this.reschedule();
  }

  unpause(vcoproc: Vcoproc): void {
    vcoproc.move('UNPAUSE');
    // It denied to leave and may stay now: it gets its window back, and with it what was held for it.
    const stays = this.current === vcoproc && !this.#switch.concerns(vcoproc) && !this.#supervisor.down;
    if (stays && !vcoproc.window.mapped && !this.mustLeave(vcoproc)) this.mapWindow(vcoproc);
    vcoproc.release();
    if (vcoproc.queues.outstanding === 0) return;
    if (vcoproc.window.mapped) this.ring();
    this.onWake(vcoproc);
  }

  onWake(vcoproc: Vcoproc): void {
    // Whoever has to leave is looked at again when it may stay: at the end of a pause.
    if (this.mustLeave(vcoproc)) return;
    vcoproc.move('WAKE');
    if (vcoproc.state !== 'waiting' && vcoproc.state !== 'running') return;
    // A switch that is under way ends first.
    if (this.scheduler.wake(vcoproc.name, this.now)) this.urgent = true;
    if (this.urgent || this.tenure === undefined) this.reschedule();
  }

  // ---- deciding

  /** Asks the scheduler who runs now, and makes it so. */
  reschedule(): void {
    if (this.#supervisor.down || !this.#switch.ready) return;
    this.#cancelDecision();
    this.urgent = false;
    const decision = this.scheduler.pick(this.now);
    if (decision.kind === 'idle') {
      this.#rest(decision.until);
      return;
    }
    const next = present(
      this.#byName.get(decision.vcoproc),
      'a scheduler chooses among those that it admitted',
    );
    if (next === this.current) this.stay(next, decision.slice);
    else this.#switch.begin({ vcoproc: next, slice: decision.slice });
  }

  /** Nobody runs. A context without work stays where it is, unless the scheduler holds somebody back. */
  #rest(until: Instant | undefined): void {
    if (until !== undefined) {
      // A scheduler that names the past is asked again a little later, not at once for ever.
      const again = Math.max(until, after(this.now, SHORTEST_REST)) as Instant;
      this.#cancelDecision = this.runtime.timeline.at(again, () => this.reschedule());
    }
    const { current } = this;
    if (current === undefined) return;
    if (until !== undefined || this.mustLeave(current)) this.#switch.begin(undefined);
    else this.#keep(current);
  }

  /** The same vcoproc goes on with a new slice: no switch. */
  stay(vcoproc: Vcoproc, slice: Duration): void {
    this.#keep(vcoproc);
    this.#charge();
    if (this.tenure !== undefined) this.tenure.asked = undefined;
    this.settle('ran');
    this.control(CONTROL.extend, vcoproc.slot, NO_SLOT, 0, slice);
    this.begin(vcoproc, slice, 0 as Duration, this.scheduler);
  }

  /** Nobody wants it to leave any more: what it denied is forgiven, and the window is its own again. */
  #keep(vcoproc: Vcoproc): void {
    this.#switch.withdraw();
    if (!vcoproc.window.mapped) this.mapWindow(vcoproc);
  }

  begin(vcoproc: Vcoproc, slice: Duration, switching: Duration, decidedBy: Scheduler): void {
    assert(this.tenure === undefined, 'one stay at a time');
    vcoproc.slices++;
    const tenure: Tenure = {
      vcoproc,
      decidedBy,
      slice,
      ends: after(this.now, slice),
      switching,
      expired: false,
      asked: undefined,
      cancelWatchdog: () => {},
    };
    this.tenure = tenure;
    this.#watch(tenure);
    if (vcoproc.state !== 'running') vcoproc.move('ARRIVED');
    vcoproc.arrived();
  }

  /** Whoever has the coprocessor is asked to leave it. */
  asked(): void {
    this.#charge();
    if (this.tenure !== undefined) this.tenure.asked ??= this.tenure.vcoproc.time;
  }

  /** Ends the present stay and tells the scheduler what really happened. */
  settle(outcome: Settled['outcome']): void {
    const { tenure } = this;
    if (tenure === undefined) return;
    this.tenure = undefined;
    tenure.cancelWatchdog();
    const { vcoproc, slice, switching } = tenure;
    const ran = vcoproc.unsettled();
    // Past its slice *and* asked to leave: what the hypervisor was late by is nobody's debt.
    const since = tenure.asked ?? vcoproc.time;
    const overrun = Math.max(0, Math.min(ran - slice, vcoproc.time - since)) as Duration;
    vcoproc.overrun = (vcoproc.overrun + overrun) as Duration;
    tenure.decidedBy.settle({ vcoproc: vcoproc.name, outcome, ran, overrun, switching, now: this.now });
  }

  /** Posts one command to the coprocessor. */
  control(op: number, slot: number, to: number, sequence: number, slice: Duration): void {
    this.#supervisor.link.post(op, slot, to, sequence, slice);
  }

  /** Gives a vcoproc the real window. */
  mapWindow(vcoproc: Vcoproc): void {
    vcoproc.window.map(this.#supervisor.link.window);
    // What came while it had no window was not rung for, and the coprocessor may have gone to sleep.
    if (vcoproc.queues.unfetched) this.ring();
  }

  // ---- what the coprocessor says

  /** Takes all events that are there, in order. */
  drain(): void {
    this.#supervisor.link.drain();
  }

  /** One after the other, as the coprocessor said them. */
  readonly #events: CoprocEvents = {
    onState: (slot, state, when) => this.#onState(state, this.#vcoprocs.get(slot), when),
    onInterrupt: (slot, line) => this.#vcoprocs.get(slot)?.interrupt(line),
    onExpired: (slot, command) => this.#onExpired(this.#vcoprocs.get(slot), command),
    onSwitched: (sequence, switched) => this.#switch.onSwitched(sequence, switched),
    onDenied: (sequence, retryAfter) => this.#switch.onDenied(sequence, retryAfter),
    onLoadFailed: (sequence, reason) => this.#switch.onLoadFailed(sequence, reason),
    onLost: (slot, reason) => this.#onLost(this.#vcoprocs.get(slot), reason),
    onCorrupt: (slot, queue) => this.#vcoprocs.get(slot)?.queues.distrust(queue),
    onEvicted: (slot, queue, sequence) => this.#vcoprocs.get(slot)?.queues.onEvicted(queue, sequence),
    onDmaFault: (slot, access, iova) => {
      const vcoproc = this.#vcoprocs.get(slot);
      const where = `0x${iova.toString(16).padStart(8, '0')}`;
      if (vcoproc !== undefined) this.blame(vcoproc, `IOMMU fault: ${access} at ${where}`, false);
    },
    onInvalidated: (slot, epoch) => this.#vcoprocs.get(slot)?.invalidated(epoch),
  };

  #onExpired(vcoproc: Vcoproc | undefined, command: UnderWay | undefined): void {
    const { tenure } = this;
    if (vcoproc === undefined || tenure?.vcoproc !== vcoproc) return;
    tenure.expired = true;
    this.#charge();
    const { commandTimeout } = this.description;
    if (vcoproc.commandTime(command) > commandTimeout)
      this.#isolate(vcoproc, `a command ran longer than ${showDuration(commandTimeout)}`);
    this.reschedule();
  }

  #onState(state: CoprocState, vcoproc: Vcoproc | undefined, when: Instant): void {
    const before = this.account.state;
    this.#enter(state, vcoproc, when);
    if (vcoproc === undefined || vcoproc !== this.current) return;
    if (state === 'idle' && (before === 'running' || before === 'denySwitch')) {
      // It has nothing to do; its context stays until somebody else wants the coprocessor.
      this.scheduler.sleep(vcoproc.name, when);
      this.settle('ran');
      vcoproc.move('DRAINED');
      this.#switch.ask();
      this.reschedule();
    } else if (state === 'running' && before === 'idle') {
      // Its context was still there and found work by itself.
      if (!this.mustLeave(vcoproc)) {
        vcoproc.move('WAKE');
        if (vcoproc.state === 'waiting') this.scheduler.wake(vcoproc.name, when);
      }
      this.reschedule();
    }
  }

  /** Charges the time until now, in the middle of a state. */
  #charge(): void {
    this.#owner?.ran(this.account.enter(this.account.state, this.now));
  }

  #enter(state: CoprocState, vcoproc: Vcoproc | undefined, when: Instant): void {
    const ran = this.account.enter(state, when);
    this.#owner?.ran(ran);
    this.#owner = vcoproc;
    this.trace({
      at: this.account.until,
      kind: 'coproc',
      coproc: this.id,
      state,
      vcoproc: vcoproc?.name ?? null,
    });
  }

  /** The firmware of the loaded context trapped: its context is gone, the coprocessor goes on. */
  #onLost(vcoproc: Vcoproc | undefined, reason: string): void {
    if (vcoproc === undefined) return;
    this.current = undefined;
    this.#isolate(vcoproc, reason);
    this.settle('failed');
    this.left(vcoproc);
    this.reschedule();
  }

  blame(vcoproc: Vcoproc, what: string, reset: boolean): void {
    vcoproc.blame(what);
    this.trace({ at: this.now, kind: 'fault', coproc: this.id, vcoproc: vcoproc.name, what, reset });
  }

  /** Its scheduler did what none may do; it goes on with another. */
  schedulerFailed(what: string): void {
    this.#faults.push(what);
    this.trace({ at: this.now, kind: 'fault', coproc: this.id, vcoproc: null, what, reset: false });
  }

  #isolate(vcoproc: Vcoproc, reason: string, reset = false): void {
    this.blame(vcoproc, reason, reset);
    this.#crashed(() => this.dump(vcoproc, reason));
    this.scheduler.remove(vcoproc.name);
    vcoproc.isolate(reason);
  }

  /** The context that should have come is not fit to be loaded. */
  refuse(vcoproc: Vcoproc, reason: string): void {
    this.#isolate(vcoproc, `context refused: ${reason}`);
    this.left(vcoproc);
  }

  /** A vcoproc's context is not in the coprocessor any more. */
  left(vcoproc: Vcoproc): void {
    vcoproc.left();
    this.#left(vcoproc);
  }

  #left(vcoproc: Vcoproc): void {
    const resolve = this.#leaving.get(vcoproc);
    this.#leaving.delete(vcoproc);
    resolve?.();
  }

  // ---- when it does not answer, or dies

  /** The running firmware neither left nor reported: it hangs in a step. */
  #watch(tenure: Tenure): void {
    const deadline = after(tenure.ends, this.description.stopDeadline);
    tenure.cancelWatchdog = this.runtime.timeline.at(deadline, () => this.#onWatchdog(tenure));
  }

  #onWatchdog(tenure: Tenure): void {
    this.drain();
    const { state } = this.account;
    const hangs =
      this.tenure === tenure && !tenure.expired && (state === 'running' || state === 'denySwitch');
    if (hangs && !this.excused(() => this.#onWatchdog(tenure)))
      this.reset(tenure.vcoproc, 'did not return from a step');
  }

  /**
   * Whether the coprocessor answers nobody because it makes another context known: nobody who runs is to
   * blame for that. `again` is called later; how long that may take is the supervisor's to say.
   */
  excused(again: () => void): boolean {
    if (!this.#supervisor.link.attaching) return false;
    this.runtime.timeline.at(after(this.now, this.description.stopDeadline), again);
    return true;
  }

  reset(guilty: Vcoproc, reason: string): void {
    this.#supervisor.reset(guilty, reason);
  }

  silent(reason: string): void {
    this.#supervisor.silent(reason);
  }

  /** It does not answer, though no step may take so long. */
  #onSilence(): void {
    const { current } = this;
    if (current === undefined) this.silent('does not answer');
    else this.reset(current, 'did not return from a step');
  }

  #onDown(): void {
    this.resets++;
    this.#enter('faulted', this.current, this.now);
  }

  /** Everybody who was there is told; who has a whole image waits for the successor with it. */
  #onGone(reason: string, expected: boolean): void {
    const { current } = this;
    if (!expected) {
      const vcoproc = current?.name ?? null;
      this.trace({ at: this.now, kind: 'fault', coproc: this.id, vcoproc, what: reason, reset: true });
      current?.blame(`coprocessor died: ${reason}`);
      this.#crashed(() => this.dump(current, reason));
    }
    this.settle('failed');
    this.#switch.abandon();
    this.current = undefined;
    for (const vcoproc of this.#vcoprocs.values()) {
      vcoproc.window.drop();
      if (vcoproc.state === 'isolated') vcoproc.left();
      else if (vcoproc.lost) {
        vcoproc.reset('coprocessor reset');
        if (vcoproc.state === 'sleeping') this.scheduler.sleep(vcoproc.name, this.now);
        // What its queues kept waits for the successor.
        else if (vcoproc.state === 'waiting') this.scheduler.wake(vcoproc.name, this.now);
      } else {
        // It died before it could say that this one had left.
        if (vcoproc === current) this.#switch.departed(vcoproc, vcoproc.queues.outstanding > 0);
        vcoproc.takePending();
      }
      this.#left(vcoproc);
    }
  }

  #onUp(): void {
    this.#enter('idle', undefined, this.now);
    // The successor has nobody's translations yet.
    for (const vcoproc of this.#vcoprocs.values()) vcoproc.left();
    this.drain();
    this.reschedule();
  }

  // ---- the end

  /** Closes the account and ends the coprocessor. */
  close(): void {
    if (this.#supervisor.closed) return;
    this.drain();
    this.settle('ran');
    this.#cancelDecision();
    this.#supervisor.close();
    this.#enter('idle', undefined, this.now);
  }

  /** Whether it holds nobody's context, and nothing is on the way. */
  get atRest(): boolean {
    return !this.#supervisor.down && this.current === undefined && this.#switch.ready;
  }

  /** Only while it is at rest. */
  save(): SavedCoproc {
    this.account.enter(this.account.state, this.now);
    return { id: this.id, report: this.report, algorithm: this.algorithm };
  }

  /** Goes on with the figures of a saved one; before it has any vcoproc. */
  restore({ report }: SavedCoproc): void {
    this.account = new Account(this.now, report);
    this.switches = report.switches;
    this.denials = report.denials;
    this.resets = report.resets;
  }

  /** What is here of the coprocessor and of one context at this moment. */
  dump(vcoproc: Vcoproc | undefined, reason: string): CrashDump {
    const { now, runtime, report, platform, current } = this;
    const { channel } = this.#supervisor.link;
    const coproc = { ...report, state: this.account.state, owner: current?.name ?? null };
    const where = {
      now,
      runtime: runtime.kind,
      coproc,
      platform,
      channel,
      vcoprocs: [...this.#byName.values()],
    };
    return crashDump(where, vcoproc, vcoproc === current, reason);
  }

  get occupancy(): Occupancy {
    const { tenure, current } = this;
    const left = tenure === undefined ? null : (Math.max(0, between(this.now, tenure.ends)) as Duration);
    return { id: this.id, state: this.account.state, owner: current?.name ?? null, sliceLeft: left };
  }

  get report(): CoprocReport {
    const { running, switching, idle, faulted, wall } = this.account.totals;
    return {
      id: this.id,
      platform: this.platform.compatible,
      scheduler: this.scheduler.name,
      timeslice: this.timeslice,
      running,
      switching,
      idle,
      faulted,
      wall,
      switches: this.switches,
      denials: this.denials,
      resets: this.resets,
      switchCost: this.switchCost.spread,
      faults: [...this.#faults],
    };
  }
}
