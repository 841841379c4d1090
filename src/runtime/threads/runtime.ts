import { availableParallelism } from 'node:os';
import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { messageOf } from '../../base/said.ts';
import { failed, type Outcome } from '../../base/outcome.ts';
import { seededRandom } from '../../base/random.ts';
import { START, us, type Instant } from '../../base/units.ts';
import type { Platform } from '../../contract/platform.ts';
import type {
  ContextSpec,
  CoprocessorPort,
  CoprocessorSpec,
  PortListener,
  QueueSpec,
  Runtime,
  Timeline,
} from '../../contract/port.ts';
import { BELL, MESSAGES_SENT } from '../../memory/channel.ts';
import { Doorbell } from '../../memory/doorbell.ts';
import { freshMemory } from '../../memory/recycled-memory.ts';
import { newEpoch, threadClock, type Epoch } from './clock.ts';
import type { Cores } from './pinning.ts';
import { forgetSpinner, spinnersMemory } from './spinners.ts';
import { Watch } from './watch.ts';

/** What a coprocessor's thread offers on its control plane. */
export interface CoprocessorControl {
  attach(context: ContextSpec): Outcome<void>;
  detach(slot: number): Outcome<void>;
  addQueues(slot: number, queues: readonly QueueSpec[]): Outcome<void>;
}

/** What a coprocessor's thread is started with. */
export interface CoprocessorWorkerData {
  readonly entry: string;
  readonly spec: CoprocessorSpec;
  /** URL of the module whose default export is the platform. */
  readonly platformModule: string;
  readonly epoch: Epoch;
  /** Where the threads of the run say who spins, and as which number this one does; see `spinners.ts`. */
  readonly spinners: SharedArrayBuffer;
  readonly number: number;
  /** How many cores the run has, and on which it holds itself. */
  readonly cores: number;
  readonly core: number | undefined;
}

/** Compiled or not, the workers stand where this file stands. */
const compiled = import.meta.url.endsWith('.js');
const workers = new URL('../../../workers/', import.meta.url);
const BOOT = new URL('boot.mjs', workers);
const ENTRY = new URL(compiled ? 'coprocessor.js' : 'coprocessor.ts', workers);

/** The heap of a thread in a run with a fault plan. */
const HEAP_MB = 128;
/** Below this, a timer is set for the time before and the rest is the next timer's (nanoseconds). */
const MILLISECOND = 1e6;

/** The world as it is: one worker thread per coprocessor, the machine's clock and timers. */
export class ThreadsRuntime implements Runtime {
  readonly kind = 'threads';
  readonly metered = false;
  /** Between two threads that are awake; if one has to be woken, it is late, as it was without. */
  readonly lead = us(20);
  readonly memory = freshMemory;
  readonly timeline: Timeline;
  readonly random;
  readonly #epoch: Epoch;
  readonly #spinners = spinnersMemory();
  readonly #ports = new Set<ThreadPort>();
  readonly #numbers = new Map<string, number>();
  readonly #cores: number;
  readonly #pinned: Cores | undefined;
  readonly #broken: Promise<never>;
  /** An invariant broke in a callback: whoever drives the run is told. */
  #fail: (error: unknown) => void = () => {};

  /** `start`: when it begins; a resumed system goes on where it was. `pinned`: the cores that its threads are held on. */
  constructor(seed: number, start: Instant = START, pinned?: Cores) {
    this.#pinned = pinned;
    this.#cores = pinned?.count ?? availableParallelism();
    this.#epoch = newEpoch(start);
    const now = threadClock(this.#epoch);
    this.#broken = new Promise((_, reject) => (this.#fail = reject));
    this.#broken.catch(() => {});
    this.timeline = { now, at: (deadline, what) => timer(now, deadline, this.#guarded(what)) };
    this.random = seededRandom(seed);
  }

  startCoprocessor(spec: CoprocessorSpec, platform: Platform, listener: PortListener): CoprocessorPort {
    const guarded: PortListener = {
      onEvents: this.#guarded(() => listener.onEvents()),
      onExit: (reason) => this.#guarded(() => listener.onExit(reason))(),
    };
    const port = new ThreadPort(
      {
        entry: ENTRY.href,
        spec,
        platformModule: platform.module,
        epoch: this.#epoch,
        spinners: this.#spinners,
        number: this.#numberOf(spec.id),
        cores: this.#cores,
        core: this.#pinned?.of(spec.id),
      },
      guarded,
      new Watch(
        () => this.timeline.now(),
        () => this.#freeCore,
        () => turnOfTheEventLoop(),
      ),
      () => this.#ports.delete(port),
    );
    this.#ports.add(port);
    return port;
  }

  /** The same for each start of a coprocessor. */
  #numberOf(coproc: string): number {
    const number = this.#numbers.get(coproc) ?? this.#numbers.size;
    this.#numbers.set(coproc, number);
    return number;
  }

  /** Whether a core is left for this thread while it waits. */
  get #freeCore(): boolean {
    let awake = 0;
    for (const port of this.#ports) if (port.awake) awake++;
    return awake < this.#cores;
  }

  async drive(finished: Promise<void>): Promise<void> {
    await Promise.race([finished, this.#broken]);
  }

  #guarded(what: () => void): () => void {
    return () => {
      try {
        what();
      } catch (error) {
        this.#fail(error);
      }
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#ports].map((port) => port.end()));
    this.#pinned?.release();
  }
}

class ThreadPort implements CoprocessorPort {
  readonly #worker: Worker;
  readonly #control: Comlink.Remote<CoprocessorControl>;
  readonly #words: Int32Array;
  readonly #bell: Doorbell;
  readonly #gone: Promise<string>;
  readonly #cores: number;
  #isGone = false;
  /** A wait for the coprocessor's bell is under way. */
  #listens = false;
  #wake: (roused: boolean) => void = () => {};
  #reason: string | undefined;

  constructor(workerData: CoprocessorWorkerData, listener: PortListener, watch: Watch, onGone: () => void) {
    const { spec, spinners, number } = workerData;
    this.#cores = workerData.cores;
    // A heap that is to be exhausted is one that has an end.
    const resourceLimits = spec.ailments === undefined ? {} : { maxOldGenerationSizeMb: HEAP_MB };
    this.#worker = new Worker(BOOT, { workerData, name: spec.id, execArgv: [], resourceLimits });
    this.#words = new Int32Array(spec.channel.bells);
    this.#bell = new Doorbell(spec.channel.bells, BELL.coprocessor);
    this.#control = Comlink.wrap<CoprocessorControl>(nodeEndpoint(this.#worker));
    const events = new Doorbell(spec.channel.bells, BELL.hypervisor);
    this.#worker.on('error', (error) => (this.#reason ??= messageOf(error)));
    this.#gone = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#isGone = true;
        forgetSpinner(spinners, number);
        // Whoever waits for what nobody will say keeps the whole channel for ever.
        events.abandon();
        const reason = this.#reason ?? `its thread ended with code ${code}`;
        onGone();
        resolve(reason);
        listener.onExit(reason);
      });
    });
    void this.#listen(events, listener, watch);
  }

  get awake(): boolean {
    return !this.#bell.asleep;
  }

  ring(): void {
    this.#bell.ring();
  }

  /** Whoever is about to submit will want to hear of it: this thread does not go back to sleep at once either. */
  rouse(): void {
    // On one core whoever is woken waits for this thread.
    if (this.#cores < 2) return;
    this.#bell.ring();
    this.#wake(true);
  }

  attach(context: ContextSpec): Promise<Outcome<void>> {
    return this.#call(() => this.#control.attach(context));
  }

  detach(slot: number): Promise<Outcome<void>> {
    return this.#call(() => this.#control.detach(slot));
  }

  addQueues(slot: number, queues: readonly QueueSpec[]): Promise<Outcome<void>> {
    return this.#call(() => this.#control.addQueues(slot, queues));
  }

  kill(reason: string): void {
    this.#reason ??= reason;
    void this.#worker.terminate();
  }

  async end(): Promise<void> {
    this.kill('the run is over');
    await this.#gone;
  }

  /** Sends one message and answers for a thread that dies with it. */
  async #call(send: () => Promise<Outcome<void>>): Promise<Outcome<void>> {
    if (this.#isGone) return failed('the coprocessor is gone');
    const answer = send();
    // Counted after it was sent, before the bell: the thread leaves its loop for it and finds it there.
    Atomics.add(this.#words, MESSAGES_SENT, 1);
    this.#bell.ring();
    return Promise.race([answer, this.#gone.then((reason) => failed(`the coprocessor is gone: ${reason}`))]);
  }

  async #listen(bell: Doorbell, listener: PortListener, watch: Watch): Promise<void> {
    const came = (): boolean => bell.rang || this.#isGone;
    let roused = false;
    while (!this.#isGone) {
      // Marked before looking, so that an event between looking and sleeping rings.
      bell.watch();
      listener.onEvents();
      const more = roused ? await watch.expect(came) : await watch.keep(came);
      roused = false;
      if (more) continue;
      bell.arm();
      listener.onEvents();
      roused = await this.#sleep(bell);
    }
  }

  /** Until the coprocessor rings, or something for it is about to come: says which. One wait lasts over several sleeps. */
  async #sleep(bell: Doorbell): Promise<boolean> {
    const awake = new Promise<boolean>((resolve) => (this.#wake = resolve));
    if (!this.#listens) {
      this.#listens = true;
      void bell.rung().then(() => {
        this.#listens = false;
        // Only now is the bell disarmed, and whoever sleeps by then has to arm it again.
        this.#wake(false);
      });
    }
    const roused = await awake;
    this.#wake = () => {};
    return roused;
  }
}

function timer(now: () => Instant, deadline: Instant, what: () => void): () => void {
  let handle: NodeJS.Timeout | NodeJS.Immediate;
  let cancelled = false;
  const arm = (): void => {
    const left = deadline - now();
    if (left <= 0) {
      handle = setImmediate(() => {
        if (!cancelled) what();
      });
      return;
    }
    // Node truncates to whole milliseconds and never fires early by more than one.
    handle = setTimeout(
      () => {
        if (now() >= deadline) what();
        else arm();
      },
      Math.min(Math.ceil(left / MILLISECOND), 2 ** 31 - 1),
    );
  };
  arm();
  return () => {
    cancelled = true;
    clearTimeout(handle as NodeJS.Timeout);
    clearImmediate(handle as NodeJS.Immediate);
  };
}
