import { present } from '../base/assert.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import { NO_TIME, after, showDuration, us, type Duration, type Instant } from '../base/units.ts';
import type { DmaFaultEvent, TraceSink } from '../contract/events.ts';
import type { CoprocId, VcoprocId } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type { QueueService, QueueSpec, Runtime } from '../contract/port.ts';
import type { CrashDump } from '../contract/crash-dump.ts';
import { RECOVERY, RESET_DEADLINE, type Watchdogs } from '../contract/recovery.ts';
import type { CoprocReport } from '../contract/report.ts';
import type { Scheduler, SchedulerParameters, Settled } from '../contract/scheduler.ts';
import { type CoprocState } from '../contract/states.ts';
import type { CoprocDescription } from '../contract/system.ts';
import { CONTROL, NO_SLOT } from '../memory/channel.ts';
import { showAccess } from '../memory/iommu.ts';
import { Account } from './account.ts';
import { crashDump } from './crash-dump.ts';
import { Debts } from './debts.ts';
import { tellEvent, type CoprocEvents, type UnderWay } from './events.ts';
import type { SavedCoproc } from './saved.ts';
import { Members } from './members.ts';
import { Recovery } from './recovery.ts';
import { SpreadRecorder } from './spread.ts';
import { Supervisor } from './supervisor.ts';
import { Tenancy, type Tenure } from './tenure.ts';
import type { Vcoproc } from './vcoproc.ts';
import { WorldSwitch } from './world-switch.ts';

/** Between two questions to a scheduler that has nobody to run. */
const SHORTEST_REST = us(1);

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
  readonly members = new Members();
  readonly tenancy: Tenancy;
  readonly switchCost = new SpreadRecorder();
  switches = 0;
  denials = 0;
  resets = 0;
  readonly #iotlb = { hits: 0, misses: 0 };
  /** What schedulers of it did wrong, newest last. */
  readonly #faults: string[] = [];
  /** Who decides. A stay or a switch that another one decided is settled with that one. */
  scheduler: Scheduler;
  timeslice: Duration;
  /** What made the scheduler: its name in the hypervisor's record, its own parameters, the slice of then. */
  algorithm: SavedCoproc['algorithm'];
  watchdogs: Watchdogs;
  /** Whose context is in the coprocessor, working or not. */
  current: Vcoproc | undefined;
  /** Somebody woke whom the scheduler wants to decide about at once, and nothing was decided since. */
  urgent = false;
  /** Who is charged for the time that goes by. */
  #owner: Vcoproc | undefined;
  readonly #switch: WorldSwitch;
  readonly #recovery: Recovery;
  readonly #supervisor: Supervisor;
  readonly #debts: Debts;
  readonly #crashed: (dump: () => CrashDump) => void;
  #cancelDecision = (): void => {};
  /** Who has it, or how long whoever came back from idle stays, is decided soon. */
  #undecided = false;

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
    this.algorithm = { ...description.scheduler, timeslice: description.timeslice };
    const recovery = { ...RECOVERY, ...description.recovery };
    const { stopDeadline, resetDeadline = RESET_DEADLINE, commandTimeout, heartbeat } = description;
    this.watchdogs = { stopDeadline, resetDeadline, commandTimeout, ...(heartbeat && { heartbeat }) };
    this.runtime = runtime;
    this.trace = trace;
    this.account = new Account(this.now);
    this.#debts = new Debts(runtime.timeline);
    this.tenancy = new Tenancy({
      timeline: runtime.timeline,
      watchdogs: () => this.watchdogs,
      charge: () => this.charge(),
      onOverstay: (tenure) => this.#onOverstay(tenure),
    });
    this.#switch = new WorldSwitch(this);
    this.#recovery = new Recovery({
      id: this.id,
      timeline: runtime.timeline,
      trace,
      settings: recovery,
      watchdogs: () => this.watchdogs,
      current: () => this.current,
      supervisor: () => this.#supervisor,
      drop: (vcoproc) => this.control(CONTROL.drop, vcoproc.slot, NO_SLOT, 0, NO_TIME),
      drain: () => this.drain(),
      concerned: (vcoproc) => this.#concerned(vcoproc),
      leaving: (vcoproc) => this.members.detached(vcoproc),
      excused: (again) => this.excused(again),
      blame: (vcoproc, what, reset) => {
        this.blame(vcoproc, what, reset);
        this.#owe(vcoproc);
        if (!reset) crashed(() => this.dump(vcoproc, what));
      },
      sleep: (vcoproc) => this.scheduler.sleep(vcoproc.name, this.now),
      forget: (vcoproc) => this.scheduler.remove(vcoproc.name),
      back: (vcoproc) => this.#back(vcoproc),
      refuse: (vcoproc, reason) => this.refuse(vcoproc, reason),
    });
    this.#supervisor = new Supervisor({
      description,
      platform,
      runtime,
      vcoprocs: this.members,
      restarts: recovery.restarts,
      watchdogs: () => this.watchdogs,
      current: () => this.current,
      onEvent: (words, at) => tellEvent(words, at, this.#events),
      onDrained: () => this.current?.window.flush(),
      onSilence: () => this.#onSilence(),
      onDown: () => this.#onDown(),
      condemn: (guilty, reason) => {
        crashed(() => this.dump(guilty, reason));
        this.#debts.blame(guilty.name);
        this.#recovery.condemn(guilty, reason);
      },
      outlaw: (guilty, reason) => {
        crashed(() => this.dump(guilty, reason));
        this.#debts.blame(guilty.name);
        this.#recovery.outlaw(guilty, reason, true);
      },
      onGone: (reason, expected) => this.#onGone(reason, expected),
      onUp: () => this.#onUp(),
      onRetired: (why) => this.#onRetired(why),
      refuse: (vcoproc, reason) => this.refuse(vcoproc, reason),
    });
  }

  get now(): Instant {
    return this.runtime.timeline.now();
  }

  // ---- vcoprocs come and go

  /** Makes a vcoproc known to the coprocessor, then to the scheduler. `again`: one that was saved was let in before. */
  async attach(vcoproc: Vcoproc, parameters: SchedulerParameters, again = false): Promise<Outcome<void>> {
    if (!again && this.#debts.owes(vcoproc.name)) await this.#debts.paid(vcoproc.name);
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
    this.members.add(vcoproc);
    return attached;
  }

  /** Takes a vcoproc out, whatever it is doing. Resolves when the coprocessor holds nothing of it any more. */
  detach(vcoproc: Vcoproc): Promise<void> {
    return this.members.detach(vcoproc, async () => {
      this.scheduler.remove(vcoproc.name);
      if (this.#concerned(vcoproc)) {
        const gone = this.members.gone(vcoproc);
        this.reschedule();
        await gone;
      }
      this.members.remove(vcoproc);
      await this.#supervisor.detach(vcoproc);
    });
  }

  #concerned(vcoproc: Vcoproc): boolean {
    return this.current === vcoproc || this.#switch.concerns(vcoproc);
  }

  /** Whether a vcoproc has to leave although nobody else wants the coprocessor. */
  mustLeave(vcoproc: Vcoproc): boolean {
    return (
      this.members.awaited(vcoproc) ||
      vcoproc.state === 'isolated' ||
      this.#recovery.holds(vcoproc) ||
      !vcoproc.settings.awake()
    );
  }

  ring(): void {
    this.#supervisor.link.ring();
  }

  rouse(vcoproc: Vcoproc): void {
    // Whoever is kept out of it must not keep it awake either.
    if (!this.mustLeave(vcoproc)) this.#supervisor.link.rouse();
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
    // Others may go on at this instant, too: it is decided among all of them.
    if (this.#wakes(vcoproc)) this.#decideSoon();
  }

  onWake(vcoproc: Vcoproc): void {
    if (this.#wakes(vcoproc)) this.reschedule();
  }

  /** Answers whether it is to be decided who has the coprocessor. */
  #wakes(vcoproc: Vcoproc): boolean {
    // Whoever has to leave is looked at again when it may stay: at the end of a pause, or of a reset.
    if (this.mustLeave(vcoproc)) return false;
    vcoproc.move('WAKE');
    if (vcoproc.state !== 'waiting' && vcoproc.state !== 'running') return false;
    // A switch that is under way ends first.
    if (this.scheduler.wake(vcoproc.name, this.now)) this.urgent = true;
    return this.urgent || this.tenancy.current === undefined;
  }

  // ---- deciding

  /** Asks the scheduler who runs now, and makes it so. */
  reschedule(): void {
    this.#undecided = false;
    if (this.#supervisor.down || !this.#switch.ready) return;
    this.#cancelDecision();
    // Decided for the end of a slice that was told ahead: whoever has it keeps it until then.
    const { current: tenure } = this.tenancy;
    const atEnd = tenure?.expired === true && !this.urgent && !this.mustLeave(tenure.vcoproc);
    this.urgent = false;
    const decision = this.scheduler.pick(this.now);
    if (decision.kind === 'idle') {
      this.#rest(decision.until);
      return;
    }
    const next = present(
      this.members.named(decision.vcoproc),
      'a scheduler chooses among those that it admitted',
    );
    if (next === this.current) this.stay(next, decision.slice);
    else this.#switch.begin({ vcoproc: next, slice: decision.slice }, atEnd);
  }

  /**
   * Decides when all that happens at this instant has happened: it takes longer than to hear of what was told together
   * with this, and whoever waits for that goes first. The end of a switch decides by itself.
   */
  #decideSoon(): void {
    if (!this.#switch.ready) return;
    this.#undecided = true;
    this.#cancelDecision();
    this.#cancelDecision = this.runtime.timeline.at(this.now, () => {
      if (this.#undecided) this.reschedule();
    });
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
    this.charge();
    this.tenancy.pardon();
    this.settle('ran');
    this.control(CONTROL.extend, vcoproc.slot, NO_SLOT, 0, slice);
    this.tenancy.begin(vcoproc, slice, NO_TIME, this.scheduler);
  }

  /** Nobody wants it to leave any more: what it denied is forgiven, and the window is its own again. */
  #keep(vcoproc: Vcoproc): void {
    this.#switch.withdraw();
    if (!vcoproc.window.mapped) this.mapWindow(vcoproc);
  }

  settle(outcome: Settled['outcome'], drained = NO_TIME): void {
    this.#count();
    this.tenancy.settle(outcome, drained);
  }

  /** Adds what the coprocessor counted since: often enough that it has not begun from zero again meanwhile. */
  #count(): void {
    this.#supervisor.link.addTranslations(this.#iotlb);
  }

  /** Posts one command to the coprocessor. */
  control(op: number, slot: number, to: number, sequence: number, slice: Duration, atEnd = false): void {
    this.#supervisor.link.post(op, slot, to, sequence, slice, atEnd);
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
    onState: (slot, state, when) => this.#onState(state, this.members.at(slot), when),
    onInterrupt: (slot, line, count) => this.members.at(slot)?.interrupt(line, count),
    onExpired: (slot, command) => this.#onExpired(this.members.at(slot), command),
    onCorrupt: (slot, queue) => this.members.at(slot)?.queues.distrust(queue),
    onEvicted: (slot, queue, sequence) => this.members.at(slot)?.queues.onEvicted(queue, sequence),
    onSwitched: (sequence, switched) => this.#switch.onSwitched(sequence, switched),
    onDenied: (sequence, retryAfter) => this.#switch.onDenied(sequence, retryAfter),
    onLoadFailed: (sequence, reason) => this.#switch.onLoadFailed(sequence, reason),
    onLost: (slot, reason) => this.#onOut(this.members.at(slot), reason),
    onDmaFault: (slot, dma, untold) => {
      const vcoproc = this.members.at(slot);
      if (vcoproc === undefined) return;
      const before = untold === 0 ? '' : `, after ${untold} others`;
      this.blame(vcoproc, `IOMMU fault: ${showAccess(dma)}${before}`, false, dma);
    },
    onThrough: (slot) => this.#onThrough(this.members.at(slot)),
    onInvalidated: (slot, epoch) => this.members.at(slot)?.invalidated(epoch),
    onDropped: (slot) => {
      const vcoproc = this.members.at(slot);
      if (vcoproc !== undefined && this.#recovery.drops(vcoproc)) this.#onOut(vcoproc, undefined);
    },
  };

  /** It waits between two commands, awake as before: it leaves now, or is told to go on. */
  #onThrough(vcoproc: Vcoproc | undefined): void {
    if (vcoproc === undefined || vcoproc !== this.current) return;
    this.#switch.ask();
    this.reschedule();
  }

  #onExpired(vcoproc: Vcoproc | undefined, command: UnderWay | undefined): void {
    const tenure = this.tenancy.current;
    if (vcoproc === undefined || tenure?.vcoproc !== vcoproc) return;
    tenure.expired = true;
    this.charge();
    const { commandTimeout } = this.watchdogs;
    if (vcoproc.commandTime(command) > commandTimeout)
      this.overdue(vcoproc, `a command ran longer than ${showDuration(commandTimeout)}`);
    this.reschedule();
  }

  #onState(state: CoprocState, vcoproc: Vcoproc | undefined, when: Instant): void {
    const before = this.account.state;
    this.#enter(state, vcoproc, when);
    if (vcoproc === undefined || vcoproc !== this.current) return;
    if (state === 'idle' && (before === 'running' || before === 'denySwitch')) {
      // A stay that ended before it was decided was one all the same.
      if (this.#undecided) this.reschedule();
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
      this.#decideSoon();
    }
  }

  /** Charges the time until now, in the middle of a state. */
  charge(): void {
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

  /** A context is not in the coprocessor any more and nothing of it was saved; the coprocessor goes on. */
  #onOut(vcoproc: Vcoproc | undefined, fault: string | undefined): void {
    if (vcoproc === undefined) return;
    if (this.current === vcoproc) {
      this.current = undefined;
      this.#switch.lost();
    }
    vcoproc.window.drop();
    this.#recovery.onOut(vcoproc, fault);
    if (this.tenancy.current?.vcoproc === vcoproc) this.settle('failed');
    this.left(vcoproc);
    this.reschedule();
  }

  blame(vcoproc: Vcoproc, what: string, reset: boolean, dma?: DmaFaultEvent): void {
    vcoproc.guilt.blame(what);
    const fault = {
      at: this.now,
      kind: 'fault',
      coproc: this.id,
      vcoproc: vcoproc.name,
      what,
      reset,
    } as const;
    this.trace(dma === undefined ? fault : { ...fault, dma });
  }

  /** Its scheduler did what none may do; it goes on with another. */
  schedulerFailed(what: string): void {
    this.#faults.push(what);
    this.trace({ at: this.now, kind: 'fault', coproc: this.id, vcoproc: null, what, reset: false });
  }

  /** The context that should have come is not fit to be loaded. */
  refuse(vcoproc: Vcoproc, reason: string): void {
    this.#recovery.outlaw(vcoproc, `context refused: ${reason}`, false);
    this.left(vcoproc);
  }

  /** A vcoproc's context is not in the coprocessor any more. */
  left(vcoproc: Vcoproc): void {
    vcoproc.left();
    this.members.left(vcoproc);
  }

  // ---- when something goes wrong; `recovery.ts` has the order

  /** Clears what is one vcoproc's own, whatever it is doing. Nobody else notices. */
  resetVcoproc(vcoproc: Vcoproc, reason: string): Promise<Outcome<void>> {
    return this.#recovery.reset(vcoproc, reason);
  }

  /** Its domain is to have no coprocessor any more, for one share of it: it leaves this one, and does not come back. */
  isolate(vcoproc: Vcoproc, guilty: VcoprocId, reason: string): void {
    this.#recovery.isolate(vcoproc, reason, { cause: 'domain', guilty });
    if (this.#concerned(vcoproc)) this.reschedule();
  }

  /** It has the coprocessor for longer than it may. */
  overdue(vcoproc: Vcoproc, reason: string): void {
    this.#recovery.overdue(vcoproc, reason);
  }

  silent(reason: string): void {
    this.#supervisor.silent(reason);
  }

  /** Its fault took from whoever waits what it had since it came, or since its last fault. */
  #owe(vcoproc: Vcoproc): void {
    const { stopDeadline, resetDeadline } = this.watchdogs;
    const longest = this.timeslice + stopDeadline + resetDeadline;
    const taken = Math.min(longest, vcoproc.time - vcoproc.guilt.paidUntil) as Duration;
    vcoproc.guilt.paidUntil = vcoproc.time;
    this.#debts.owe(vcoproc.name, taken, this.#waiting(vcoproc));
  }

  #waiting(except: Vcoproc | undefined): number {
    let waiting = 0;
    for (const vcoproc of this.members)
      if (vcoproc !== except && vcoproc.state !== 'isolated' && vcoproc.queues.outstanding > 0) waiting++;
    return waiting;
  }

  /** A reset is over, and what came meanwhile waits. */
  #back(vcoproc: Vcoproc): void {
    vcoproc.release();
    if (vcoproc.queues.outstanding > 0) this.onWake(vcoproc);
  }

  /** The running firmware neither left nor reported: it hangs in a step. */
  #onOverstay(tenure: Tenure): void {
    this.drain();
    const { state } = this.account;
    const hangs =
      this.tenancy.current === tenure && !tenure.expired && (state === 'running' || state === 'denySwitch');
    if (hangs && !this.excused(() => this.#onOverstay(tenure)))
      this.overdue(tenure.vcoproc, 'did not return from a step');
  }

  /**
   * Whether the coprocessor answers nobody because it makes another context known: nobody who runs is to
   * blame for that. `again` is called later; how long that may take is the supervisor's to say.
   */
  excused(again: () => void): boolean {
    if (!this.#supervisor.link.attaching) return false;
    this.runtime.timeline.at(after(this.now, this.watchdogs.stopDeadline), again);
    return true;
  }

  /** It does not answer, though no step may take so long. */
  #onSilence(): void {
    const { current } = this;
    if (current === undefined) this.silent('does not answer');
    else this.#supervisor.reset(current, 'did not return from a step');
  }

  #onDown(): void {
    this.resets++;
    this.#debts.down();
    this.#enter('faulted', this.current, this.now);
  }

  /** Everybody who was there is told; who has a whole image waits for the successor with it. */
  #onGone(reason: string, expected: boolean): void {
    const { current } = this;
    if (!expected) {
      const vcoproc = current?.name ?? null;
      this.trace({ at: this.now, kind: 'fault', coproc: this.id, vcoproc, what: reason, reset: true });
      current?.guilt.blame(`coprocessor died: ${reason}`);
      this.#crashed(() => this.dump(current, reason));
    }
    this.settle('failed');
    this.#switch.abandon();
    this.current = undefined;
    for (const vcoproc of this.members) {
      vcoproc.window.drop();
      vcoproc.queues.unknown();
      const dealtWith = this.#recovery.onGone(vcoproc);
      if (vcoproc.state === 'isolated') vcoproc.left();
      else if (dealtWith) vcoproc.takePending();
      else if (vcoproc.lost) {
        const anew = vcoproc.reset('coprocessor reset');
        if (anew.kind === 'failed') {
          this.#recovery.isolate(vcoproc, anew.reason, { cause: 'unfit' });
          vcoproc.left();
        } else if (vcoproc.state === 'sleeping') this.scheduler.sleep(vcoproc.name, this.now);
        // What its queues kept waits for the successor, unless its scheduler has forgotten it: it is being detached.
        else if (vcoproc.state === 'waiting' && !this.members.detached(vcoproc))
          this.scheduler.wake(vcoproc.name, this.now);
      } else {
        // It died before it could say that this one had left.
        if (vcoproc === current) this.#switch.departed(vcoproc, vcoproc.queues.outstanding > 0);
        vcoproc.takePending();
      }
      this.members.left(vcoproc);
    }
  }

  #onUp(): void {
    this.#debts.up(this.#waiting(undefined));
    this.#enter('idle', undefined, this.now);
    this.#recovery.tell('restarted', 'every context is there again');
    // The successor has nobody's translations yet.
    for (const vcoproc of this.members) vcoproc.left();
    this.drain();
    this.reschedule();
  }

  /** There will be no successor: whoever is here is told so with every command, and has its other coprocessors. */
  #onRetired(why: string): void {
    this.#debts.up(0);
    this.#enter('outOfService', undefined, this.now);
    this.#recovery.tell('out-of-service', why);
    for (const vcoproc of this.members) {
      this.#recovery.isolate(vcoproc, `${this.id} is out of service: ${why}`, { cause: 'unfit' });
      this.left(vcoproc);
    }
  }

  // ---- the end

  /** Closes the account and ends the coprocessor. */
  close(): void {
    if (this.#supervisor.closed) return;
    this.#debts.up(0);
    this.drain();
    this.settle('ran');
    this.#cancelDecision();
    this.#supervisor.close();
    this.#enter(this.#supervisor.retired === undefined ? 'idle' : 'outOfService', undefined, this.now);
  }

  /** Whether it holds nobody's context, and nothing is on the way. */
  get atRest(): boolean {
    const settled = !this.#supervisor.down || this.#supervisor.retired !== undefined;
    return settled && this.current === undefined && this.#switch.ready;
  }

  /** Only while it is at rest. */
  save(): SavedCoproc {
    this.account.enter(this.account.state, this.now);
    return {
      id: this.id,
      report: this.report,
      algorithm: this.algorithm,
      past: this.scheduler.save?.() ?? null,
      watchdogs: this.watchdogs,
      debts: this.#debts.save(),
      deaths: this.#supervisor.deaths,
    };
  }

  /** Goes on from a saved one, as {@link resumedCoproc} describes it; vcoprocs come afterwards. */
  restore(saved: SavedCoproc): Outcome<void> {
    const { report, past } = saved;
    if (report.timeslice !== this.timeslice) this.scheduler.retime(report.timeslice);
    this.timeslice = report.timeslice;
    const refusal = past === null ? undefined : this.scheduler.restore?.(past);
    if (refusal !== undefined) return failed(`${this.id}: ${refusal.reason}`);
    this.#debts.restore(saved.debts);
    this.#recovery.vcoprocResets = report.vcoprocResets;
    this.#recovery.isolated = report.isolated;
    this.#faults.push(...report.faults);
    this.account = new Account(this.now, report);
    this.switches = report.switches;
    this.denials = report.denials;
    this.resets = report.resets;
    Object.assign(this.#iotlb, report.iotlb);
    this.#supervisor.restore(saved);
    if (this.#supervisor.retired !== undefined) this.#enter('outOfService', undefined, this.now);
    return ok(undefined);
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
      vcoprocs: [...this.members],
    };
    return crashDump(where, vcoproc, vcoproc === current, reason);
  }

  get occupancy(): Occupancy {
    const { id, current, tenancy } = this;
    return { id, state: this.account.state, owner: current?.name ?? null, sliceLeft: tenancy.left };
  }

  get report(): CoprocReport {
    this.#count();
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
      vcoprocResets: this.#recovery.vcoprocResets,
      isolated: this.#recovery.isolated,
      outOfService: this.#supervisor.retired ?? null,
      switchCost: this.switchCost.spread,
      iotlb: { ...this.#iotlb },
      faults: [...this.#faults],
    };
  }
}
