import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import { failed, type Outcome } from '../../base/outcome.ts';
import { seededRandom, type Random } from '../../base/random.ts';
import { NO_TIME, after, ns, sum, us, type Duration, type Instant } from '../../base/units.ts';
import type { CoprocId } from '../../contract/names.ts';
import type { Oracle } from '../../contract/oracle.ts';
import type { Platform } from '../../contract/platform.ts';
import type {
  ContextSpec,
  CoprocessorPort,
  CoprocessorSpec,
  MemorySource,
  PortListener,
  QueueSpec,
  Runtime,
  Timeline,
} from '../../contract/port.ts';
import { AilingCore } from '../../coprocessor/ailing-core.ts';
import type { Body } from '../../coprocessor/ailments.ts';
import { CoprocessorCore, TURN } from '../../coprocessor/core.ts';
import type { ContextWitness, CoreHost } from '../../coprocessor/parts.ts';
import { BELL } from '../../memory/channel.ts';
import { Doorbell } from '../../memory/doorbell.ts';
import { freshMemory } from '../../memory/recycled-memory.ts';
import { EventQueue } from './event-queue.ts';

/** Events between two looks of the outside world: those who watch the run, and what guests let go unhandled. */
const EVENTS_UNSEEN = 256;

/** Nothing is left to happen and the run is not over: a guest awaits what never comes. */
export class StalledError extends Error {
  override readonly name = 'StalledError';
}

export interface SimulatedOptions {
  /** When it begins: a resumed system goes on where it was. */
  readonly start?: Instant;
  /** Makes the choices; without one, the run is as undisturbed as its description. */
  readonly oracle?: Oracle;
  /** Sees every context that leaves a core and every one that has come. */
  readonly witness?: ContextWitness;
  /** How long before its end the end of a slice is told: none unless given, for here a decision takes no time. */
  readonly lead?: Duration;
  /** Where its memory comes from; made for it when absent. */
  readonly memory?: MemorySource;
  /** Called after each event. What it throws ends the run. */
  readonly onStep?: () => void;
}

const NOBODY: readonly CoprocId[] = [];

/** What a choice of length adds, from nothing up. */
const JITTER: readonly Duration[] = [NO_TIME, ns(1), ns(150), us(2), us(20), us(150)];

/**
 * The world under virtual time: the same coprocessor cores, turned one after the other in this thread,
 * each turn taking the time that its cycles and bytes take on the described board. The same seed
 * gives the same run.
 */
export class SimulatedRuntime implements Runtime {
  readonly kind = 'simulated';
  readonly metered = true;
  readonly lead: Duration;
  readonly random: Random;
  readonly memory: MemorySource;
  readonly timeline: Timeline;
  readonly #options: SimulatedOptions;
  readonly #queue: EventQueue;
  readonly #ports = new Set<SimulatedPort>();
  #turned: CoprocId | undefined;

  constructor(seed: number, options: SimulatedOptions = {}) {
    const { oracle } = options;
    this.lead = options.lead ?? NO_TIME;
    this.memory = options.memory ?? freshMemory;
    this.#options = options;
    this.#queue = new EventQueue(
      oracle === undefined ? undefined : (count) => oracle.choose('order', count),
      options.start,
    );
    this.random = oracle === undefined ? seededRandom(seed) : chosenRandom(oracle);
    this.timeline = {
      now: () => this.#queue.at,
      at: (deadline, what) => {
        const ticket = this.#at(later(deadline, 'timer', oracle), what);
        return () => this.#queue.cancel(ticket);
      },
    };
  }

  /** Coprocessors that sleep although there is work for them, and whose bell nobody has rung: a lost wake-up. */
  get forgotten(): readonly CoprocId[] {
    let found: CoprocId[] | undefined;
    for (const port of this.#ports) if (port.forgotten) (found ??= []).push(port.id);
    return found ?? NOBODY;
  }

  /**
   * Coprocessors that hang, or died and were not heard of yet. It may have been in the middle of a turn: what they had
   * to say and had not shown is lost with them.
   */
  get stopped(): readonly CoprocId[] {
    let found: CoprocId[] | undefined;
    for (const port of this.#ports) if (port.stopped) (found ??= []).push(port.id);
    return found ?? NOBODY;
  }

  /** What happened was a turn of this coprocessor and nothing else: no guest and no hypervisor can react to it yet. */
  get turned(): CoprocId | undefined {
    return this.#turned;
  }

  startCoprocessor(spec: CoprocessorSpec, platform: Platform, listener: PortListener): CoprocessorPort {
    const time: PortTime = {
      now: () => this.#queue.at,
      at: (deadline, what) => void this.#at(deadline, what),
      turned: () => void (this.#turned = spec.id),
      gone: () => void this.#ports.delete(port),
    };
    const port = new SimulatedPort(spec, platform, time, listener, this.#options);
    this.#ports.add(port);
    return port;
  }

  #at(deadline: Instant, what: () => void): number {
    const now = this.#queue.at;
    return this.#queue.add(deadline < now ? now : deadline, what);
  }

  async drive(finished: Promise<void>): Promise<void> {
    let over = false;
    const end = (): void => void (over = true);
    void finished.then(end, end);
    for (let events = 0; ; events++) {
      // Guests run in promises: they get to the end of what they can do before time goes on.
      if (events % EVENTS_UNSEEN === 0) await turnOfTheEventLoop();
      else if (this.#turned === undefined) await endOfPromises();
      this.#turned = undefined;
      if (over) break;
      let event = this.#queue.take();
      if (event === undefined) {
        // What a guest lets go unhandled may end it, and its domain with it.
        await turnOfTheEventLoop();
        if (over) break;
        event = this.#queue.take();
        if (event === undefined)
          throw new StalledError('nothing is left to happen, and a domain still waits');
      }
      event();
      this.#options.onStep?.();
    }
    await finished;
  }

  async close(): Promise<void> {}
}

/** How a port moves in the runtime's time. */
interface PortTime {
  now(): Instant;
  at(deadline: Instant, what: () => void): void;
  /** What happens now is a turn of the coprocessor: no guest sees it. */
  turned(): void;
  gone(): void;
}

/** Comes when no promise has anything to do any more: Node looks at its next ticks then. */
const endOfPromises = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve));

class SimulatedPort implements CoprocessorPort {
  readonly id: CoprocId;
  readonly #core: CoprocessorCore;
  readonly #time: PortTime;
  readonly #listener: PortListener;
  readonly #options: SimulatedOptions;
  readonly #bell: Doorbell;
  readonly #hypervisorBell: Doorbell;
  readonly #latency: Duration;
  /** What a coprocessor that is gone answers: not before its end was told, as on threads. */
  readonly #gone: Promise<Outcome<void>>;
  #exit: (answer: Outcome<void>) => void = () => {};
  readonly #turnPoint: string;
  readonly #latencyPoint: string;
  #spent: Duration = NO_TIME;
  /** The core is busy with its last turn until then. */
  #busyUntil: Instant;
  #state: 'alive' | 'hung' | 'dead' = 'alive';
  #turnComes = false;
  /** The hypervisor is about to hear from it, and may ring then. */
  #eventsCome = false;

  constructor(
    spec: CoprocessorSpec,
    platform: Platform,
    time: PortTime,
    listener: PortListener,
    options: SimulatedOptions,
  ) {
    this.id = spec.id;
    this.#time = time;
    this.#listener = listener;
    this.#options = options;
    this.#latency = spec.interruptLatency;
    this.#gone = new Promise((resolve) => (this.#exit = resolve));
    this.#turnPoint = `turn/${spec.id}`;
    this.#latencyPoint = `latency/${spec.id}`;
    this.#busyUntil = time.now();
    this.#bell = new Doorbell(spec.channel.bells, BELL.coprocessor, () => this.#scheduleTurn());
    this.#hypervisorBell = new Doorbell(spec.channel.bells, BELL.hypervisor, () => this.#scheduleEvents());
    this.#hypervisorBell.arm();
    const { witness } = options;
    const host: CoreHost = {
      now: () => after(time.now(), this.#spent),
      spend: (length: Duration) => (this.#spent = sum(this.#spent, length)),
      ...(witness === undefined ? {} : { witness }),
    };
    const { ailments } = spec;
    this.#core =
      ailments === undefined
        ? new CoprocessorCore(spec, platform, host, this.#hypervisorBell)
        : new AilingCore({ ...spec, ailments }, platform, host, this.#hypervisorBell, this.#body(host));
    this.#scheduleTurn();
  }

  get stopped(): boolean {
    return this.#state !== 'alive';
  }

  get forgotten(): boolean {
    if (this.#state !== 'alive' || this.#turnComes || this.#eventsCome) return false;
    return this.#core.hasWork();
  }

  ring(): void {
    this.#bell.ring();
  }

  /** To wake takes no time here. */
  rouse(): void {}

  attach(context: ContextSpec): Promise<Outcome<void>> {
    return this.#state === 'dead' ? this.#gone : Promise.resolve(this.#core.attach(context));
  }

  detach(slot: number): Promise<Outcome<void>> {
    return this.#state === 'dead' ? this.#gone : Promise.resolve(this.#core.detach(slot));
  }

  addQueues(slot: number, queues: readonly QueueSpec[]): Promise<Outcome<void>> {
    if (this.#state === 'dead') return this.#gone;
    const added = this.#core.addQueues(slot, queues);
    // As on a thread: a message wakes it, and it looks for work before it sleeps again.
    this.#bell.ring();
    return Promise.resolve(added);
  }

  kill(reason: string): void {
    if (this.#state === 'dead') return;
    this.#state = 'dead';
    this.#time.at(this.#time.now(), () => {
      this.#time.gone();
      this.#listener.onExit(reason);
      this.#exit(failed('the coprocessor is gone'));
    });
  }

  /** It may have died in its turn. */
  #isDead(): boolean {
    return this.#state === 'dead';
  }

  #body(host: CoreHost): Body {
    return {
      lose: (length) => host.spend(length),
      hang: () => {},
      exhaust: () => this.kill('its heap is exhausted'),
      die: (reason) => this.kill(reason),
    };
  }

  #scheduleTurn(): void {
    const now = this.#time.now();
    this.#turnComes = true;
    this.#time.at(now < this.#busyUntil ? this.#busyUntil : now, this.#turn);
  }

  readonly #turn = (): void => {
    this.#time.turned();
    this.#turnComes = false;
    if (this.#state !== 'alive') return;
    const { oracle } = this.#options;
    const begun = this.#time.now();
    this.#spent = oracle === undefined ? NO_TIME : jitter(this.#turnPoint, oracle);
    const turn = this.#core.turn();
    this.#busyUntil = after(begun, this.#spent);
    this.#spent = NO_TIME;
    if (this.#isDead()) return;
    if (turn === TURN.hung) {
      this.#state = 'hung';
      return;
    }
    if (turn === TURN.sleep) {
      this.#bell.arm();
      if (!this.#core.hasWork()) return;
      this.#bell.disarm();
    }
    this.#scheduleTurn();
  };

  #scheduleEvents(): void {
    const happened = after(this.#time.now(), this.#spent);
    const told = later(after(happened, this.#latency), this.#latencyPoint, this.#options.oracle);
    this.#eventsCome = true;
    this.#time.at(told, this.#tell);
  }

  readonly #tell = (): void => {
    this.#eventsCome = false;
    this.#hypervisorBell.arm();
    this.#listener.onEvents();
  };
}

const jitter = (point: string, oracle: Oracle): Duration => JITTER[oracle.choose(point, JITTER.length)]!;

const later = (when: Instant, point: string, oracle: Oracle | undefined): Instant =>
  oracle === undefined ? when : after(when, jitter(point, oracle));

/** Chance that is chosen: what a guest draws is on the tape, too. */
function chosenRandom(oracle: Oracle, point = 'random'): Random {
  const bits = (): number => oracle.choose(point, 2 ** 32) | 0;
  return {
    bits,
    below: (limit) => oracle.choose(point, limit),
    unit: () => (bits() >>> 0) / 2 ** 32,
    of: (name) => chosenRandom(oracle, `${point}/${name}`),
  };
}
