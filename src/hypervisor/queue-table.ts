import { assert, present } from '../base/assert.ts';
import {
  GuestError,
  MOST_QUEUES,
  MOST_ROOM,
  type GuestQueue,
  type QueueSettings,
} from '../contract/guest.ts';
import type { QueueSpec } from '../contract/port.ts';
import type { CommandCounts } from '../contract/report.ts';
import { BOARD, BOARD_BYTES, QueueBoard } from '../memory/queue-board.ts';
import { allocated } from './allocated.ts';
import type { UnderWay } from './events.ts';
import { QueueHandle } from './guest-queue.ts';
import { answer, newEntry, served, serviceFor, spec, type Entry, type Eviction } from './queue-entry.ts';
import type { QueueHost } from './queue-host.ts';
import { CommandQueue, type QueueListener } from './queue.ts';
import { DEFAULT_SERVICE, OWN_PRIORITY, capacityOf, serviceOf, type Service } from './queue-settings.ts';
import type { SavedQueues } from './saved.ts';

const FIRST_CAPACITY = 256;
const OWN_CAPACITY = 16;
/** Queues that are made known in one message: the coprocessor does nothing else meanwhile. */
const QUEUES_OF_A_MESSAGE = 64;

/**
 * The command queues of one vcoproc: the default one, those that the guest creates, and the hypervisor's own. Which
 * of many have something to be done stands on two boards in shared memory, so that neither side looks at all of them.
 */
export class QueueTable {
  readonly first: CommandQueue;
  /** Shared memory of both boards. */
  readonly board: SharedArrayBuffer;
  readonly #host: QueueHost;
  readonly #entries = new Map<number, Entry>();
  readonly #rung: QueueBoard;
  readonly #completed: QueueBoard;
  readonly #listener: QueueListener;
  /** Indices that were given back. */
  readonly #free: number[] = [];
  #room = 0;
  #sequence = 0;
  /** Queues that the coprocessor does not know yet, and whether it is being told of some. */
  #unsent: Entry[] = [];
  #sending = false;
  /** The coprocessor knows the context: until then it is told of no queue that came since it was told of the context. */
  #attached = false;
  /** Batches that asked for something while the guest was not to hear of it. */
  readonly #deferred = new Set<number>();
  /** Queues that nobody rang for may have commands. */
  #fresh = false;
  /** Of queues that are gone. */
  readonly #past = { submitted: 0, ok: 0, failed: 0, cancelled: 0 };
  /** How every command of every queue ends from now on. */
  #over: { status: 'failed' | 'cancelled'; reason: string } | undefined;

  constructor(host: QueueHost) {
    this.#host = host;
    this.board = host.memory.shared(BOARD_BYTES);
    this.#rung = new QueueBoard(this.board, BOARD.rung);
    this.#completed = new QueueBoard(this.board, BOARD.completed);
    this.#listener = {
      over: () => host.over(),
      rouse: () => host.rouse(),
      onSubmit: (queue, op, at) => host.onSubmit(queue, op, at),
      onComplete: (queue, completion, latency) => host.onComplete(queue, completion, latency),
      blocked: (queue) => {
        if (host.hears()) return false;
        this.#deferred.add(queue);
        return true;
      },
      onShown: (queue, asked) => {
        if (asked) this.#rung.set(queue);
        // Of any other queue the coprocessor knows already that it has commands, unless it asked; but it may have left
        // before it found that there were no more, and would have asked.
        if (asked || queue === 0 || host.sleeps()) host.kick();
      },
      onCorrupt: (queue) => this.distrust(queue),
    };
    this.first = this.#add(FIRST_CAPACITY, DEFAULT_SERVICE).queue;
  }

  // ---- for the guest

  create(settings: QueueSettings = {}): GuestQueue {
    const capacity = capacityOf(settings);
    return this.#handle(this.#create(capacity, serviceOf(settings, DEFAULT_SERVICE)));
  }

  #handle(entry: Entry): QueueHandle {
    return (entry.handle = new QueueHandle(entry.index, entry.queue, this));
  }

  /** Those of the guest, as they were created; one that is being destroyed stays until it is gone. */
  get handles(): GuestQueue[] {
    return [...this.#entries.values()].flatMap(({ handle }) => handle ?? []);
  }

  /** A queue of the hypervisor's own, served before all others. */
  createOwn(): CommandQueue {
    return this.#create(OWN_CAPACITY, { ...DEFAULT_SERVICE, priority: OWN_PRIORITY }).queue;
  }

  change(index: number, settings: Pick<QueueSettings, 'priority' | 'coalesce'>): void {
    const entry = this.#of(index);
    entry.service = serviceOf(settings, entry.service);
    this.#change(entry);
  }

  async destroy(index: number): Promise<void> {
    const entry = this.#of(index);
    assert(entry.queue !== this.first, 'the default queue stays as long as its vcoproc');
    const reason = 'its queue was destroyed';
    entry.queue.close();
    this.#change(entry, true);
    await this.#quiet(entry);
    entry.queue.fail('cancelled', reason, true);
    const { counts } = entry.queue;
    for (const key of ['submitted', 'ok', 'failed', 'cancelled'] as const) this.#past[key] += counts[key];
    this.#room -= entry.capacity;
    this.#entries.delete(index);
    this.#free.push(index);
  }

  // ---- for the hypervisor

  /**
   * Serves a queue no more, until each of its evictions is taken back. It stays valid for its owner, and its commands
   * wait; one that was begun is finished first.
   */
  evict(index: number): Eviction {
    const entry = this.#of(index);
    if (entry.evictions++ === 0) this.#change(entry);
    let restored = false;
    return {
      quiet: this.#quiet(entry),
      restore: () => {
        assert(!restored, 'an eviction is taken back once');
        restored = true;
        this.#restore(entry);
      },
    };
  }

  #restore(entry: Entry): void {
    if (--entry.evictions > 0) return;
    this.#change(entry);
    if (!served(entry)) return;
    answer(entry);
    if (entry.queue.unfetched) this.#kickFresh();
  }

  /** Whether there is such a queue. */
  has(index: number): boolean {
    return this.#entries.has(index);
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Of one queue; none of one that there is not. */
  outstandingIn(index: number): number {
    return this.#entries.get(index)?.queue.outstanding ?? 0;
  }

  get outstanding(): number {
    if (this.#entries.size === 1) return this.first.outstanding;
    let total = 0;
    for (const { queue } of this.#entries.values()) total += queue.outstanding;
    return total;
  }

  /** Whether commands were shown of which the coprocessor may not know. */
  get unfetched(): boolean {
    if (this.#entries.size > 1 && (this.#rung.any || this.#hasFresh())) return true;
    return this.first.unfetched && served(this.#of(0));
  }

  /** A queue has commands that nobody rang for: the coprocessor looks at it when it hears of it, but may be leaving. */
  #kickFresh(): void {
    this.#fresh = true;
    this.#host.kick();
  }

  #hasFresh(): boolean {
    if (!this.#fresh) return false;
    this.#fresh = [...this.#entries.values()].some((entry) => entry.queue.unfetched && served(entry));
    return this.#fresh;
  }

  get counts(): CommandCounts {
    const total = { ...this.#past };
    for (const { queue } of this.#entries.values()) {
      total.submitted += queue.counts.submitted;
      total.ok += queue.counts.ok;
      total.failed += queue.counts.failed;
      total.cancelled += queue.counts.cancelled;
    }
    return total;
  }

  /** Why they cannot be saved, if they cannot. */
  get unsaveable(): string | undefined {
    for (const { index, queue, handle } of this.#entries.values()) {
      const which = index === 0 ? 'queue' : `queue ${index}`;
      if (queue.inBatch) return `its ${which} is a batch's; ask when it is closed`;
      if (index !== 0 && handle === undefined) return `its ${which} is the hypervisor's; ask again`;
    }
    return undefined;
  }

  /** Only while the context is away. */
  save(): SavedQueues {
    const others = [...this.#entries.values()].slice(1).map(({ index, capacity, service, gone, queue }) => {
      return { index, capacity, service, gone, queue: queue.save() };
    });
    return { first: this.first.save(), others, past: { ...this.#past }, over: this.#over ?? null };
  }

  /** `underWay`: the command that is. Before the coprocessor knows of any queue. */
  restore({ first, others, past, over }: SavedQueues, underWay: UnderWay | undefined): void {
    this.#over = over ?? undefined;
    Object.assign(this.#past, past);
    const fetched = (index: number): number | undefined =>
      underWay?.queue === index ? underWay.sequence : undefined;
    this.first.restore(first, fetched(0));
    for (const { index, capacity, service, gone, queue } of others) {
      const entry = this.#add(capacity, service, index);
      const handle = this.#handle(entry);
      entry.queue.restore(queue, fetched(index));
      // The board that said that it had completions is gone.
      this.#completed.set(index);
      if (gone) void handle.destroy();
    }
    const last = Math.max(...this.#entries.keys());
    for (let index = last; index > 0; index--) if (!this.#entries.has(index)) this.#free.push(index);
  }

  /** Completions came: takes them from the queues that have any, and tells the guest. */
  drain(): void {
    this.#drain(this.first);
    if (!this.#completed.any) return;
    this.#completed.take((index) => {
      const entry = this.#entries.get(index);
      if (entry !== undefined) this.#drain(entry.queue);
    });
  }

  #drain(queue: CommandQueue): void {
    queue.drain();
    queue.post();
  }

  /** What kept the guest from hearing may be over. */
  wake(): void {
    // Who is still blocked would only be deferred again.
    if (!this.#host.hears()) return;
    for (const index of this.#deferred) this.#entries.get(index)?.queue.wake();
    this.#deferred.clear();
  }

  /** Everything outstanding ends like this, and so does everything that follows. */
  fail(status: 'failed' | 'cancelled', reason: string): void {
    this.#over = { status, reason };
    for (const entry of this.#entries.values()) {
      entry.queue.fail(status, reason, true);
      answer(entry);
    }
  }

  /**
   * The context was lost with the coprocessor, and begins anew. What its default queue had fails, and so does what
   * any other queue had of which a command was under way. Who only waited goes on waiting.
   */
  lose(reason: string): void {
    this.unknown();
    for (const entry of this.#entries.values()) {
      if (entry.queue === this.first || entry.queue.underWay !== 0) {
        entry.queue.fail('failed', reason, false);
        entry.queue.renew();
      } else this.#drain(entry.queue);
      answer(entry);
    }
  }

  /** What stands in a queue's rings cannot be true: it is dead, and nobody else is touched. */
  distrust(index: number): void {
    const entry = this.#entries.get(index);
    if (entry === undefined || entry.queue.dead) return;
    const reason = index === 0 ? 'its command queue is corrupt' : `its command queue ${index} is corrupt`;
    entry.evictions++;
    entry.queue.fail('failed', reason, true);
    this.#host.blame(reason);
    this.#change(entry);
  }

  // ---- what the coprocessor knows

  /** All queues, as they are to be served. */
  get specs(): readonly QueueSpec[] {
    return [...this.#entries.values()].filter(({ gone, quiet }) => !gone || !quiet).map(spec);
  }

  /**
   * No coprocessor knows the context any more, and nothing is said of a queue until one does. What was said to a
   * successor before it has the context would be said twice: it forgets a queue at the first, and does not answer the
   * second, for which its owner waits.
   */
  unknown(): void {
    this.#attached = false;
    for (const entry of this.#entries.values()) entry.known = 'no';
  }

  /** A coprocessor is about to know the context, with all queues that are among the `specs` now. */
  attaching(): void {
    this.#attached = false;
    this.#unsent = [];
    for (const entry of this.#entries.values()) {
      entry.known = 'sent';
      entry.changed = false;
    }
  }

  /** It knows the context. */
  attached(): void {
    this.#attached = true;
    for (const entry of this.#entries.values()) this.#onKnown(entry);
    void this.#send();
  }

  /** No command of an evicted queue is under way. */
  onEvicted(index: number, sequence: number): void {
    const entry = this.#entries.get(index);
    if (entry !== undefined && entry.told === sequence && !served(entry)) answer(entry);
  }

  #onKnown(entry: Entry): void {
    if (entry.known !== 'sent') return;
    entry.known = 'yes';
    if (entry.changed || entry.waiting.length > 0) this.#tell(entry);
    if (entry.queue.outstanding > 0 && served(entry)) this.#kickFresh();
  }

  #change(entry: Entry, gone = false): void {
    // That it is gone is the last that is said of it: the coprocessor forgets it when it has answered.
    if (entry.gone) return;
    entry.gone = gone;
    entry.changed = true;
    // Its index is another's only when the coprocessor has forgotten it, even if it was quiet before.
    entry.quiet &&= !served(entry) && !(gone && entry.known !== 'no');
    if (entry.known === 'yes') this.#tell(entry);
  }

  #tell(entry: Entry): void {
    entry.changed = false;
    entry.told = this.#sequence = (this.#sequence + 1) | 0;
    this.#host.tell(entry.index, serviceFor(entry), entry.told);
  }

  #quiet(entry: Entry): Promise<void> {
    // Who never comes to a coprocessor again has nothing there that could end.
    if (entry.quiet || this.#over !== undefined) return Promise.resolve();
    return new Promise((resolve) => entry.waiting.push(resolve));
  }

  async #send(): Promise<void> {
    if (this.#sending) return;
    this.#sending = true;
    while (this.#attached && this.#unsent.length > 0) {
      const some = this.#unsent.splice(0, QUEUES_OF_A_MESSAGE);
      for (const entry of some) {
        entry.known = 'sent';
        entry.changed = false;
      }
      const added = await this.#host.addQueues(some.map(spec));
      for (const entry of some) {
        if (added.kind === 'ok') this.#onKnown(entry);
        // A coprocessor that is gone has a successor, which is told of all: that is under way, or done.
        else if (this.#attached && entry.known === 'sent') this.#giveUp(entry, added.reason);
      }
    }
    this.#sending = false;
  }

  /** The coprocessor does not take it: its commands end, and nobody waits for it. */
  #giveUp(entry: Entry, reason: string): void {
    entry.known = 'no';
    entry.evictions++;
    entry.queue.fail('failed', `its command queue ${entry.index} was not created: ${reason}`, true);
    answer(entry);
  }

  #create(capacity: number, service: Service): Entry {
    if (this.#entries.size >= MOST_QUEUES)
      throw new GuestError(`there are ${MOST_QUEUES} queues already; destroy what is not used`);
    if (this.#room + capacity > MOST_ROOM)
      throw new GuestError(
        `no room for ${capacity} commands: all queues hold ${this.#room} of ${MOST_ROOM}; destroy what is not used`,
      );
    const made = allocated('a command queue', () => this.#add(capacity, service));
    if (made.kind === 'failed') throw new GuestError(made.reason);
    const entry = made.value;
    const over = this.#over;
    if (over !== undefined) entry.queue.fail(over.status, over.reason, true);
    else {
      this.#unsent.push(entry);
      void this.#send();
    }
    return entry;
  }

  #add(capacity: number, service: Service, index = this.#free.at(-1) ?? this.#entries.size): Entry {
    const { timeline, memory } = this.#host;
    const queue = new CommandQueue(index, capacity, timeline, this.#listener, memory);
    const entry = newEntry(queue, capacity, service);
    // Only now: there may have been no memory for it.
    if (this.#free.at(-1) === index) this.#free.pop();
    this.#room += capacity;
    this.#entries.set(index, entry);
    return entry;
  }

  #of(index: number): Entry {
    return present(this.#entries.get(index), 'there is a queue of this index');
  }
}
