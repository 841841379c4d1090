import type { Instant } from '../../base/units.ts';

interface Entry {
  readonly at: Instant;
  readonly order: number;
  readonly what: () => void;
  cancelled: boolean;
}

const before = (a: Entry, b: Entry): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** What is going to happen, by time; at the same instant first come, first served. A binary heap. */
export class EventQueue {
  readonly #heap: Entry[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  add(at: Instant, what: () => void): () => void {
    const entry: Entry = { at, order: this.#order++, what, cancelled: false };
    const heap = this.#heap;
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!before(entry, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = entry;
    return () => {
      entry.cancelled = true;
    };
  }

  /** The next event that was not cancelled, taken out. */
  take(): { readonly at: Instant; readonly what: () => void } | undefined {
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
