import type { QueueService, QueueSpec } from '../contract/port.ts';
import type { QueueHandle } from './guest-queue.ts';
import type { Service } from './queue-settings.ts';
import type { CommandQueue } from './queue.ts';

/** One queue of a vcoproc, and what its coprocessor was told of it. */
export interface Entry {
  readonly index: number;
  readonly queue: CommandQueue;
  /** The guest's handle; the hypervisor's own queues have none, nor has the default one. */
  handle: QueueHandle | undefined;
  readonly capacity: number;
  service: Service;
  /** Evictions that were not taken back. */
  evictions: number;
  gone: boolean;
  /** `sent`: on its way; it is known as soon as the coprocessor answers. */
  known: 'no' | 'sent' | 'yes';
  /** What the coprocessor was told is not what holds now. */
  changed: boolean;
  /** Sequence number of what it was told last. */
  told: number;
  /** No command of it is under way, and none will be. */
  quiet: boolean;
  /** Who waits for that. */
  waiting: (() => void)[];
}

export const newEntry = (queue: CommandQueue, capacity: number, service: Service): Entry => ({
  index: queue.index,
  queue,
  handle: undefined,
  capacity,
  service,
  evictions: 0,
  gone: false,
  known: 'no',
  changed: false,
  told: 0,
  quiet: false,
  waiting: [],
});

export const served = ({ evictions, gone }: Entry): boolean => evictions === 0 && !gone;

export const serviceFor = ({ service: { priority, count, time }, evictions, gone }: Entry): QueueService => ({
  priority,
  count,
  time,
  evicted: evictions > 0,
  gone,
});

export const spec = (entry: Entry): QueueSpec => ({
  index: entry.index,
  memory: entry.queue.memory,
  service: serviceFor(entry),
});

/** Whoever waits for an evicted queue to be quiet is told. */
export function answer(entry: Entry): void {
  entry.quiet = !served(entry);
  for (const resolve of entry.waiting.splice(0)) resolve();
}

/** One eviction of a queue, which may be gone when it is taken back. */
export interface Eviction {
  /** Resolves when no command of it is under way, or the eviction was taken back. */
  readonly quiet: Promise<void>;
  restore(): void;
}
