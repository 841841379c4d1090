import type {
  Command,
  CommandBatch,
  Completion,
  GuestQueue,
  OutstandingCommand,
  QueueSettings,
} from '../contract/guest.ts';

/** What a guest does with one queue of its vcoproc. */
export interface OwnedQueue {
  readonly outstanding: number;
  submit(command: Command): Promise<Completion>;
  batch(): CommandBatch;
  takeResumed(): OutstandingCommand[];
}

/** What the table of a vcoproc's queues does with one. */
export interface QueueOwner {
  change(index: number, settings: Pick<QueueSettings, 'priority' | 'coalesce'>): void;
  destroy(index: number): Promise<void>;
}

/** A guest's handle of a queue: the queue itself is nobody's to reach. A class, since there may be thousands. */
export class QueueHandle implements GuestQueue {
  readonly number: number;
  readonly #queue: OwnedQueue;
  readonly #owner: QueueOwner;
  #destroyed: Promise<void> | undefined;

  constructor(index: number, queue: OwnedQueue, owner: QueueOwner) {
    this.number = index;
    this.#queue = queue;
    this.#owner = owner;
  }

  get outstanding(): number {
    return this.#queue.outstanding;
  }

  submit(command: Command): Promise<Completion> {
    return this.#queue.submit(command);
  }

  batch(): CommandBatch {
    return this.#queue.batch();
  }

  resumed(): OutstandingCommand[] {
    return this.#queue.takeResumed();
  }

  change(settings: Pick<QueueSettings, 'priority' | 'coalesce'>): void {
    // Its place may be another queue's by now.
    if (this.#destroyed === undefined) this.#owner.change(this.number, settings);
  }

  destroy(): Promise<void> {
    return (this.#destroyed ??= this.#owner.destroy(this.number));
  }
}
