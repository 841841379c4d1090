import { InvariantError } from '../base/assert.ts';
import { expectedOneOf } from '../base/nearest.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import type { Random } from '../base/random.ts';
import { after, ns, type Duration, type Instant } from '../base/units.ts';
import type { TraceEvent } from '../contract/events.ts';
import { coprocOf } from '../contract/names.ts';
import type { ContextSpec, Runtime } from '../contract/port.ts';
import type { FaultReport } from '../contract/report.ts';
import {
  AILMENTS,
  Ailments,
  ailmentsMemory,
  type Ailment,
  type CorePoint,
  type Order,
} from '../coprocessor/ailments.ts';
import type { Parts } from '../hypervisor/parts.ts';
import { corruptRing, damageAtRest, hasWaiting } from './damage.ts';
import { Impairments, type Impairment } from './impairments.ts';
import { FAILED } from './faulty-scheduler.ts';
import { faultyParts, faultyRuntime, type FaultHooks, type FaultyUnit } from './faulty-parts.ts';
import { Ledger, type Fate } from './ledger.ts';
import { isCorePoint, isOfWire, type CallPoint, type Fault, type FaultPlan } from './plan.ts';

/** What faults reach beside the hardware. */
export interface FaultTargets {
  /** Does one of these to a domain, if it is in a state for it. Says whether it did. */
  domain(name: string, what: 'crash' | 'destroy' | 'pause' | 'unpause'): boolean;
  /** The context of a vcoproc, while there is one. */
  context(vcoproc: string): ContextSpec | undefined;
}

export interface InjectorOptions {
  /** Told of each fault when it is carried out; some show later, when somebody comes to where they lie. */
  readonly onFault?: (fault: Fault) => void;
  /** Whether faults may come while it runs: then coprocessors are ready for them although the plan has none. */
  readonly live?: boolean;
}

type OfWires = Extract<Fault, { fault: Impairment }>;

interface Pending {
  readonly fault: Fault;
  readonly fate: Fate;
  /** Events of its kind, or calls of its point, that have to come. */
  left: number;
  /** Of one that comes with a probability. */
  readonly chance?: Random;
}

/** What a fault has told a coprocessor to do. */
interface Told {
  readonly fate: Fate;
  readonly ailments: Ailments;
  readonly order: number;
  struck: boolean;
}

/** Carries out a fault plan on a runtime that it wraps, and keeps account of what became of each fault. */
export class Injector {
  readonly #plan: FaultPlan;
  readonly #options: InjectorOptions;
  readonly #ledger = new Ledger();
  readonly #units = new Map<string, FaultyUnit>();
  readonly #impairments = new Impairments();
  #pending: Pending[] = [];
  #told: Told[] = [];
  /** Vcoprocs whose image is damaged as soon as it is at rest. */
  #damage: { fault: Extract<Fault, { fault: 'flip-bit' | 'truncate' }>; fate: Fate }[] = [];
  /** Faults whose time begins with the run. */
  #timed: { fault: Fault; fate: Fate }[] = [];
  #runtime: Runtime | undefined;
  #over = false;
  #targets: FaultTargets | undefined;
  #lateBy = ns(0);
  #lateUntil = 0 as Instant;

  readonly #hooks: FaultHooks = {
    impairments: this.#impairments,
    unit: (coproc) => this.#unit(coproc),
    reached: (point, coproc) => this.#reached(point, coproc),
    late: (deadline) => (deadline < this.#lateUntil ? after(deadline, this.#lateBy) : deadline),
    onEvent: (event) => this.onEvent(event),
  };

  constructor(plan: FaultPlan, options: InjectorOptions = {}) {
    this.#plan = plan;
    this.#options = options;
    for (const fault of plan.faults) this.#expect(fault);
  }

  // ---- wrapping

  /** The runtime with its faults. Without any, it is as it was. */
  wrap(runtime: Runtime): Runtime {
    this.#runtime = runtime;
    return this.#ready ? faultyRuntime(runtime, this.#hooks) : runtime;
  }

  /** All that a hypervisor is made of, with its faults. Without any, it is as it was. */
  parts(parts: Parts): Parts {
    this.#runtime = parts.runtime;
    return this.#ready ? faultyParts(parts, this.#hooks) : parts;
  }

  get #ready(): boolean {
    return this.#plan.faults.length > 0 || this.#options.live === true;
  }

  // ---- when

  /** Begins to count time and events. */
  start(targets: FaultTargets): void {
    this.#targets = targets;
    for (const { fault, fate } of this.#timed.splice(0)) this.#await(fault, fate);
  }

  /** The run is over: what ends from now on was not lost to a fault. */
  stop(): void {
    this.#over = true;
  }

  /** One more fault, from now on. Says why not. */
  inject(fault: Fault): Outcome<() => FaultReport> {
    const { coproc } = fault as { coproc?: string };
    if (coproc !== undefined && !this.#units.has(coproc))
      return failed(`no coprocessor ${coproc}; ${expectedOneOf(coproc, this.#units.keys())}`);
    const fate = this.#expect(fault);
    for (const { fault: own, fate: its } of this.#timed.splice(0)) this.#await(own, its);
    return ok(() => {
      this.#look();
      return fate.report;
    });
  }

  /** Every event of the trace comes through here, too. */
  onEvent(event: TraceEvent): void {
    this.#look();
    if (!this.#over) this.#ledger.onEvent(event);
    if (this.#damage.length > 0 && event.kind === 'switch') this.#damageAtRest();
    if (this.#pending.length === 0 || this.#targets === undefined) return;
    const due = this.#pending.filter((pending) => this.#due(pending, event));
    if (due.length === 0) return;
    this.#pending = this.#pending.filter(({ left }) => left > 0);
    for (const { fault, fate } of due) {
      const { plus = ns(0) } = fault.when as { plus?: Duration };
      // Never at once: whoever traces is in the middle of something.
      this.#at(after(this.#now, plus), () => this.#inflict(fault, fate));
    }
  }

  /** What became of each fault, in the order of the plan. */
  get reports(): FaultReport[] {
    this.#look();
    return this.#ledger.reports;
  }

  #expect(fault: Fault): Fate {
    const fate = this.#ledger.add(fault);
    const { when } = fault;
    // Calls count from the beginning: domains are created before the run begins.
    if ('point' in when && !isCorePoint(when.point)) this.#pending.push({ fault, fate, left: when.nth });
    else this.#timed.push({ fault, fate });
    return fate;
  }

  #await(fault: Fault, fate: Fate): void {
    const { when } = fault;
    if ('at' in when) this.#at(after(this.#now, when.at), () => this.#inflict(fault, fate));
    else if ('within' in when) {
      const length = ns(this.#chance(fate).unit() * when.within);
      this.#at(after(this.#now, length), () => this.#inflict(fault, fate));
    } else if ('point' in when) this.#inflict(fault, fate);
    else if ('nth' in when) this.#pending.push({ fault, fate, left: when.nth });
    else this.#pending.push({ fault, fate, left: Infinity, chance: this.#chance(fate) });
  }

  #due(pending: Pending, event: TraceEvent): boolean {
    const { when } = pending.fault;
    if ('at' in when || 'within' in when || 'point' in when) return false;
    const matches =
      when.event === undefined ||
      event.kind === when.event ||
      ('state' in event && event.state === when.event);
    if (!matches) return false;
    // What is drawn first of all, 0, is that nothing happens.
    if ('probability' in when) return pending.chance!.unit() >= 1 - when.probability;
    return --pending.left === 0;
  }

  /** A call is made. Says whether it is to fail. */
  #reached(point: CallPoint, coproc: string | undefined): boolean {
    const due = this.#pending.filter(
      ({ fault: { when, ...fault } }) =>
        'point' in when &&
        when.point === point &&
        (!('coproc' in fault) ||
          fault.coproc === undefined ||
          coproc === undefined ||
          fault.coproc === coproc),
    );
    let fails = false;
    for (const pending of due) {
      if (--pending.left > 0) continue;
      const { fault, fate } = pending;
      if (fault.fault === 'fail') {
        fails = true;
        fate.happened(this.#now);
        if (point !== 'start') fate.refuse(`${point}: ${FAILED}`);
        this.#options.onFault?.(fault);
      } else this.#at(this.#now, () => this.#inflict(fault, fate));
    }
    if (due.length > 0) this.#pending = this.#pending.filter(({ left }) => left > 0);
    return fails;
  }

  // ---- what

  #inflict(fault: Fault, fate: Fate): void {
    switch (fault.fault) {
      case 'kill':
        if ('point' in fault.when && isCorePoint(fault.when.point)) {
          this.#tell(fault, fate, fault.coproc, 'die', {});
          break;
        }
        this.#happened(fault, fate);
        this.#unit(fault.coproc).port?.kill('killed by the fault plan');
        return;
      case 'fail':
        this.#tell(fault, fate, fault.coproc!, 'die', {});
        break;
      case 'hang':
      case 'exhaust-heap':
      case 'trap':
      case 'hang-firmware':
        this.#tell(fault, fate, fault.coproc, fault.fault, {});
        break;
      case 'stall':
        this.#tell(fault, fate, fault.coproc, fault.fault, { length: fault.for });
        break;
      case 'slow':
        this.#tell(fault, fate, fault.coproc, fault.fault, { amount: fault.times, length: fault.for });
        break;
      case 'deny-switches':
        this.#tell(fault, fate, fault.coproc, fault.fault, { times: fault.count, length: fault.retry });
        break;
      case 'runaway-dma':
        this.#tell(fault, fate, fault.coproc, fault.fault, { times: fault.count });
        break;
      case 'interrupt-storm':
      case 'fault-storm':
        this.#tell(fault, fate, fault.coproc, fault.fault, { amount: fault.count });
        break;
      case 'lose-interrupts':
      case 'duplicate-interrupts':
      case 'delay-interrupts': {
        const { count: times, line } = fault;
        const length = fault.fault === 'delay-interrupts' ? fault.by : ns(0);
        if (isOfWire(fault)) this.#impair(fault, fate, length);
        else this.#tell(fault, fate, fault.coproc, fault.fault, { times, length, line });
        break;
      }
      case 'drop-doorbells':
        this.#impair(fault, fate, ns(0), () => this.#waits(fault));
        break;
      case 'flip-bit':
      case 'truncate':
        this.#damage.push({ fault, fate });
        this.#damageAtRest();
        return;
      case 'corrupt-ring':
        if (!corruptRing(this.#targets?.context(fault.vcoproc), fault.queue)) return;
        fate.happened(this.#now);
        this.#units.get(coprocOf(fault.vcoproc))?.port?.ring();
        break;
      case 'crash-guest':
        this.#toDomain(fault, fate, 'crash');
        return;
      case 'destroy-domain':
        this.#toDomain(fault, fate, 'destroy');
        return;
      case 'pause-domain':
        this.#toDomain(fault, fate, 'pause');
        this.#at(after(this.#now, fault.for), () => void this.#targets?.domain(fault.domain, 'unpause'));
        return;
      case 'late-timers':
        this.#lateBy = fault.by;
        this.#lateUntil = after(this.#now, fault.for);
        fate.happened(this.#now);
        break;
      default:
        throw new InvariantError(`fault ${JSON.stringify(fault satisfies never)} is known`);
    }
    this.#options.onFault?.(fault);
  }

  #happened(fault: Fault, fate: Fate): void {
    fate.happened(this.#now);
    this.#options.onFault?.(fault);
  }

  /** Before it is done to the domain: what follows is its doing. */
  #toDomain(
    fault: Extract<Fault, { fault: 'crash-guest' | 'destroy-domain' | 'pause-domain' }>,
    fate: Fate,
    what: 'crash' | 'destroy' | 'pause',
  ): void {
    const at = this.#now;
    const before = fate.at;
    if (before === undefined) fate.happened(at);
    if (this.#targets?.domain(fault.domain, what) === true) this.#options.onFault?.(fault);
    else if (before === undefined) fate.undo();
  }

  #impair(fault: OfWires, fate: Fate, length: Duration, concerns = () => true): void {
    const { fault: what, coproc, count: left } = fault;
    this.#impairments.add({ what, coproc, length, left, concerns, onUse: () => fate.happened(this.#now) });
  }

  /** Whether commands wait where a doorbell is not to be heard: anywhere, where no domain is named. */
  #waits({ domain, coproc, queue }: Extract<Fault, { fault: 'drop-doorbells' }>): boolean {
    if (domain === undefined) return true;
    return hasWaiting(this.#targets?.context(`${domain}/${coproc}`), queue);
  }

  /** Tells a coprocessor what is wrong with it from now on. */
  #tell(
    fault: Extract<Fault, { coproc?: string | undefined }>,
    fate: Fate,
    coproc: string,
    ailment: Ailment,
    { times = 1, amount = 0, length = ns(0), line }: Partial<Order>,
  ): void {
    const { when } = fault;
    const at: { point: CorePoint; nth: number } =
      'point' in when && isCorePoint(when.point)
        ? { point: when.point, nth: when.nth }
        : { point: AILMENTS[ailment], nth: 1 };
    const holder = 'domain' in fault ? this.#targets?.context(`${fault.domain}/${coproc}`) : undefined;
    if ('domain' in fault && fault.domain !== undefined && holder === undefined) return;
    const { ailments, port } = this.#unit(coproc);
    const slot = holder === undefined ? {} : { slot: holder.slot };
    const order = ailments.give({ ailment, ...at, times, amount, length, ...slot, line });
    if (order === undefined) return;
    this.#told.push({ fate, ailments, order, struck: false });
    // One that sleeps does not notice.
    port?.ring();
  }

  /** Whether what coprocessors were told has shown. */
  #look(): void {
    if (this.#told.length === 0) return;
    this.#told = this.#told.filter((told) => {
      const at = told.ailments.struck(told.order);
      if (at === undefined) return true;
      if (!told.struck) told.fate.happened(at);
      told.struck = true;
      return !told.ailments.done(told.order);
    });
  }

  #damageAtRest(): void {
    this.#damage = this.#damage.filter(({ fault, fate }) => {
      const context = this.#targets?.context(fault.vcoproc);
      if (context === undefined) return false;
      if (!damageAtRest(context, fault)) return true;
      this.#happened(fault, fate);
      return false;
    });
  }

  get #now(): Instant {
    return this.#runtime?.timeline.now() ?? (0 as Instant);
  }

  #at(when: Instant, what: () => void): void {
    this.#runtime?.timeline.at(when, what);
  }

  /** Its own: what becomes of one fault depends on no other. */
  #chance({ number }: Fate): Random {
    return this.#runtime!.random.of(`faults/${number}`);
  }

  #unit(coproc: string): FaultyUnit {
    let unit = this.#units.get(coproc);
    if (unit === undefined) {
      const memory = ailmentsMemory();
      unit = { memory, ailments: new Ailments(memory), port: undefined };
      this.#units.set(coproc, unit);
    }
    return unit;
  }
}
