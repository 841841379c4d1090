import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import { failed, type Outcome } from '../../base/outcome.ts';
import { seededRandom, type Random } from '../../base/random.ts';
import { NO_TIME, START, after, sum, type Duration, type Instant } from '../../base/units.ts';
import type { Platform } from '../../contract/platform.ts';
import type {
  ContextSpec,
  CoprocessorPort,
  CoprocessorSpec,
  PortListener,
  Runtime,
  Timeline,
} from '../../contract/port.ts';
import { CoprocessorCore, TURN } from '../../coprocessor/core.ts';
import { BELL } from '../../memory/channel.ts';
import { Doorbell } from '../../memory/doorbell.ts';
import { EventQueue } from './event-queue.ts';

/** Turns of coprocessors between two looks of the outside world. */
const TURNS_UNSEEN = 1024;

/** Nothing is left to happen and the run is not over: a guest awaits what never comes. */
export class StalledError extends Error {
  override readonly name = 'StalledError';
}

/**
 * The world under virtual time: the same coprocessor cores, turned one after the other in this thread,
 * each turn taking the time that its cycles and bytes take on the described board. The same seed
 * gives the same run.
 */
export class SimulatedRuntime implements Runtime {
  readonly kind = 'simulated';
  readonly metered = true;
  readonly random: Random;
  readonly timeline: Timeline;
  readonly #queue = new EventQueue();
  #now: Instant = START;
  /** Something happened that a guest may react to. */
  #disturbed = true;

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.timeline = {
      now: () => this.#now,
      at: (deadline, what) =>
        this.#at(deadline, () => {
          this.#disturbed = true;
          what();
        }),
    };
  }

  startCoprocessor(spec: CoprocessorSpec, platform: Platform, listener: PortListener): CoprocessorPort {
    return new SimulatedPort(
      spec,
      platform,
      this.timeline,
      (deadline, what) => this.#at(deadline, what),
      listener,
    );
  }

  #at(deadline: Instant, what: () => void): () => void {
    return this.#queue.add(deadline < this.#now ? this.#now : deadline, what);
  }

  async drive(finished: Promise<void>): Promise<void> {
    let over = false;
    void finished.finally(() => (over = true));
    for (let turns = 0; ; turns++) {
      // Guests run in promises: they get to the end of what they can do before time goes on. A turn of a
      // coprocessor is no business of theirs yet; those who look at the run see it now and then.
      if (this.#disturbed || turns % TURNS_UNSEEN === 0) {
        this.#disturbed = false;
        await turnOfTheEventLoop();
        if (over) break;
      }
      const event = this.#queue.take();
      if (event === undefined) throw new StalledError('nothing is left to happen, and a domain still waits');
      this.#now = event.at;
      event.what();
    }
    await finished;
  }

  async close(): Promise<void> {}
}

class SimulatedPort implements CoprocessorPort {
  readonly #core: CoprocessorCore;
  readonly #timeline: Timeline;
  readonly #turnAt: (deadline: Instant, what: () => void) => void;
  readonly #listener: PortListener;
  readonly #bell: Doorbell;
  readonly #hypervisorBell: Doorbell;
  readonly #latency: Duration;
  #spent: Duration = NO_TIME;
  /** The core is busy with its last turn until then. */
  #busyUntil: Instant;
  #state: 'alive' | 'hung' | 'dead' = 'alive';

  constructor(
    spec: CoprocessorSpec,
    platform: Platform,
    timeline: Timeline,
    turnAt: (deadline: Instant, what: () => void) => void,
    listener: PortListener,
  ) {
    this.#turnAt = turnAt;
    this.#timeline = timeline;
    this.#listener = listener;
    this.#latency = spec.interruptLatency;
    this.#busyUntil = timeline.now();
    this.#bell = new Doorbell(spec.channel.bells, BELL.coprocessor, () => this.#scheduleTurn());
    this.#hypervisorBell = new Doorbell(spec.channel.bells, BELL.hypervisor, () => this.#scheduleEvents());
    this.#hypervisorBell.arm();
    const host = {
      now: () => after(timeline.now(), this.#spent),
      spend: (length: Duration) => (this.#spent = sum(this.#spent, length)),
    };
    this.#core = new CoprocessorCore(spec, platform, host, this.#hypervisorBell);
    this.#scheduleTurn();
  }

  ring(): void {
    this.#bell.ring();
  }

  attach(context: ContextSpec): Promise<Outcome<void>> {
    return Promise.resolve(
      this.#state === 'dead' ? failed('the coprocessor is gone') : this.#core.attach(context),
    );
  }

  detach(slot: number): Promise<Outcome<void>> {
    return Promise.resolve(
      this.#state === 'dead' ? failed('the coprocessor is gone') : this.#core.detach(slot),
    );
  }

  kill(reason: string): void {
    if (this.#state === 'dead') return;
    this.#state = 'dead';
    this.#timeline.at(this.#timeline.now(), () => this.#listener.onExit(reason));
  }

  #scheduleTurn(): void {
    const now = this.#timeline.now();
    this.#turnAt(now < this.#busyUntil ? this.#busyUntil : now, () => this.#turn());
  }

  #turn(): void {
    if (this.#state !== 'alive') return;
    this.#spent = NO_TIME;
    const turn = this.#core.turn();
    this.#busyUntil = after(this.#timeline.now(), this.#spent);
    this.#spent = NO_TIME;
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
  }

  #scheduleEvents(): void {
    const happened = after(this.#timeline.now(), this.#spent);
    this.#timeline.at(after(happened, this.#latency), () => {
      this.#hypervisorBell.arm();
      this.#listener.onEvents();
    });
  }
}
