import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Tournament } from '../../src/schedulers/tournament.ts';

describe('tournament', () => {
  it('has the smallest key first, and of equal keys who came first, as a sorted list would', () => {
    const step = fc.record({
      // Few, so that they meet; and far apart, so that it grows.
      member: fc.oneof(fc.nat(9), fc.nat(300)),
      key: fc.option(fc.oneof(fc.nat(5), fc.constantFrom(-Infinity, Infinity, 0.5)), { nil: undefined }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
        const tournament = new Tournament();
        let model: { member: number; key: number }[] = [];
        for (const { member, key } of steps) {
          model = model.filter((other) => other.member !== member);
          if (key === undefined) tournament.remove(member);
          else {
            tournament.put(member, key);
            model.push({ member, key });
            expect(tournament.keyOf(member)).toBe(key);
          }
          // A stable sort keeps who came first in front; infinities have no difference.
          const [first] = model.toSorted((a, b) => (a.key === b.key ? 0 : a.key < b.key ? -1 : 1));
          expect(tournament.first).toBe(first?.member);
          expect(tournament.least).toBe(first?.key ?? Infinity);
          expect(tournament.has(member)).toBe(key !== undefined);
        }
      }),
    );
  });

  it('lets out everybody in order, however many came', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(1000), { minLength: 1, maxLength: 2000, size: 'max' }), (keys) => {
        const tournament = new Tournament();
        for (const [member, key] of keys.entries()) tournament.put(member, key);
        const out: number[] = [];
        for (let next = tournament.first; next !== undefined; next = tournament.first) {
          out.push(next);
          tournament.remove(next);
        }
        expect(out).toEqual([...keys.keys()].toSorted((a, b) => keys[a]! - keys[b]!));
      }),
      { numRuns: 30 },
    );
  });
});
