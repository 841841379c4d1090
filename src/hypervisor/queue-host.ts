import type { Outcome } from '../base/outcome.ts';
import type { MemorySource, QueueService, QueueSpec, Timeline } from '../contract/port.ts';
import type { QueueListener } from './queue.ts';

/** What a table of queues needs of its vcoproc. */
export interface QueueHost extends Pick<QueueListener, 'over' | 'rouse' | 'onSubmit' | 'onComplete'> {
  readonly memory: MemorySource;
  readonly timeline: Timeline;
  /** Whether the guest may hear of anything now. */
  hears(): boolean;
  /** Whether nobody brings its context back before it is kicked. */
  sleeps(): boolean;
  /** There is new work. */
  kick(): void;
  /** Makes queues known to the coprocessor. One that is gone answers when it is known to be. */
  addQueues(queues: readonly QueueSpec[]): Promise<Outcome<void>>;
  /** Tells the coprocessor how to serve a queue; it answers when no command of one that it serves no more is under way. */
  tell(index: number, service: QueueService, sequence: number): void;
  blame(what: string): void;
}
