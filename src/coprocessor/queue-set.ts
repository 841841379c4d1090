import { after, earlier, type Instant } from '../base/units.ts';
import { present } from '../base/assert.ts';
import type { QueueService, QueueSpec } from '../contract/port.ts';
import { BOARD, QueueBoard } from '../memory/queue-board.ts';
import { Queue } from './queue.ts';

/** Of so many choices among several priorities, one is for those below the highest, in turn. */
const IN_TURN = 32;

/**
 * The queues of one context, and which of them is next. It looks at the queues that were rung and at those that have
 * commands, never at all of them: a queue that is found empty asks to be rung, and is forgotten until it is.
 *
 * The queues with commands stand in a circle for each priority, of which the last is known; whoever is chosen is the
 * last of its circle from then on. A bit for each priority says whether its circle has anybody. As long as there is
 * no queue but the default one, only that is looked at.
 */
export class QueueSet {
  readonly first: Queue;
  readonly #queues = new Map<number, Queue>();
  readonly #rung: QueueBoard;
  readonly #completed: QueueBoard;
  readonly #last: (Queue | undefined)[] = [];
  #levels = 0;
  #alone = true;
  #choices = 0;
  /** The priority that had the last choice in turn. */
  #turn = 0;
  /** Queues that hold completions back, and when the first of them is due. */
  readonly #holding: Queue[] = [];
  #due: Instant | undefined;
  readonly #onRung = (index: number): void => {
    const queue = this.#queues.get(index);
    if (queue !== undefined) this.#enqueue(queue);
  };

  constructor(specs: readonly QueueSpec[], board: SharedArrayBuffer) {
    this.#rung = new QueueBoard(board, BOARD.rung);
    this.#completed = new QueueBoard(board, BOARD.completed);
    this.first = new Queue(present(specs[0], 'a context has its default queue'));
    this.#queues.set(this.first.index, this.first);
    this.add(specs.slice(1));
  }

  get(index: number): Queue | undefined {
    return this.#queues.get(index);
  }

  /** Makes queues known; one that is known already stays as it is. */
  add(specs: readonly QueueSpec[]): void {
    for (const spec of specs) {
      if (this.#queues.has(spec.index)) continue;
      const queue = new Queue(spec);
      this.#queues.set(spec.index, queue);
      // What it was given before it was known was not rung for.
      this.#look(queue);
    }
    this.#settle();
  }

  /** Serves a queue like this from now on. Gives the queue, unless it is unknown. */
  serve(index: number, service: QueueService): Queue | undefined {
    const queue = this.#queues.get(index);
    if (queue === undefined) return undefined;
    queue.service = service;
    this.#look(queue);
    this.#settle();
    return queue;
  }

  /** It is served no more: an index in its rings cannot be true. */
  distrust(queue: Queue): void {
    queue.corrupt = true;
    this.#settle();
  }

  /** Nothing of it is under way, and it is gone. */
  forget(queue: Queue): void {
    this.#queues.delete(queue.index);
    this.#settle();
  }

  /** Whether there may be commands: the shortest of looks. */
  get any(): boolean {
    if (this.#alone) return this.first.commands.available() !== 0;
    return this.#levels !== 0 || this.#rung.any;
  }

  /** The queue that is next, which has commands or is corrupt. */
  next(): Queue | undefined {
    if (!this.#alone) return this.#choose();
    return this.first.commands.available() === 0 ? undefined : this.first;
  }

  #choose(): Queue | undefined {
    if (this.#rung.any) this.#rung.take(this.#onRung);
    while (this.#levels !== 0) {
      const level = this.#level();
      const last = this.#last[level]!;
      const queue = last.next;
      // A command that comes before it asked to be rung keeps it where it is.
      const has = queue.served && !askedToBeRung(queue);
      if (has && queue.level === queue.service.priority) {
        this.#last[level] = queue;
        return queue;
      }
      this.#drop(last, queue);
      if (has) this.#enqueue(queue);
    }
    return undefined;
  }

  #level(): number {
    const top = highest(this.#levels);
    const others = this.#levels & ~(1 << top);
    if (others === 0 || ++this.#choices % IN_TURN !== 0) return top;
    const below = others & ((1 << this.#turn) - 1);
    this.#turn = highest(below === 0 ? others : below);
    return this.#turn;
  }

  /** The context may be away, and stays so unless an empty queue asks to be rung. */
  #look(queue: Queue): void {
    if (queue.served && !askedToBeRung(queue)) this.#enqueue(queue);
  }

  #enqueue(queue: Queue): void {
    if (queue.ready || !queue.served) return;
    const level = queue.service.priority;
    const last = this.#last[level];
    if (last === undefined) queue.next = queue;
    else {
      queue.next = last.next;
      last.next = queue;
    }
    queue.ready = true;
    queue.level = level;
    this.#last[level] = queue;
    this.#levels |= 1 << level;
  }

  /** Takes the first of a circle out. */
  #drop(last: Queue, queue: Queue): void {
    queue.ready = false;
    if (last === queue) {
      this.#last[queue.level] = undefined;
      this.#levels &= ~(1 << queue.level);
    } else last.next = queue.next;
    queue.next = queue;
  }

  /** Whether the default queue is the only one that is served: then it need not ask to be rung. */
  #settle(): void {
    this.#alone = this.#queues.size === 1 && this.first.served;
    if (!this.#alone) this.#look(this.first);
  }

  // ---- interrupts that stand for several completions

  /** So many completions more are shown. Says whether they are worth an interrupt by now. */
  hold(queue: Queue, count: number, now: Instant): boolean {
    const { service } = queue;
    if (queue.held + count >= service.count) return true;
    if (queue.held === 0) queue.heldUntil = after(now, service.time);
    queue.held += count;
    if (!queue.holding) this.#holding.push(queue);
    queue.holding = true;
    this.#due = this.#due === undefined ? queue.heldUntil : earlier(this.#due, queue.heldUntil);
    return false;
  }

  get holds(): boolean {
    return this.#holding.length > 0;
  }

  /** Tells the queues whose interrupt is due by `now`: all that hold any back, without it. */
  release(now: Instant | undefined, told: (queue: Queue) => void): void {
    const holding = this.#holding;
    if (now !== undefined && this.#due !== undefined && now < this.#due) return;
    this.#due = undefined;
    let kept = 0;
    for (let at = 0; at < holding.length; at++) {
      const queue = holding[at]!;
      // Told meanwhile, for their number.
      queue.holding = queue.held > 0 && now !== undefined && queue.heldUntil > now;
      if (queue.holding) {
        holding[kept++] = queue;
        this.#due = this.#due === undefined ? queue.heldUntil : earlier(this.#due, queue.heldUntil);
      } else if (queue.held > 0) told(queue);
    }
    holding.length = kept;
  }

  /** The guest is told of a queue's completions: an interrupt follows. */
  announce(queue: Queue): void {
    queue.held = 0;
    // The default queue is looked at for every interrupt.
    if (queue !== this.first) this.#completed.set(queue.index);
  }
}

/** Whether there is nothing in it, so that it asked. */
const askedToBeRung = ({ commands }: Queue): boolean => commands.available() === 0 && commands.ask();

const highest = (bits: number): number => 31 - Math.clz32(bits);
