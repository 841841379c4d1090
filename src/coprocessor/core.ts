import { compileTable } from '../../machines/table.ts';
import { coprocessorMachine, type CoprocessorEvent } from '../../machines/coprocessor.ts';
import { InvariantError, assert, present } from '../base/assert.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import { NO_TIME, START, after, before, between, ns, type Duration, type Instant } from '../base/units.ts';
import type { Access } from '../contract/events.ts';
import type { Device, Platform } from '../contract/platform.ts';
import type { ContextSpec, CoprocessorSpec, QueueSpec } from '../contract/port.ts';
import { COPROC_STATES, type CoprocState } from '../contract/states.ts';
import { ATTACHING, CONTROL, NO_SLOT, WINDOW_WORDS, readInstant, readService } from '../memory/channel.ts';
import { LINES } from '../memory/context-image.ts';
import type { Doorbell } from '../memory/doorbell.ts';
import { Iommu } from '../memory/iommu.ts';
import { CORRUPT, RingConsumer, RingProducer } from '../memory/ring.ts';
import { Context } from './context.ts';
import { completeNoops, fetchCommand, finishCommand, showCompletions } from './front-end.ts';
import {
  completionInterrupt,
  deliverInterrupts,
  deliverable,
  flushInterrupts,
  raiseInterrupt,
} from './interrupts.ts';
import type { CoreHost, CoreParts } from './parts.ts';
import type { Queue } from './queue.ts';
import { Reporter } from './reporter.ts';
import { FirmwareLoader } from './firmware-loader.ts';
import { arrive, depart, leaveRemains, type SwitchRequest } from './world-switch.ts';

/** What a turn of the core says to whoever steps it. */
export const TURN = {
  /** There is, or may be, more to do. */
  again: 0,
  /** Nothing to do until somebody rings. */
  sleep: 1,
  /** As `sleep`, but for whoever asked to be let wait a little for more: the context counts as running still. */
  linger: 3,
  /** A metered firmware used more cycles than the watchdog allows: on a thread it would never have returned. */
  hung: 2,
} as const;
export type Turn = (typeof TURN)[keyof typeof TURN];

const table = compileTable<CoprocState, CoprocessorEvent>(coprocessorMachine, COPROC_STATES);

/** Cycles that fetching, finishing or looking takes: what a simulated run charges beside the firmware's own. */
const FRONT_END_CYCLES = 64;

/** The end of a slice is told ahead when it is so many leads long. */
const LEADS = 4;

export const OUT_OF_FUEL = 'out of fuel';
const MAX_FUEL = 2 ** 30;

/** Whether the loaded context may begin commands: it denied to leave, and whether that it waits since was told. */
const NOT_HELD = 0;
const HELD = 1;
const TOLD = 2;

/**
 * One coprocessor: obeys the hypervisor's control ring, fetches the loaded context's commands, steps
 * its firmware, raises its interrupts, switches contexts. It runs in turns of one step and never blocks,
 * so that a thread and a simulation can drive it alike.
 */
export class CoprocessorCore implements CoreParts {
  readonly spec: CoprocessorSpec;
  device: Device;
  readonly window: Int32Array;
  readonly iommu: Iommu;
  readonly reporter: Reporter;
  readonly host: CoreHost;
  readonly platform: Platform;
  loaded: Context | undefined;
  readonly #control: RingConsumer;
  readonly #posted: RingConsumer;
  readonly #contexts = new Map<number, Context>();
  readonly #loader: FirmwareLoader;
  readonly #writable: Uint8Array;
  readonly #resetValues = new Int32Array(WINDOW_WORDS);
  readonly #stepCycles: number;
  #state: CoprocState = table.initial;
  #until: Instant = START;
  /** When its end is told. */
  #tellAt: Instant = START;
  #expired = false;
  #request: SwitchRequest | undefined;
  /**
   * The loaded context denied to leave in the middle of a command. It begins no other before the hypervisor has said what
   * follows: firmware that can leave between commands only would have to be asked at the very moment between two.
   */
  #held: typeof NOT_HELD | typeof HELD | typeof TOLD = NOT_HELD;
  /** The loaded context has had nothing to do since then, and nobody was told yet. */
  #quietSince: Instant | undefined;

  constructor(spec: CoprocessorSpec, platform: Platform, host: CoreHost, hypervisor: Doorbell) {
    this.spec = spec;
    this.iommu = new Iommu(new Int32Array(spec.channel.counters));
    this.platform = platform;
    this.host = host;
    this.device = platform.createDevice();
    this.window = new Int32Array(spec.channel.window);
    this.#control = new RingConsumer(spec.channel.control);
    this.#posted = new RingConsumer(spec.channel.posted);
    this.reporter = new Reporter(new RingProducer(spec.channel.events), hypervisor);
    this.#loader = new FirmwareLoader(this);
    this.#stepCycles = Math.min(MAX_FUEL, Math.ceil((spec.stepLimit / 1e9) * spec.clock));
    this.#writable = new Uint8Array(WINDOW_WORDS);
    for (const { offset, firmware, reset } of platform.registers) {
      if (firmware) this.#writable[offset >> 2] = 1;
      this.#resetValues[offset >> 2] = reset;
    }
    this.resetWindow();
    this.reporter.state(this.#state, NO_SLOT, host.now());
    this.reporter.announce();
  }

  attach(spec: ContextSpec): Outcome<void> {
    const bells = new Int32Array(this.spec.channel.bells);
    Atomics.store(bells, ATTACHING, spec.slot + 1);
    const firmware = this.#loader.load(spec);
    Atomics.store(bells, ATTACHING, 0);
    if (firmware.kind === 'failed') return firmware;
    this.#contexts.set(spec.slot, new Context(spec, firmware.value, this.spec.verifiesMemory === true));
    return ok(undefined);
  }

  addQueues(slot: number, queues: readonly QueueSpec[]): Outcome<void> {
    const context = this.#contexts.get(slot);
    if (context === undefined) return failed('the context is not known');
    context.queues.add(queues);
    return ok(undefined);
  }

  detach(slot: number): Outcome<void> {
    if (this.loaded?.slot === slot) return failed('the context is loaded');
    this.#contexts.delete(slot);
    this.#loader.retain(new Set([...this.#contexts.values()].map((context) => context.spec.firmware.digest)));
    return ok(undefined);
  }

  /** Among how many contexts the coprocessor is shared. */
  get sharers(): number {
    return this.#contexts.size;
  }

  /** Whether the loaded context has a command to fetch: the shortest of looks. */
  hasCommand(): boolean {
    const context = this.loaded;
    return context !== undefined && this.#held === NOT_HELD && this.#mayBegin(context);
  }

  #mayBegin(context: Context): boolean {
    return context.queues.any && this.device.accepts(this.window);
  }

  /** Whether the hypervisor has said something that was not obeyed yet. */
  protected get asked(): boolean {
    return this.#control.available() > 0;
  }

  /** Whether there is something to do: asked between `arm` and sleeping. */
  hasWork(): boolean {
    if (this.asked || this.#posted.available() > 0 || this.#request !== undefined) return true;
    if (this.reporter.behind) return true;
    const context = this.loaded;
    if (context === undefined) return false;
    if (this.iommu.stale || deliverable(this, context)) return true;
    return context.active || this.hasCommand();
  }

  /**
   * One step. Everything that can take long is cut into steps, so that the next turn comes soon. With `lingers`,
   * a context that ran out of work is not reported idle yet.
   */
  turn(lingers = false): Turn {
    const turn = this.#turn(lingers);
    // Nothing is kept back by who goes to sleep: nobody would come back for it.
    if (turn === TURN.sleep && this.loaded !== undefined) flushInterrupts(this, this.loaded, this.reporter);
    // To wake the hypervisor takes longer than a world switch: while one is under way, what is said waits for its end.
    if (this.#request !== undefined) this.reporter.show();
    // To look for room takes time, or a simulated coprocessor would look for ever at one instant.
    else if (this.reporter.announce()) this.host.spend(this.cycles(FRONT_END_CYCLES));
    return turn;
  }

  #turn(lingers: boolean): Turn {
    if (this.asked) {
      this.#obey();
      return TURN.again;
    }
    this.#drainPosted();
    if (this.loaded === undefined) return TURN.sleep;
    this.#acknowledge(this.loaded);
    deliverInterrupts(this, this.loaded, this.reporter);
    const request = this.#request;
    if (request !== undefined && this.#isDue(this.loaded, request)) return this.#leave(this.loaded, request);
    return this.#run(this.loaded, lingers);
  }

  // ---- what the hypervisor says

  #obey(): void {
    const at = this.#control.peek();
    const words = this.#control.words;
    const op = words[at]!;
    const slot = words[at + 1]!;
    const to = words[at + 2]!;
    const sequence = words[at + 3]!;
    const slice = (readInstant(words, at + 4) - START) as Duration;
    const atEnd = words[at + 6] === 1;
    const service = op === CONTROL.queue ? readService(words, at, slice) : undefined;
    this.#control.release();
    this.host.spend(this.cycles(FRONT_END_CYCLES));
    if (op === CONTROL.extend) {
      // With another slot it asks no more than whether anybody listens.
      if (this.loaded?.slot !== slot) return;
      this.#extend(slice);
      this.#held = NOT_HELD;
    } else if (service !== undefined) {
      const context = this.#contexts.get(slot);
      const queue = context?.queues.serve(to, service);
      // The hypervisor says it once more when it has made the queue known.
      if (context === undefined || queue === undefined) return;
      queue.asked = queue.served ? undefined : sequence;
      if (!context.active || context.queue !== to) this.#tellEvicted(context, queue);
    } else if (op === CONTROL.drop) {
      this.#drop(slot);
    } else if (op === CONTROL.worldSwitch) {
      // Writes that were posted before the window was taken away belong to the context that leaves.
      this.#drainPosted();
      const next = to === NO_SLOT ? undefined : this.#contexts.get(to);
      assert(to === NO_SLOT || next !== undefined, 'the hypervisor switches to contexts that it attached');
      const request = { next, sequence, slice, atEnd, started: undefined, drained: NO_TIME };
      if (this.loaded === undefined) {
        this.#since(request);
        this.#come(request, 0, undefined);
      } else {
        this.#request = request;
        if (!atEnd) this.#quiesce(request);
      }
    } else throw new InvariantError(`no control operation ${op}`);
  }

  /** The context leaves without being asked, and nothing of it is kept. */
  #drop(slot: number): void {
    const there = this.loaded?.slot === slot ? this.loaded : undefined;
    if (there !== undefined) leaveRemains(this, there);
    this.reporter.dropped(slot, this.host.now());
    if (there === undefined) return;
    this.#lose();
    this.move('DROP');
  }

  /** Another slice begins: behind the one whose end was told ahead, or now. */
  #extend(length: Duration): void {
    const now = this.host.now();
    this.#slice(this.#expired && this.#until > now ? this.#until : now, length);
  }

  #slice(from: Instant, length: Duration): void {
    this.#until = after(from, length);
    // Of a short slice too little would be left.
    this.#tellAt = length < LEADS * this.spec.lead ? this.#until : before(this.#until, this.spec.lead);
    this.#expired = false;
  }

  // ---- the world switch, the coprocessor's half

  /** Whether the time of a switch has come: at once, at the end of the slice, or when there is nothing more to do. */
  #isDue(context: Context, request: SwitchRequest): boolean {
    if (!request.atEnd || request.started !== undefined) return true;
    return (!context.active && !this.hasCommand()) || this.host.now() >= this.#until;
  }

  /** Since when it has been under way: now, if it was not before. */
  #since(request: SwitchRequest): Instant {
    return (request.started ??= this.host.now());
  }

  #quiesce(request: SwitchRequest): void {
    this.move('QUIESCE');
    this.#since(request);
  }

  #leave(context: Context, request: SwitchRequest): Turn {
    if (request.started === undefined) this.#quiesce(request);
    let trap: string | undefined;
    const askFirmware = (): number => {
      const { instance } = context.firmware;
      this.#refuel(context);
      try {
        return Math.max(0, instance.quiesce());
      } catch (error) {
        trap = instance.trapReason(error);
        return 0;
      } finally {
        this.#chargeFuel(context);
      }
    };
    const { active } = context;
    const outcome = this.device.quiesce(this.window, active, active ? askFirmware : () => 0);
    if (trap === OUT_OF_FUEL) return TURN.hung;
    if (trap !== undefined) {
      this.#trap(context, trap);
      return TURN.again;
    }
    if (outcome.kind === 'draining') return this.#step(context);
    this.#request = undefined;
    if (outcome.kind === 'denied') {
      this.#held = active ? HELD : NOT_HELD;
      this.move('DENY');
      this.reporter.denied(
        context.slot,
        this.host.now(),
        request.sequence,
        Math.ceil(outcome.retryAfter / 1e3),
      );
      return TURN.again;
    }
    request.drained = between(this.#since(request), this.host.now());
    // What it raised and finished is told before it counts as whole. The bell is for the end of the turn.
    this.#releaseInterrupts(context, undefined);
    this.reporter.show();
    const saved = depart(this, context);
    this.loaded = undefined;
    this.#held = NOT_HELD;
    this.#come(request, saved, context);
    return TURN.again;
  }

  /** Behind the context that left, if one did, the next one comes, if one does. */
  #come(request: SwitchRequest, saved: number, left: Context | undefined): void {
    const next = request.next;
    const more = left?.hasWork() ?? false;
    if (next === undefined) {
      if (left !== undefined) this.move('SAVED');
      this.#switched(request, saved, 0, more);
      return;
    }
    this.move('LOAD', next.slot);
    const loaded = arrive(this, next);
    if (loaded.kind === 'failed') {
      this.move('REFUSED', NO_SLOT);
      this.reporter.loadFailed(next.slot, this.host.now(), request.sequence, loaded.reason);
      return;
    }
    this.loaded = next;
    next.lines = next.image.pendingLines;
    this.#quietSince = undefined;
    this.#slice(this.host.now(), request.slice);
    this.move('LOADED');
    this.#switched(request, saved, loaded.value, more);
  }

  /** Whoever is loaded now has the coprocessor. */
  #switched(request: SwitchRequest, saved: number, loaded: number, more: boolean): void {
    const slot = this.loaded?.slot ?? NO_SLOT;
    const { sequence, drained } = request;
    const started = this.#since(request);
    this.reporter.switched(slot, this.host.now(), sequence, saved, loaded, more, started, drained);
  }

  // ---- running the loaded context

  #run(context: Context, lingers: boolean): Turn {
    if (!this.#expired && this.host.now() >= this.#tellAt) {
      this.#expired = true;
      this.reporter.expired(context, this.host.now());
    }
    if (context.queues.holds) this.#releaseInterrupts(context, this.host.now());
    if (context.active) return this.#step(context);
    if (this.#held !== NOT_HELD) {
      if (this.#mayBegin(context)) return this.#wait(context);
      this.#held = NOT_HELD;
    }
    const queue = this.device.accepts(this.window) ? context.queues.next() : undefined;
    if (queue === undefined) return this.#rest(context, lingers);
    this.#quietSince = undefined;
    if (this.#state === 'idle') {
      this.move('WORK');
      // Who decides the length of this stay has to decide it anew.
      this.#expired = false;
    }
    const waiting = queue.commands.available();
    if (waiting <= 0) {
      this.host.spend(this.cycles(FRONT_END_CYCLES));
      if (waiting === CORRUPT) this.#distrust(context, queue);
      return TURN.again;
    }
    const noops = completeNoops(context, queue, waiting);
    if (noops > 0) {
      const length = this.cycles(FRONT_END_CYCLES * noops);
      this.host.spend(length);
      this.device.onStart(this.window);
      this.#completed(context, queue, noops, true);
      this.host.spend(length);
      return TURN.again;
    }
    this.host.spend(this.cycles(FRONT_END_CYCLES));
    const op = fetchCommand(context, queue);
    this.device.onStart(this.window);
    if (op === 0) return this.#finish(context, 1);
    return this.#call(context, context.firmware.instance.start);
  }

  /** Between two commands, after a denial: says so once. */
  #wait(context: Context): Turn {
    if (this.#held === HELD) this.reporter.through(context.slot, this.host.now());
    this.#held = TOLD;
    return TURN.sleep;
  }

  /** Nothing to do. Idle since it ran out of work, whenever that is told. */
  #rest(context: Context, lingers: boolean): Turn {
    // Nobody waits for an interrupt longer than the coprocessor has commands.
    if (context.queues.holds) this.#releaseInterrupts(context, undefined);
    if (this.#state === 'idle') return TURN.sleep;
    if (lingers) {
      this.#quietSince ??= this.host.now();
      return TURN.linger;
    }
    this.move('DRAINED', undefined, this.#quietSince);
    this.#quietSince = undefined;
    return TURN.sleep;
  }

  #step(context: Context): Turn {
    this.device.onStep(this.window);
    return this.#call(context, context.firmware.instance.step);
  }

  #call(context: Context, entry: (budget: number) => number): Turn {
    this.#refuel(context);
    let status = 0;
    try {
      status = entry(this.platform.stepBudget);
    } catch (error) {
      const reason = context.firmware.instance.trapReason(error);
      this.#chargeFuel(context);
      if (reason === OUT_OF_FUEL) return TURN.hung;
      this.#trap(context, reason);
      return TURN.again;
    }
    this.#chargeFuel(context);
    return status === 0 ? TURN.again : this.#finish(context, status);
  }

  /** One call of a metered firmware gets the cycles that the watchdog would give it; more is a hang. */
  #refuel(context: Context): void {
    if (context.spec.firmware.metered) context.firmware.instance.refuel(this.#stepCycles);
  }

  #chargeFuel(context: Context): void {
    if (context.spec.firmware.metered)
      this.host.spend(this.cycles(this.#stepCycles - context.firmware.instance.fuelLeft()));
  }

  #finish(context: Context, status: number): Turn {
    const queue = present(
      context.queues.get(context.queue),
      'a queue stays while a command of it is under way',
    );
    if (finishCommand(context, queue, status)) this.#completed(context, queue, 1, status === 1);
    else {
      this.device.onEnd(this.window, false);
      this.#distrust(context, queue);
    }
    this.#tellEvicted(context, queue);
    this.host.spend(this.cycles(FRONT_END_CYCLES));
    return TURN.again;
  }

  /** So many commands of a queue have their completions: shows them, with an interrupt if that is due. */
  #completed(context: Context, queue: Queue, count: number, ok: boolean): void {
    this.device.onEnd(this.window, ok);
    if (queue.index === 0) Atomics.store(this.window, this.platform.core.fence >> 2, context.sequence);
    if (!showCompletions(queue) && queue.held === 0) return;
    if (queue.service.count === 1 || context.queues.hold(queue, count, this.host.now()))
      this.#announce(context, queue);
  }

  #announce(context: Context, queue: Queue): void {
    context.queues.announce(queue);
    completionInterrupt(this, context, this.reporter);
  }

  #releaseInterrupts(context: Context, now: Instant | undefined): void {
    context.queues.release(now, (queue) => this.#announce(context, queue));
  }

  /** Answers whether no command of a queue is under way. */
  #tellEvicted(context: Context, queue: Queue): void {
    if (queue.asked === undefined) return;
    this.reporter.evicted(context.slot, this.host.now(), queue.index, queue.asked);
    queue.asked = undefined;
    if (queue.service.gone) context.queues.forget(queue);
  }

  /** An index in a queue's rings cannot be true: it is served no more, and nobody else is touched. */
  #distrust(context: Context, queue: Queue): void {
    context.queues.distrust(queue);
    this.reporter.corrupt(context.slot, this.host.now(), queue.index);
  }

  /** The firmware trapped: its context is lost, nothing else is. */
  #trap(context: Context, reason: string): void {
    this.move('FAULT');
    leaveRemains(this, context);
    this.reporter.trapped(context, this.host.now(), reason);
    this.#lose();
    this.move('RESET', NO_SLOT);
  }

  #lose(): void {
    const request = this.#request;
    this.#request = undefined;
    this.#held = NOT_HELD;
    this.iommu.leave();
    this.resetWindow();
    // What it was in the middle of is no business of the next one.
    this.device = this.platform.createDevice();
    this.loaded = undefined;
    // A switch was under way and ends here: the hypervisor hears of the fault and decides anew.
    if (request !== undefined) this.#switched(request, 0, 0, false);
  }

  // ---- registers and interrupts

  /** A register access of the firmware. */
  registerGet(offset: number): number {
    return offset >= 0 && offset < WINDOW_WORDS * 4 ? Atomics.load(this.window, offset >> 2) : 0;
  }

  registerSet(offset: number, value: number): void {
    const word = offset >> 2;
    if (this.#writable[word] === 1) Atomics.store(this.window, word, value);
  }

  raise(context: Context, line: number): void {
    if (line < 0 || line >= LINES) return;
    raiseInterrupt(this, context, line);
    deliverInterrupts(this, context, this.reporter);
  }

  dmaFault(context: Context, access: Access, iova: number): void {
    Atomics.store(this.window, this.platform.core.faultAddress >> 2, iova | 0);
    if (context.fault !== undefined) return;
    context.fault = { access, iova };
    this.tellFault(context, access, iova);
  }

  protected tellFault(context: Context, access: Access, iova: number): void {
    const untold = context.faults.pass(this.host.now());
    if (untold !== undefined) this.reporter.iommuFault(context, this.host.now(), access, iova, untold);
  }

  #drainPosted(): void {
    const posted = this.#posted;
    while (posted.available() > 0) {
      const at = posted.peek();
      const offset = posted.words[at]!;
      const value = posted.words[at + 1]!;
      posted.release();
      if (this.loaded !== undefined) this.device.onWrite(this.window, offset, value);
    }
  }

  #acknowledge(context: Context): void {
    const epoch = this.iommu.synchronise();
    if (epoch !== -1) this.reporter.invalidated(context.slot, this.host.now(), epoch);
  }

  resetWindow(): void {
    this.window.set(this.#resetValues);
  }

  cycles(count: number): Duration {
    return ns((count / this.spec.clock) * 1e9);
  }

  /** Time that moving `bytes` takes at `bandwidth` bytes per second. */
  moving(bytes: number, bandwidth: number): Duration {
    return bandwidth > 0 ? ns((bytes / bandwidth) * 1e9) : NO_TIME;
  }

  move(event: CoprocessorEvent, slot = this.loaded?.slot ?? NO_SLOT, when = this.host.now()): void {
    const next = table.next(this.#state, event);
    if (next === undefined)
      throw new InvariantError(`coprocessor ${this.spec.id}: ${event} while ${this.#state}`);
    this.#state = next;
    this.reporter.state(next, slot, when);
  }
}
