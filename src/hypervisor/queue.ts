import { assert, present } from '../base/assert.ts';
import { after, between, us, type Instant } from '../base/units.ts';
import {
  GuestError,
  type Command,
  type CommandBatch,
  type Completion,
  type OutstandingCommand,
} from '../contract/guest.ts';
import type { CommandCounts } from '../contract/report.ts';
import { ACCESSES } from '../contract/events.ts';
import { COMPLETED } from '../memory/completion.ts';
import { createQueue } from '../memory/channel.ts';
import { freshMemory } from '../memory/recycled-memory.ts';
import { CORRUPT, DESCRIPTOR_WORDS, RingConsumer, RingProducer } from '../memory/ring.ts';
import type { MemorySource, QueueMemory, Timeline } from '../contract/port.ts';
import { Batch } from './batch.ts';
import { showAccess } from '../memory/iommu.ts';

const MAX_ARGS = 14;
const MAX_OP = 0xffff;

interface Outstanding {
  readonly sequence: number;
  readonly command: Required<Command>;
  readonly submitted: Instant;
  readonly resolve: (completion: Completion) => void;
}

/** A queue at rest: what its guest has not heard of yet, oldest first. */
export interface SavedQueue {
  readonly sequence: number;
  readonly counts: CommandCounts;
  readonly dead: { readonly status: 'failed' | 'cancelled'; readonly reason: string } | null;
  readonly outstanding: readonly {
    readonly sequence: number;
    readonly command: Required<Command>;
    readonly submitted: Instant;
    /** `counted`: it is among the counts already. */
    readonly completed: { readonly completion: Completion; readonly counted: boolean } | null;
  }[];
}

/** What it takes to hear that a queue is dead. */
const REFUSAL_TAKES = us(10);

/** What queues tell their vcoproc, each with its index. */
export interface QueueListener {
  /** Whether the domain is over: nobody listens any more. */
  over(): boolean;
  /** Whether the guest is not to hear of completions now. */
  blocked(queue: number): boolean;
  /** A command is about to be shown. */
  rouse(): void;
  onSubmit(queue: number, op: number, at: Instant): void;
  onComplete(queue: number, completion: Completion, latency: ReturnType<typeof between>): void;
  /** Commands were shown to the coprocessor; `asked`: it wants to be rung for them. */
  onShown(queue: number, asked: boolean): void;
  /** What stands in the rings cannot be true: everything in them has to fail. */
  onCorrupt(queue: number): void;
}

/**
 * The guest's end of one command queue. Commands complete in order and exactly once; those that do
 * not fit wait here, so a full ring is back-pressure and never loss.
 */
export class CommandQueue {
  memory: QueueMemory;
  readonly index: number;
  readonly #capacity: number;
  readonly #source: MemorySource;
  readonly #timeline: Timeline;
  readonly #listener: QueueListener;
  #commands: RingProducer;
  #completions: RingConsumer;
  #sequence = 0;
  /** In the rings, oldest first. */
  #posted: Outstanding[] = [];
  /** Taken from the rings, the guest not told yet. */
  readonly #completed: { readonly outstanding: Outstanding; readonly completion: Completion }[] = [];
  /** Completed and counted, the guest is about to be told. */
  readonly #refused = new Map<Outstanding, Completion>();
  /** Commands from before a resume that nobody has asked for. */
  #resumed: OutstandingCommand[] = [];
  /** Not in the rings yet. */
  #waiting: Outstanding[] = [];
  #batch: Batch | undefined;
  /** Why every further command fails at once. */
  #dead: { status: 'failed' | 'cancelled'; reason: string } | undefined;
  #closing = false;
  #corrupt = false;
  readonly #counts = { submitted: 0, ok: 0, failed: 0, cancelled: 0 };

  constructor(
    index: number,
    capacity: number,
    timeline: Timeline,
    listener: QueueListener,
    source: MemorySource = freshMemory,
  ) {
    this.index = index;
    this.#capacity = capacity;
    this.#source = source;
    this.#timeline = timeline;
    this.#listener = listener;
    this.memory = createQueue(capacity, source);
    this.#commands = new RingProducer(this.memory.commands);
    this.#completions = new RingConsumer(this.memory.completions);
  }

  get counts(): CommandCounts {
    return this.#counts;
  }

  get outstanding(): number {
    const inBatch = this.#batch?.outstanding ?? 0;
    return this.#completed.length + this.#posted.length + this.#waiting.length + inBatch;
  }

  /** How many commands the coprocessor has taken and not completed. Takes the completions that are there. */
  get underWay(): number {
    if (this.#batch !== undefined) return this.#batch.underWay;
    this.#collect();
    return this.#posted.length - this.#commands.waiting;
  }

  submit(given: Command): Promise<Completion> {
    const command = checked(given);
    if (this.#batch !== undefined) throw new GuestError("the queue is a batch's; close the batch first");
    return new Promise((resolve) => {
      this.#counts.submitted++;
      const submitted = this.#timeline.now();
      // Before all else, for to wake up takes longer than that.
      if (this.#dead === undefined && !this.#closing) this.#listener.rouse();
      const outstanding = { sequence: this.#sequence, command, submitted, resolve };
      this.#sequence = (this.#sequence + 1) | 0;
      this.#listener.onSubmit(this.index, command.op, submitted);
      if (this.#dead !== undefined) {
        this.#refuse(outstanding, { ...this.#dead, results: [] });
        return;
      }
      this.#waiting.push(outstanding);
      this.post();
    });
  }

  batch(): CommandBatch {
    if (this.#batch !== undefined) throw new GuestError('the queue has a batch already');
    if (this.outstanding > 0)
      throw new GuestError(`${this.outstanding} commands are outstanding; await them before a batch`);
    const { index } = this;
    const listener = this.#listener;
    this.#batch = new Batch(this.#commands, this.#completions, this.#sequence, {
      counts: this.#counts,
      dead: () => this.#dead?.status,
      shown: (asked) => listener.onShown(index, asked),
      onCorrupt: () => listener.onCorrupt(index),
      blocked: () => listener.blocked(index),
      later: (what) => void this.#timeline.at(this.#timeline.now(), what),
      closed: (next) => {
        this.#sequence = next;
        this.#batch = undefined;
      },
    });
    return this.#batch;
  }

  /** What kept the guest from hearing of completions is over. */
  wake(): void {
    this.#batch?.wake();
  }

  /** Moves waiting commands into the ring, as many as fit. */
  post(): void {
    let posted = 0;
    while (!this.#closing && this.#waiting.length > 0 && this.#posted.length < this.#capacity) {
      const at = this.#commands.claim();
      if (at < 0) {
        if (at === CORRUPT) this.#listener.onCorrupt(this.index);
        break;
      }
      const next = this.#waiting.shift()!;
      write(this.#commands.words, at, next);
      this.#posted.push(next);
      posted++;
    }
    if (posted > 0) this.#listener.onShown(this.index, this.#commands.publish());
  }

  /** The commands that were outstanding when the system was saved, oldest first; once. */
  takeResumed(): OutstandingCommand[] {
    return this.#resumed.splice(0);
  }

  /** Only while the context is away, and no batch is open. */
  save(): SavedQueue {
    assert(this.#batch === undefined, 'a queue is saved without a batch');
    this.#collect();
    const plain = ({ sequence, command, submitted }: Outstanding) => ({ sequence, command, submitted });
    const ended = (outstanding: Outstanding, completion: Completion, counted: boolean) => ({
      ...plain(outstanding),
      completed: { completion, counted },
    });
    return {
      sequence: this.#sequence,
      counts: { ...this.#counts },
      dead: this.#dead ?? null,
      outstanding: [
        ...[...this.#refused].map(([outstanding, completion]) => ended(outstanding, completion, true)),
        ...this.#completed.map(({ outstanding, completion }) => ended(outstanding, completion, false)),
        ...[...this.#posted, ...this.#waiting].map((outstanding) => ({
          ...plain(outstanding),
          completed: null,
        })),
      ],
    };
  }

  /** `fetched`: the coprocessor is in the middle of this command, and will complete it. */
  restore({ sequence, counts, dead, outstanding }: SavedQueue, fetched: number | undefined): void {
    this.#sequence = sequence;
    Object.assign(this.#counts, counts);
    this.#dead = dead ?? undefined;
    for (const { completed, ...saved } of outstanding) {
      const completion = new Promise<Completion>((resolve) => {
        const again: Outstanding = { ...saved, resolve };
        if (completed?.counted === true) this.#tellRefused(again, completed.completion);
        else if (completed !== null)
          this.#completed.push({ outstanding: again, completion: completed.completion });
        else if (saved.sequence === fetched) this.#posted.push(again);
        else this.#waiting.push(again);
      });
      this.#resumed.push({ command: saved.command, completion });
    }
    this.post();
  }

  /** Takes all completions that are there, and tells the guest. */
  drain(): void {
    this.wake();
    this.#collect();
    for (const { outstanding, completion } of this.#completed.splice(0))
      this.#complete(outstanding, completion);
  }

  /** Takes all completions that are there. */
  #collect(): void {
    // A batch takes its completions itself. Nothing more is believed of rings that were wrong once.
    if (this.#batch !== undefined || this.#corrupt) return;
    for (let there = this.#completions.available(); there !== 0; there = this.#completions.available()) {
      const at = this.#completions.peek();
      const words = this.#completions.words;
      // Commands complete in order.
      if (there === CORRUPT || this.#posted[0]?.sequence !== words[at]) {
        this.#corrupt = true;
        this.#listener.onCorrupt(this.index);
        return;
      }
      const completion = read(words, at);
      this.#completions.release();
      this.#completed.push({ outstanding: this.#posted.shift()!, completion });
    }
  }

  /** Whether a batch has the queue. */
  get inBatch(): boolean {
    return this.#batch !== undefined;
  }

  /** Whether the coprocessor has not fetched all that was posted. */
  get unfetched(): boolean {
    return !this.#commands.drained;
  }

  /** Whether nothing that is submitted will ever be begun. */
  get dead(): boolean {
    return this.#dead !== undefined;
  }

  /** Shows the coprocessor no more: what waits and what comes ends with `fail`, in order. */
  close(): void {
    this.#closing = true;
  }

  /** Everything outstanding ends like this; with `forEver`, so does everything that follows. */
  fail(status: 'failed' | 'cancelled', reason: string, forEver: boolean): void {
    this.drain();
    if (forEver) this.#dead = { status, reason };
    this.#batch?.fail(status);
    const lost = [...this.#posted, ...this.#waiting];
    this.#posted = [];
    this.#waiting = [];
    for (const outstanding of lost) this.#complete(outstanding, { status, reason, results: [] });
  }

  /** New, empty rings: after the coprocessor's end of the old ones was lost. Nothing may be outstanding. */
  renew(): void {
    assert(this.outstanding === 0, 'rings are renewed when nothing is in them');
    this.memory = createQueue(this.#capacity, this.#source);
    this.#commands = new RingProducer(this.memory.commands);
    this.#completions = new RingConsumer(this.memory.completions);
    this.#batch?.renew(this.#commands, this.#completions);
  }

  #complete(outstanding: Outstanding, completion: Completion): void {
    this.#count(outstanding, completion);
    outstanding.resolve(completion);
  }

  /**
   * Completes a command that comes too late. Not at once: a guest that asks again and again would keep
   * everybody else from their turn. A domain that is over is not told at all.
   */
  #refuse(outstanding: Outstanding, completion: Completion): void {
    this.#count(outstanding, completion);
    if (this.#listener.over()) return;
    this.#tellRefused(outstanding, completion);
  }

  #tellRefused(outstanding: Outstanding, completion: Completion): void {
    this.#refused.set(outstanding, completion);
    // Whose turn it is, whichever timer comes first: commands complete in order.
    this.#timeline.at(after(this.#timeline.now(), REFUSAL_TAKES), () => {
      const [oldest, its] = present(this.#refused.entries().next().value, 'a refusal is told once');
      this.#refused.delete(oldest);
      oldest.resolve(its);
    });
  }

  #count({ submitted }: Outstanding, completion: Completion): void {
    this.#counts[completion.status]++;
    this.#listener.onComplete(this.index, completion, between(submitted, this.#timeline.now()));
  }
}

/** A copy of what the guest gave, checked: what it does to its own object afterwards is its own affair. */
function checked(given: Command): Required<Command> {
  const op = given.op;
  const args = [...(given.args ?? [])];
  if (!Number.isInteger(op) || op < 0 || op > MAX_OP)
    throw new GuestError(`operation code ${op}; expected 0 to ${MAX_OP}`);
  if (args.length > MAX_ARGS)
    throw new GuestError(`${args.length} arguments; a command takes at most ${MAX_ARGS}`);
  for (const arg of args) {
    if (!Number.isInteger(arg) || arg < -(2 ** 31) || arg >= 2 ** 32) {
      throw new GuestError(`argument ${arg}; expected a 32-bit integer`);
    }
  }
  return { op, args };
}

function write(words: Int32Array, at: number, { sequence, command }: Outstanding): void {
  const { args } = command;
  words[at] = sequence;
  words[at + 1] = command.op;
  for (let word = 2; word < DESCRIPTOR_WORDS; word++) words[at + word] = args[word - 2] ?? 0;
}

function read(words: Int32Array, at: number): Completion {
  const kind = words[at + 1]!;
  const code = words[at + 2]!;
  const results: number[] = [];
  for (let word = 8; word < DESCRIPTOR_WORDS; word++) results.push(words[at + word]!);
  if (kind === COMPLETED.ok) return { status: 'ok', reason: undefined, results };
  if (kind === COMPLETED.dmaFault) {
    const dma = { access: ACCESSES[code] ?? 'read', iova: words[at + 3]! >>> 0 } as const;
    return { status: 'failed', reason: `IOMMU fault: ${showAccess(dma)}`, results };
  }
  return { status: 'failed', reason: `firmware error ${code}`, results };
}
