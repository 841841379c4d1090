/** What can stand in a heap. The heap writes these; in one heap at a time. */
export interface Ranked {
  key: number;
  /** Among equal keys, who came first. */
  order: number;
  /** Its index in the heap's array, or -1. */
  place: number;
}

export const unranked = (): Ranked => ({ key: 0, order: 0, place: -1 });

const before = (a: Ranked, b: Ranked): boolean => a.key < b.key || (a.key === b.key && a.order < b.order);

/** Smallest key first, at equal keys first come first served. Every change costs O(log n). */
export class Heap<Item extends Ranked> {
  readonly #items: Item[] = [];
  #order = 0;

  get first(): Item | undefined {
    return this.#items[0];
  }

  has(item: Item): boolean {
    return this.#items[item.place] === item;
  }

  /** Puts `item` in, or moves it; it is the last of those with this key. */
  put(item: Item, key: number): void {
    if (!this.has(item)) {
      item.place = this.#items.length;
      this.#items.push(item);
    }
    item.key = key;
    item.order = this.#order++;
    this.#settle(item);
  }

  remove(item: Item): void {
    if (!this.has(item)) return;
    const last = this.#items.pop()!;
    if (last !== item) {
      this.#items[item.place] = last;
      last.place = item.place;
      this.#settle(last);
    }
    item.place = -1;
  }

  /** Moves an item up or down to where it belongs. */
  #settle(item: Item): void {
    const items = this.#items;
    let place = item.place;
    const set = (at: number, other: Item): void => {
      items[at] = other;
      other.place = at;
    };
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!before(item, items[parent]!)) break;
      set(place, items[parent]!);
      place = parent;
    }
    for (let child = 2 * place + 1; child < items.length; child = 2 * place + 1) {
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++;
      if (!before(items[child]!, item)) break;
      set(place, items[child]!);
      place = child;
    }
    set(place, item);
  }
}
