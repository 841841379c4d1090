import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Heap, unranked, type Ranked } from '../../src/schedulers/heap.ts';

interface Named extends Ranked {
  readonly name: number;
}

describe('heap', () => {
  it('has the smallest key first, and of equal keys who came first, as a sorted list would', () => {
    const step = fc.record({
      name: fc.integer({ min: 0, max: 9 }),
      key: fc.option(fc.integer({ min: 0, max: 5 }), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
        const items = Array.from({ length: 10 }, (_, name): Named => ({ name, ...unranked() }));
        const heap = new Heap<Named>();
        let model: { name: number; key: number }[] = [];
        for (const { name, key } of steps) {
          const item = items[name]!;
          model = model.filter((other) => other.name !== name);
          if (key === undefined) heap.remove(item);
          else {
            heap.put(item, key);
            model.push({ name, key });
          }
          // A stable sort keeps who came first in front.
          const sorted = model.toSorted((a, b) => a.key - b.key);
          expect(heap.first?.name).toBe(sorted[0]?.name);
          expect(heap.has(item)).toBe(key !== undefined);
        }
      }),
    );
  });

  it('takes nothing out that stands in another heap', () => {
    const one = new Heap<Ranked>();
    const other = new Heap<Ranked>();
    const [a, b] = [unranked(), unranked()];
    one.put(a, 1);
    other.put(b, 1);
    other.remove(a);
    expect(one.first).toBe(a);
    expect(other.first).toBe(b);
  });
});
