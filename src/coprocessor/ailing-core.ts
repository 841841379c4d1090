import { START, after, between, ns, us, type Instant } from '../base/units.ts';
import type { Platform } from '../contract/platform.ts';
import type { CoprocessorSpec } from '../contract/port.ts';
import type { FirmwareInstance } from '../firmware/instance.ts';
import { FirmwareTrap } from '../firmware/trap.ts';
import { NO_SLOT } from '../memory/channel.ts';
import { LINES } from '../memory/context-image.ts';
import type { Doorbell } from '../memory/doorbell.ts';
import { Ailments, type Body, type CorePoint, type Strike } from './ailments.ts';
import { CoprocessorCore, OUT_OF_FUEL, TURN, type Turn } from './core.ts';
import type { CoreHost } from './parts.ts';

/** An address that no domain maps: the highest page. */
const NOWHERE = 0xffff_f000;
const TRAPPED = 'trapped by the fault plan';
const DIED = 'killed by the fault plan';
const FOR_EVER = Infinity as Instant;
const AGAIN = us(1);
const NONE: readonly number[] = [];

/** Unwinds a turn that never ends, or in which the coprocessor died, where no thread stood still or ended with it. */
class EndError extends Error {}

/** Which points were reached, and what strikes there. */
interface Sickness {
  reach(point: CorePoint, line?: number): readonly Strike[];
  readonly body: Body;
}

/**
 * A coprocessor with something wrong with it: the core as it is, with its firmware, its platform and its host
 * wrapped. It exists only in runs with a fault plan.
 */
export class AilingCore extends CoprocessorCore {
  readonly #sickness: Sickness;
  #slow = 1;
  #slowUntil: Instant = START;
  /** Interrupt lines that are not heard, by context and line, and until when: for ever, where an interrupt was lost. */
  readonly #silent = new Map<number, Instant>();

  constructor(
    spec: CoprocessorSpec & { readonly ailments: SharedArrayBuffer },
    platform: Platform,
    host: CoreHost,
    hypervisor: Doorbell,
    body: Body,
  ) {
    const ailments = new Ailments(spec.ailments);
    let slot = (): number => NO_SLOT;
    const sickness: Sickness = {
      body,
      reach: (point, line) => {
        const strikes = ailments.reach(point, slot(), host.now(), line);
        for (const strike of strikes) suffer(strike, body);
        return strikes;
      },
    };
    super(spec, ailingPlatform(platform, sickness), ailingHost(host, sickness), hypervisor);
    slot = () => this.loaded?.slot ?? NO_SLOT;
    this.#sickness = sickness;
    const { reporter } = this;
    const tell = reporter.interrupt.bind(reporter);
    reporter.interrupt = (of, now, line, count) => {
      try {
        const times = this.#heard(of, now, line);
        return times > 0 && tell(of, now, line, count + times - 1);
      } catch (error) {
        // It died before it had told: that is pending still.
        if (this.loaded !== undefined) Atomics.add(this.loaded.image.pending, line, count);
        throw error;
      }
    };
  }

  /** How often an interrupt is heard. One that is not stays pending. */
  #heard(slot: number, now: Instant, line: number): number {
    const place = slot * LINES + line;
    const until = this.#silent.get(place);
    if (until !== undefined) return now < until ? 0 : 1;
    for (const { ailment, length } of this.#sickness.reach('interrupt', line)) {
      if (ailment === 'lose-interrupts') this.#silent.set(place, FOR_EVER);
      else if (ailment === 'delay-interrupts') this.#silent.set(place, after(now, length));
      else if (ailment === 'duplicate-interrupts') {
        this.loaded?.image.countRaised();
        return 2;
      }
    }
    return this.#silent.has(place) ? 0 : 1;
  }

  override turn(lingers = false): Turn {
    try {
      return this.#ailingTurn(lingers);
    } catch (error) {
      if (error instanceof EndError) return TURN.hung;
      throw error;
    }
  }

  #ailingTurn(lingers: boolean): Turn {
    const { host } = this;
    for (const strike of this.#sickness.reach('turn')) this.#suffer(strike);
    const begun = host.now();
    const heard = this.#heardAgain(begun);
    const turn = super.turn(lingers);
    for (const place of heard) this.#silent.delete(place);
    // What is not heard is told again and again: a simulated coprocessor would do so for ever at one instant.
    if (this.#silent.size > 0) host.spend(AGAIN);
    if (begun < this.#slowUntil) this.#sickness.body.lose(ns(between(begun, host.now()) * (this.#slow - 1)));
    return turn;
  }

  /** Lines on which all that is pending is heard in this turn. */
  #heardAgain(now: Instant): readonly number[] {
    if (this.#silent.size === 0) return NONE;
    const { asked } = this;
    // Whoever says anything looks at what there is, too, in the turn after the one that obeys.
    if (asked) for (const place of this.#silent.keys()) this.#silent.set(place, now);
    return asked ? NONE : [...this.#silent].flatMap(([place, until]) => (until <= now ? [place] : []));
  }

  /** What shows between two steps only. */
  #suffer({ ailment, amount, length }: Strike): void {
    const { loaded } = this;
    if (ailment === 'slow') {
      this.#slow = amount;
      this.#slowUntil = after(this.host.now(), length);
    } else if (ailment === 'interrupt-storm' && loaded !== undefined)
      for (let count = 0; count < amount; count++) this.raise(loaded, STORM_LINE);
    else if (ailment === 'fault-storm' && loaded !== undefined)
      for (let count = 0; count < amount; count++) this.tellFault(loaded, 'write', NOWHERE);
  }
}

/** An interrupt of the firmware's: what a guest's handler sees. */
const STORM_LINE = 2;

/** What can happen anywhere. */
function suffer({ ailment, length }: Strike, body: Body): void {
  if (ailment === 'stall') body.lose(length);
  else if (ailment === 'hang') body.hang();
  else if (ailment === 'exhaust-heap') body.exhaust();
  else if (ailment === 'die') body.die(DIED);
  if (ailment === 'hang' || ailment === 'exhaust-heap' || ailment === 'die') throw new EndError();
}

function ailingPlatform(platform: Platform, sickness: Sickness): Platform {
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
        quiesce: (window, active, firmware) => {
          const denied = sickness.reach('quiesce').find(({ ailment }) => ailment === 'deny-switches');
          if (denied !== undefined) return { kind: 'denied', retryAfter: denied.length };
          return device.quiesce(window, active, firmware);
        },
      };
    },
  };
}

function ailingHost(host: CoreHost, sickness: Sickness): CoreHost {
  return {
    now: () => host.now(),
    spend: (length) => host.spend(length),
    iova: (iova) => (sickness.reach('dma').some(({ ailment }) => ailment === 'runaway-dma') ? NOWHERE : iova),
    firmware: (instance) => ailingFirmware(instance, sickness),
    witness: {
      leaves: (core, context) => {
        sickness.reach('save');
        host.witness?.leaves(core, context);
      },
      arrived: (core, context, fresh) => {
        sickness.reach('load');
        host.witness?.arrived(core, context, fresh);
      },
    },
  };
}

function ailingFirmware(instance: FirmwareInstance, sickness: Sickness): FirmwareInstance {
  const step = (): void => {
    for (const { ailment } of sickness.reach('step')) {
      if (ailment === 'trap') throw new FirmwareTrap(TRAPPED);
      if (ailment !== 'hang-firmware') continue;
      sickness.body.hang();
      // Where it returns, a call that never ends is one that its fuel does not last for.
      throw new FirmwareTrap(OUT_OF_FUEL);
    }
  };
  return {
    ...instance,
    start: () => {
      step();
      return instance.start();
    },
    step: (budget) => {
      step();
      return instance.step(budget);
    },
  };
}
