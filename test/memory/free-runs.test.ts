import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FreeRuns } from '../../src/memory/free-runs.ts';

const FIRST = 3;
const COUNT = 40;

/** The same with a mark for each unit. */
class Marks {
  readonly #free = new Set(Array.from({ length: COUNT }, (_, at) => FIRST + at));

  take(count: number, step: number): number | undefined {
    for (let first = 0; first < FIRST + COUNT; first += step)
      if (this.all(first, count)) {
        this.claim(first, count);
        return first;
      }
    return undefined;
  }

  all(first: number, count: number): boolean {
    for (let at = first; at < first + count; at++) if (!this.#free.has(at)) return false;
    return true;
  }

  claim(first: number, count: number): void {
    for (let at = first; at < first + count; at++) this.#free.delete(at);
  }

  give(first: number, count: number): void {
    for (let at = first; at < first + count; at++) this.#free.add(at);
  }

  get total(): number {
    return this.#free.size;
  }
}

describe('free runs', () => {
  it('give out, take back and claim as a mark for each unit would', () => {
    const op = fc.record({
      what: fc.constantFrom('take', 'give', 'claim'),
      at: fc.nat(FIRST + COUNT),
      count: fc.integer({ min: 1, max: 12 }),
      step: fc.constantFrom(1, 1, 4, 8),
    });
    fc.assert(
      fc.property(fc.array(op, { maxLength: 60 }), (ops) => {
        const runs = new FreeRuns(FIRST, COUNT);
        const marks = new Marks();
        const taken: [number, number][] = [];
        for (const { what, at, count, step } of ops) {
          if (what === 'take') {
            const first = runs.take(count, step);
            expect(first).toBe(marks.take(count, step));
            if (first !== undefined) taken.push([first, count]);
          } else if (what === 'give' && taken.length > 0) {
            const [given] = taken.splice(at % taken.length, 1);
            runs.give(...given!);
            marks.give(...given!);
          } else if (what === 'claim' && marks.all(at, count)) {
            runs.claim(at, count);
            marks.claim(at, count);
            taken.push([at, count]);
          }
          expect(runs.total).toBe(marks.total);
        }
      }),
    );
  });
});
