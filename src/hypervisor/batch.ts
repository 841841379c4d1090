import { types } from 'node:util';
import { BATCH_STATUS, BATCH_WORDS, GuestError, type CommandBatch } from '../contract/guest.ts';
import { COMPLETED } from '../memory/completion.ts';
import { CORRUPT, type RingConsumer, type RingProducer } from '../memory/ring.ts';

/** 64-bit integers of one command. */
const WIDE = BATCH_WORDS / 2;
const NOTHING = new BigInt64Array(0);

const MAX_OP = 0xffff;

/** Waits that end at once before everybody else gets a turn: a guest that is never dry must not have the thread alone. */
const AT_ONCE = 64;
const READY = Promise.resolve();

/** What a batch needs of the queue that it has to itself. */
export interface BatchQueue {
  readonly counts: Record<'submitted' | 'ok' | 'failed' | 'cancelled', number>;
  /** How every further command ends at once. */
  dead(): 'failed' | 'cancelled' | undefined;
  /** Commands were shown to the coprocessor; `asked`: it wants to be rung for them. */
  shown(asked: boolean): void;
  /** What stands in the rings cannot be true. */
  onCorrupt(): void;
  /** The guest is not to hear of anything now. */
  blocked(): boolean;
  /** Calls back when everybody else has had a turn. */
  later(what: () => void): void;
  /** The queue is its owner's again, which goes on with sequence number `next`. */
  closed(next: number): void;
}

/** The throughput form of a command queue: words in, words out, nothing allocated for a command. */
export class Batch implements CommandBatch {
  readonly #queue: BatchQueue;
  #commands: RingProducer;
  #completions: RingConsumer;
  /** Sequence numbers of the next command and of the next completion. */
  #next: number;
  #due: number;
  /** Completions that are not in a ring: of commands that ended without the coprocessor. */
  #kept: Int32Array[] = [];
  readonly #submitted = new WideView();
  readonly #polled = new WideView();
  #waiting: (() => void) | undefined;
  #atOnce = 0;
  #open = true;

  constructor(commands: RingProducer, completions: RingConsumer, sequence: number, queue: BatchQueue) {
    this.#queue = queue;
    this.#commands = commands;
    this.#completions = completions;
    completions.quiet = true;
    this.#next = this.#due = sequence;
  }

  /** Submitted, and not counted as completed yet. */
  get outstanding(): number {
    return (this.#next - this.#due) | 0;
  }

  get room(): number {
    return this.#commands.capacity - this.outstanding;
  }

  /** How many commands the coprocessor has taken and not completed. */
  get underWay(): number {
    return this.outstanding - Math.max(0, this.#completions.look()) - this.#commands.waiting;
  }

  submit(commands: Int32Array, from = 0, count?: number): number {
    if (!this.#open) throw new GuestError('this batch is closed');
    const wide = this.#submitted.of(commands);
    const submits = count ?? Math.floor(wide.length / WIDE) - from;
    checkCommands(commands, wide, from, submits);
    const ring = this.#commands;
    const { counts } = this.#queue;
    const dead = this.#queue.dead();
    if (dead !== undefined) {
      this.#next = (this.#next + submits) | 0;
      counts.submitted += submits;
      this.#keepLost(submits, dead);
      return submits;
    }
    // Each command that is out has its place among the completions.
    const room = ring.room(submits);
    const most = Math.min(submits, room, this.room);
    if (room === CORRUPT) this.#queue.onCorrupt();
    if (most <= 0) return 0;
    ring.write(wide, from * WIDE, most);
    ring.number(most, this.#next);
    this.#next = (this.#next + most) | 0;
    counts.submitted += most;
    this.#queue.shown(ring.publish());
    return most;
  }

  poll(completions: Int32Array): number {
    const wide = this.#polled.of(completions);
    if (this.#queue.blocked()) return 0;
    const room = Math.floor(wide.length / WIDE);
    if (this.#kept.length > 0) return this.#pollKept(completions, room);
    const ring = this.#completions;
    const count = Math.min(ring.available(), room);
    if (count <= 0) return count === CORRUPT ? this.#distrust(completions) : 0;
    ring.read(wide, 0, count);
    const ok = countOk(completions, count, this.#due);
    if (ok < 0) return this.#distrust(completions);
    this.#due = (this.#due + count) | 0;
    this.#queue.counts.ok += ok;
    this.#queue.counts.failed += count - ok;
    return count;
  }

  /** Everything that is out is lost: that is what there is to be polled now. */
  #distrust(completions: Int32Array): number {
    this.#queue.onCorrupt();
    return this.poll(completions);
  }

  ready(): Promise<void> {
    if (this.#waiting !== undefined) throw new GuestError('this batch is awaited already');
    if (this.outstanding === 0 && this.#kept.length === 0)
      throw new GuestError('nothing is outstanding in this batch; submit first');
    if (!this.#queue.blocked() && this.#somethingThere()) {
      if (++this.#atOnce % AT_ONCE !== 0) return READY;
      return new Promise((resolve) => this.#queue.later(resolve));
    }
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.wake();
    });
  }

  close(): void {
    if (!this.#open) return;
    if (this.outstanding > 0 || this.#kept.length > 0)
      throw new GuestError(`${this.outstanding} commands of this batch are outstanding; poll them first`);
    this.#open = false;
    this.#completions.quiet = false;
    this.#queue.closed(this.#next);
  }

  /** Something may be there for a guest that waits: an interrupt came, or what kept the guest from hearing is over. */
  wake(): void {
    if (this.#waiting === undefined || this.#queue.blocked()) return;
    // Who asks is rung for the next completion, unless it is there by now.
    if (!this.#somethingThere() && this.#completions.ask()) return;
    const resolve = this.#waiting;
    this.#waiting = undefined;
    resolve();
  }

  /** Everything that is out ends like this; what has completed already stays as it is. */
  fail(status: 'failed' | 'cancelled'): void {
    const ring = this.#completions;
    let there = Math.min(ring.look(), this.outstanding);
    for (let k = 0; k < there; k++) if (ring.words[ring.peek(k)] !== ((this.#due + k) | 0)) there = k;
    there = Math.max(0, there);
    const held = new Int32Array(there * BATCH_WORDS);
    for (let k = 0; k < there; k++) {
      const at = ring.peek(k);
      held.set(ring.words.subarray(at, at + BATCH_WORDS), k * BATCH_WORDS);
      this.#queue.counts[ring.words[at + 1] === COMPLETED.ok ? 'ok' : 'failed']++;
    }
    ring.release(there);
    if (there > 0) this.#kept.push(held);
    this.#due = (this.#due + there) | 0;
    this.#keepLost(this.outstanding, status);
    this.wake();
  }

  /** New, empty rings, after `fail`. */
  renew(commands: RingProducer, completions: RingConsumer): void {
    this.#commands = commands;
    this.#completions = completions;
    completions.quiet = true;
  }

  #somethingThere(): boolean {
    return this.#kept.length > 0 || this.#completions.available() > 0;
  }

  #keepLost(count: number, status: 'failed' | 'cancelled'): void {
    if (count === 0) return;
    const lost = new Int32Array(count * BATCH_WORDS);
    for (let k = 0; k < count; k++) {
      lost[k * BATCH_WORDS] = (this.#due + k) | 0;
      lost[k * BATCH_WORDS + 1] = status === 'failed' ? BATCH_STATUS.lost : BATCH_STATUS.cancelled;
    }
    this.#due = (this.#due + count) | 0;
    this.#queue.counts[status] += count;
    this.#kept.push(lost);
  }

  #pollKept(completions: Int32Array, room: number): number {
    const first = this.#kept[0]!;
    const count = Math.min(first.length / BATCH_WORDS, room);
    completions.set(first.subarray(0, count * BATCH_WORDS));
    if (count * BATCH_WORDS === first.length) this.#kept.shift();
    else this.#kept[0] = first.subarray(count * BATCH_WORDS);
    return count;
  }
}

/** Throws for commands that are none. */
function checkCommands(commands: Int32Array, wide: BigInt64Array, from: number, count: number): void {
  if (!Number.isInteger(from) || !Number.isInteger(count) || from < 0 || count < 0)
    throw new GuestError(`commands ${from} to ${from + count}; expected whole numbers`);
  if ((from + count) * WIDE > wide.length)
    throw new GuestError(`${wide.length * 2} words do not hold commands ${from} to ${from + count}`);
  const end = (from + count) * BATCH_WORDS;
  for (let at = from * BATCH_WORDS + 1; at < end; at += BATCH_WORDS) {
    const op = commands[at]!;
    if (op < 0 || op > MAX_OP) throw new GuestError(`operation code ${op}; expected 0 to ${MAX_OP}`);
  }
}

/** How many of `count` completions are ok; -1 when they do not count on from `due`, as commands that complete in order do. */
function countOk(completions: Int32Array, count: number, due: number): number {
  let ok = 0;
  for (let k = 0, at = 0; k < count; k++, at += BATCH_WORDS) {
    if (completions[at] !== ((due + k) | 0)) return -1;
    if (completions[at + 1] === COMPLETED.ok) ok++;
  }
  return ok;
}

/** An array of a guest's as the 64-bit integers that descriptors are copied as. Guests use the same one again and again. */
class WideView {
  #words: Int32Array | undefined;
  #wide: BigInt64Array = NOTHING;

  /** Throws for what is no array of words: only true ones can be copied without a chance of failing half way. */
  of(words: Int32Array): BigInt64Array {
    // One that was taken away, or shrank, has no length in either form.
    if (words === this.#words && this.#wide.length > 0) return this.#wide;
    if (!types.isInt32Array(words)) throw new GuestError('commands and completions are in an Int32Array');
    if (words.byteOffset % 8 !== 0)
      throw new GuestError(
        `words from byte ${words.byteOffset} of their buffer on; begin at a multiple of 8`,
      );
    if (words.length === 0) return NOTHING;
    this.#words = words;
    this.#wide = new BigInt64Array(words.buffer, words.byteOffset, words.length >> 1);
    return this.#wide;
  }
}
