import type { Outcome } from '../base/outcome.ts';
import { NO_TIME, type Duration, type Instant } from '../base/units.ts';
import type {
  ChannelMemory,
  ContextSpec,
  CoprocessorPort,
  MemorySource,
  PortListener,
  QueueService,
  QueueSpec,
  Timeline,
} from '../contract/port.ts';
import {
  ATTACHING,
  COUNTER,
  CONTROL,
  NO_SLOT,
  createChannel,
  writeInstant,
  writeService,
} from '../memory/channel.ts';
import { DESCRIPTOR_WORDS, RingConsumer, RingProducer } from '../memory/ring.ts';
import { SafetyTick } from './safety-tick.ts';
import type { MappedWindow } from './window.ts';

export interface LinkListener {
  /** One event, at index `at` of `words`; see EVENT in `src/memory/channel.ts`. */
  onEvent(words: Int32Array, at: number): void;
  /** All events that were there have been told. */
  onDrained(): void;
  /** It was asked whether it is there, and has not answered for longer than any step may take. */
  onSilence(): void;
  /** The coprocessor is gone, and everything that it said before was told. Called once. */
  onExit(reason: string): void;
}

/** The hypervisor's end of one start of a coprocessor: its channel and its port. A successor has its own. */
export class Link {
  /** The memory that both ends share. */
  readonly channel: ChannelMemory;
  readonly window: MappedWindow;
  readonly #control: RingProducer;
  readonly #bells: Int32Array;
  readonly #counters: Int32Array;
  /** What stood there when it was asked last. */
  readonly #counted = { hits: 0, misses: 0 };
  readonly #events: RingConsumer;
  readonly #listener: LinkListener;
  readonly #port: CoprocessorPort;
  readonly #tick: SafetyTick;
  readonly #timeline: Timeline;
  #written = 0;
  /** Written, and not in the ring yet for lack of room, in order. */
  readonly #kept: Int32Array[] = [];
  /** What was written when the coprocessor was asked last. */
  #asked = 0;
  #open = true;
  #draining = false;
  /** What was left is drained soon. */
  #later = false;

  constructor(
    start: (channel: ChannelMemory, listener: PortListener) => CoprocessorPort,
    listener: LinkListener,
    timeline: Timeline,
    patience: () => Duration,
    memory: MemorySource,
  ) {
    const channel = createChannel(memory);
    this.channel = channel;
    this.#timeline = timeline;
    this.#bells = new Int32Array(channel.bells);
    this.#counters = new Int32Array(channel.counters);
    this.#listener = listener;
    this.#control = new RingProducer(channel.control);
    this.#events = new RingConsumer(channel.events);
    this.window = {
      words: new Int32Array(channel.window),
      posted: new RingProducer(channel.posted),
      ring: () => this.ring(),
    };
    this.#port = start(channel, {
      onEvents: () => this.drain(),
      onExit: (reason) => {
        if (!this.#open) return;
        this.drain();
        this.#open = false;
        this.#tick.stop();
        listener.onExit(reason);
      },
    });
    this.#tick = new SafetyTick(timeline, patience, {
      look: () => {
        const missed = this.#events.available() > 0;
        this.#flush();
        this.#port.ring();
        this.drain();
        return missed;
      },
      ask: () => {
        this.#write(CONTROL.extend, NO_SLOT, NO_SLOT, 0, NO_TIME);
        this.#asked = this.#written;
        this.#port.ring();
      },
      answered: () => (this.#control.taken - this.#asked) << 1 >= 0,
      excused: () => this.attaching,
      onSilence: () => {
        if (this.#open) listener.onSilence();
      },
    });
  }

  /** Whether the coprocessor is busy making a context known, and answers nobody meanwhile. */
  get attaching(): boolean {
    return Atomics.load(this.#bells, ATTACHING) !== 0;
  }

  /** Adds what the IOMMU translated since this was asked last. */
  addTranslations(to: { hits: number; misses: number }): void {
    const hits = Atomics.load(this.#counters, COUNTER.iotlbHits);
    const misses = Atomics.load(this.#counters, COUNTER.iotlbMisses);
    to.hits += (hits - this.#counted.hits) >>> 0;
    to.misses += (misses - this.#counted.misses) >>> 0;
    this.#counted.hits = hits;
    this.#counted.misses = misses;
  }

  ring(): void {
    this.#port.ring();
    this.#tick.rang();
  }

  rouse(): void {
    this.#port.rouse();
  }

  attach(context: ContextSpec): Promise<Outcome<void>> {
    return this.#port.attach(context);
  }

  detach(slot: number): Promise<Outcome<void>> {
    return this.#port.detach(slot);
  }

  addQueues(slot: number, queues: readonly QueueSpec[]): Promise<Outcome<void>> {
    return this.#port.addQueues(slot, queues);
  }

  /** Ends the coprocessor; `onExit` follows. */
  kill(reason: string): void {
    this.#port.kill(reason);
  }

  /** Ends the coprocessor and hears no more of it. */
  close(reason: string): void {
    this.#open = false;
    this.#tick.stop();
    this.#port.kill(reason);
  }

  /**
   * Posts one control command. There is one switch and one question at a time, but a slice may be extended for
   * every event, and a guest that kept the thread for long leaves many events: what does not fit waits here.
   */
  post(op: number, slot: number, to: number, sequence: number, slice: Duration, atEnd = false): void {
    const words = new Int32Array(DESCRIPTOR_WORDS);
    words[6] = atEnd ? 1 : 0;
    this.#write(op, slot, to, sequence, slice, words);
    this.ring();
  }

  /** Says how a queue is served from now on. */
  serveQueue(slot: number, queue: number, service: QueueService, sequence: number): void {
    const words = new Int32Array(DESCRIPTOR_WORDS);
    writeService(words, 0, service);
    this.#write(CONTROL.queue, slot, queue, sequence, service.time, words);
    this.ring();
  }

  #write(
    op: number,
    slot: number,
    to: number,
    sequence: number,
    slice: Duration,
    words = new Int32Array(DESCRIPTOR_WORDS),
  ): void {
    words[0] = op;
    words[1] = slot;
    words[2] = to;
    words[3] = sequence;
    writeInstant(words, 4, slice as number as Instant);
    this.#kept.push(words);
    this.#written = (this.#written + 1) | 0;
    this.#flush();
  }

  #flush(): void {
    while (this.#kept.length > 0) {
      const at = this.#control.claim();
      if (at < 0) break;
      this.#control.words.set(this.#kept.shift()!, at);
    }
    this.#control.publish();
  }

  /**
   * Tells all events that are there, in order. What an event leads to may ask for this again: it is under way. What
   * comes meanwhile has its turn after everybody else's: a coprocessor that always has more to say keeps nobody waiting.
   */
  drain(): void {
    if (!this.#open || this.#draining) return;
    this.#draining = true;
    const events = this.#events;
    for (let told = 0; events.available() > 0 && told < events.capacity; told++) {
      this.#listener.onEvent(events.words, events.peek());
      events.release();
    }
    this.#draining = false;
    if (events.available() > 0 && !this.#later) {
      this.#later = true;
      this.#timeline.at(this.#timeline.now(), () => {
        this.#later = false;
        this.drain();
      });
    }
    if (this.#kept.length > 0) {
      this.#flush();
      this.ring();
    }
    this.#listener.onDrained();
  }
}
