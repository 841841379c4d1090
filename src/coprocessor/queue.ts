import { START, type Instant } from '../base/units.ts';
import type { QueueService, QueueSpec } from '../contract/port.ts';
import { RingConsumer, RingProducer } from '../memory/ring.ts';

/** One command queue as the coprocessor knows it. */
export class Queue {
  readonly index: number;
  readonly commands: RingConsumer;
  readonly completions: RingProducer;
  service: QueueService;
  /** An index in its rings cannot be true: it is served no more. */
  corrupt = false;
  /** Sequence number of the question whether no command of it is under way, while that is not answered. */
  asked: number | undefined;
  /** Completions that were shown without an interrupt, and until when they may wait for it. */
  held = 0;
  heldUntil: Instant = START;
  holding = false;
  /** Its place among the queues with commands: whether it has one, of which priority, and who is behind it. */
  ready = false;
  level = 0;
  next: Queue = this;

  constructor({ index, memory, service }: QueueSpec) {
    this.index = index;
    this.commands = new RingConsumer(memory.commands);
    this.completions = new RingProducer(memory.completions);
    this.service = service;
  }

  get served(): boolean {
    return !this.corrupt && !this.service.evicted && !this.service.gone;
  }
}
