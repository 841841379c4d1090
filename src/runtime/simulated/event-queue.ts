import type { Instant } from '../../base/units.ts';

interface Entry {
  readonly at: Instant;
  readonly order: number;
  readonly what: () => void;
  cancelled: boolean;
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/**
 * What is going to happen, by time; at the same instant first come, first served, unless `tie` says
 * otherwise: it is asked which of `count` is next, in the order in which they came. A binary heap.
 */
export class EventQueue {
  readonly #heap: Entry[] = [];
  readonly #tie: ((count: number) => number) | undefined;
  #order = 0;

  constructor(tie?: (count: number) => number) {
    this.#tie = tie;
  }

  get size(): number {
    return this.#heap.length;
  }

  add(at: Instant, what: () => void): () => void {
    const entry: Entry = { at, order: this.#order++, what, cancelled: false };
    this.#put(entry);
    return () => {
      entry.cancelled = true;
    };
  }

  #put(entry: Entry): void {
    const heap = this.#heap;
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = entry;
  }

  /** The next event that was not cancelled, taken out. */
  take(): { readonly at: Instant; readonly what: () => void } | undefined {
    const first = this.#takeLive();
    if (first === undefined || this.#tie === undefined || this.#heap[0]?.at !== first.at) return first;
    const tied = [first];
    while (this.#heap[0]?.at === first.at) {
      const next = this.#takeLive();
      if (next === undefined) break;
      if (next.at === first.at) tied.push(next);
      else this.#put(next);
    }
    const [chosen] = tied.splice(tied.length === 1 ? 0 : this.#tie(tied.length), 1);
    for (const entry of tied) this.#put(entry);
    return chosen;
  }

  #takeLive(): Entry | undefined {
    for (let entry = this.#takeAny(); entry !== undefined; entry = this.#takeAny()) {
      if (!entry.cancelled) return entry;
    }
    return undefined;
  }

  #takeAny(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let place = 0;
    for (let child = 1; child < heap.length; child = 2 * place + 1) {
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
    return first;
  }
}
