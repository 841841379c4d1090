import { InvariantError } from '../base/assert.ts';
import { NEVER, after, ns, type Duration, type Instant } from '../base/units.ts';
import type { TraceEvent } from '../contract/events.ts';
import type { CoprocId } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type { ContextSpec, CoprocessorPort, PortListener, Runtime, Timeline } from '../contract/port.ts';
import { IMAGE_STATE, IMAGE_HEADER_BYTES } from '../memory/context-image.ts';
import type { Fault, FaultPlan, Moment } from './plan.ts';

/** What faults reach beside the hardware. */
export interface FaultTargets {
  /** Does one of these to a domain, if it is in a state for it. Says whether it did. */
  domain(name: string, what: 'crash' | 'destroy' | 'pause' | 'unpause'): boolean;
  /** The context of a vcoproc, while there is one. */
  context(vcoproc: string): Pick<ContextSpec, 'image' | 'local'> | undefined;
}

/** What is wrong with one coprocessor now. */
interface Ailment {
  port: CoprocessorPort | undefined;
  hang: boolean;
  stall: Duration;
  slow: number;
  slowUntil: Instant;
  loseInterrupts: number;
  duplicateInterrupts: number;
  delayInterrupts: number;
  delay: Duration;
  dropDoorbells: number;
  denySwitches: number;
  retry: Duration;
  runawayDma: number;
}

interface Pending {
  readonly fault: Fault;
  /** Events of its kind that have to come. */
  left: number;
}

/** An address that no domain maps: the highest page. */
const NOWHERE = 0xffff_f000;

/** Carries out a fault plan on a runtime that it wraps. */
export class Injector {
  readonly #plan: FaultPlan;
  readonly #onFault: (fault: Fault) => void;
  readonly #ailments = new Map<CoprocId, Ailment>();
  #pending: Pending[] = [];
  /** Vcoprocs whose image is damaged as soon as it is at rest. */
  #damage: Extract<Fault, { fault: 'flip-bit' | 'truncate' }>[] = [];
  #timeline: Timeline | undefined;
  #targets: FaultTargets | undefined;
  #lateBy: Duration = ns(0);
  #lateUntil = 0 as Instant;

  /** `onFault` is told of each fault when it happens. */
  constructor(plan: FaultPlan, onFault: (fault: Fault) => void) {
    this.#plan = plan;
    this.#onFault = onFault;
  }

  // ---- what a simulated coprocessor asks

  pace(coproc: CoprocId, length: Duration): Duration {
    const ailment = this.#ailments.get(coproc);
    if (ailment === undefined) return length;
    if (ailment.hang) {
      ailment.hang = false;
      return NEVER as number as Duration;
    }
    const { stall } = ailment;
    ailment.stall = ns(0);
    const slow = this.#now < ailment.slowUntil ? ailment.slow : 1;
    return ns(length * slow + stall);
  }

  iova(coproc: CoprocId, iova: number): number {
    return this.#used(coproc, 'runawayDma') ? NOWHERE : iova;
  }

  // ---- wrapping

  /** The runtime with its faults. Without any, it behaves as it is. */
  wrap(runtime: Runtime): Runtime {
    const { timeline } = runtime;
    this.#timeline = timeline;
    return {
      kind: runtime.kind,
      random: runtime.random,
      metered: runtime.metered,
      timeline: {
        now: () => timeline.now(),
        at: (deadline, what) =>
          timeline.at(deadline < this.#lateUntil ? after(deadline, this.#lateBy) : deadline, what),
      },
      startCoprocessor: (spec, platform, listener) => {
        const ailment = this.#ailment(spec.id);
        const port = runtime.startCoprocessor(
          spec,
          this.#platform(spec.id, platform),
          this.#listener(spec.id, listener),
        );
        const faulty: CoprocessorPort = {
          ring: () => {
            if (!this.#used(spec.id, 'dropDoorbells')) port.ring();
          },
          attach: (context) => port.attach(context),
          detach: (slot) => port.detach(slot),
          kill: (reason) => port.kill(reason),
        };
        ailment.port = port;
        return faulty;
      },
      drive: (finished) => runtime.drive(finished),
      close: () => runtime.close(),
    };
  }

  #listener(coproc: CoprocId, listener: PortListener): PortListener {
    const tell = (): void => {
      if (this.#used(coproc, 'loseInterrupts')) return;
      if (this.#used(coproc, 'delayInterrupts')) {
        this.#at(after(this.#now, this.#ailment(coproc).delay), () => listener.onEvents());
        return;
      }
      listener.onEvents();
      if (this.#used(coproc, 'duplicateInterrupts')) listener.onEvents();
    };
    return { onEvents: tell, onExit: (reason) => listener.onExit(reason) };
  }

  #platform(coproc: CoprocId, platform: Platform): Platform {
    return {
      ...platform,
      createDevice: () => {
        const device = platform.createDevice();
        return {
          onWrite: (window, offset, value) => device.onWrite(window, offset, value),
          accepts: (window) => device.accepts(window),
          onStart: (window) => device.onStart(window),
          onStep: (window) => device.onStep(window),
          onEnd: (window, succeeded) => device.onEnd(window, succeeded),
          quiesce: (window, active, firmware) =>
            this.#used(coproc, 'denySwitches')
              ? { kind: 'denied', retryAfter: this.#ailment(coproc).retry }
              : device.quiesce(window, active, firmware),
        };
      },
    };
  }

  // ---- when

  /** Begins to count. */
  start(targets: FaultTargets): void {
    this.#targets = targets;
    for (const fault of this.#plan.faults) {
      const moment: Moment = fault.when;
      if ('at' in moment) this.#at(after(this.#now, moment.at), () => this.#inflict(fault));
      else this.#pending.push({ fault, left: moment.nth });
    }
  }

  /** Every event of the trace comes through here, too. */
  onEvent(event: TraceEvent): void {
    if (this.#damage.length > 0 && event.kind === 'switch') this.#damageAtRest();
    if (this.#pending.length === 0) return;
    const due = this.#pending.filter((pending) => matches(pending.fault.when, event) && --pending.left === 0);
    if (due.length === 0) return;
    this.#pending = this.#pending.filter((pending) => pending.left > 0);
    for (const { fault } of due) {
      const { plus = ns(0) } = fault.when as Extract<Moment, { nth: number }>;
      // Never at once: whoever traces is in the middle of something.
      this.#at(after(this.#now, plus), () => this.#inflict(fault));
    }
  }

  // ---- what

  #inflict(fault: Fault): void {
    switch (fault.fault) {
      case 'kill': {
        const { port } = this.#ailment(fault.coproc);
        this.#onFault(fault);
        port?.kill('killed by the fault plan');
        return;
      }
      case 'hang':
        this.#ailment(fault.coproc).hang = true;
        break;
      case 'stall':
        this.#ailment(fault.coproc).stall = fault.for;
        break;
      case 'slow':
        Object.assign(this.#ailment(fault.coproc), {
          slow: fault.times,
          slowUntil: after(this.#now, fault.for),
        });
        break;
      case 'lose-interrupts':
        this.#ailment(fault.coproc).loseInterrupts = fault.count;
        break;
      case 'duplicate-interrupts':
        this.#ailment(fault.coproc).duplicateInterrupts = fault.count;
        break;
      case 'delay-interrupts':
        Object.assign(this.#ailment(fault.coproc), { delayInterrupts: fault.count, delay: fault.by });
        break;
      case 'drop-doorbells':
        this.#ailment(fault.coproc).dropDoorbells = fault.count;
        break;
      case 'deny-switches':
        Object.assign(this.#ailment(fault.coproc), { denySwitches: fault.count, retry: fault.retry });
        break;
      case 'runaway-dma':
        this.#ailment(fault.coproc).runawayDma = fault.count;
        break;
      case 'flip-bit':
      case 'truncate':
        this.#damage.push(fault);
        this.#damageAtRest();
        return;
      case 'crash-guest':
        if (this.#targets?.domain(fault.domain, 'crash') !== true) return;
        break;
      case 'destroy-domain':
        if (this.#targets?.domain(fault.domain, 'destroy') !== true) return;
        break;
      case 'pause-domain':
        if (this.#targets?.domain(fault.domain, 'pause') !== true) return;
        this.#at(after(this.#now, fault.for), () => void this.#targets?.domain(fault.domain, 'unpause'));
        break;
      case 'late-timers':
        this.#lateBy = fault.by;
        this.#lateUntil = after(this.#now, fault.for);
        break;
      default:
        throw new InvariantError(`fault ${JSON.stringify(fault)} is known`);
    }
    this.#onFault(fault);
  }

  #damageAtRest(): void {
    this.#damage = this.#damage.filter((fault) => {
      const context = this.#targets?.context(fault.vcoproc);
      if (context === undefined) return false;
      if (Atomics.load(new Int32Array(context.image, 0, 1), 0) !== IMAGE_STATE.saved) return true;
      const image = new Uint8Array(context.image, IMAGE_HEADER_BYTES);
      const local = new Uint8Array(context.local.buffer);
      const size = image.length + local.length;
      if (fault.fault === 'flip-bit') {
        const bit = Math.min(size * 8 - 1, Math.floor(fault.bit * size * 8));
        const at = bit >> 3;
        const part = at < image.length ? image : local;
        part[at < image.length ? at : at - image.length]! ^= 1 << (bit & 7);
      } else {
        const kept = Math.floor(fault.keep * size);
        image.fill(0, kept);
        local.fill(0, Math.max(0, kept - image.length));
      }
      this.#onFault(fault);
      return false;
    });
  }

  get #now(): Instant {
    return this.#timeline?.now() ?? (0 as Instant);
  }

  #at(when: Instant, what: () => void): void {
    this.#timeline?.at(when, what);
  }

  #ailment(coproc: string): Ailment {
    const id = coproc as CoprocId;
    let ailment = this.#ailments.get(id);
    if (ailment === undefined) {
      const none = ns(0);
      ailment = {
        port: undefined,
        hang: false,
        stall: none,
        slow: 1,
        slowUntil: 0 as Instant,
        loseInterrupts: 0,
        duplicateInterrupts: 0,
        delayInterrupts: 0,
        delay: none,
        dropDoorbells: 0,
        denySwitches: 0,
        retry: none,
        runawayDma: 0,
      };
      this.#ailments.set(id, ailment);
    }
    return ailment;
  }

  /** Whether a fault that is good for so many times happens now. */
  #used(
    coproc: CoprocId,
    what:
      | 'loseInterrupts'
      | 'duplicateInterrupts'
      | 'delayInterrupts'
      | 'dropDoorbells'
      | 'denySwitches'
      | 'runawayDma',
  ): boolean {
    const ailment = this.#ailments.get(coproc);
    if (ailment === undefined || ailment[what] === 0) return false;
    ailment[what]--;
    return true;
  }
}

function matches(moment: Moment, event: TraceEvent): boolean {
  if ('at' in moment) return false;
  if (moment.event === undefined) return true;
  return event.kind === moment.event || ('state' in event && event.state === moment.event);
}
