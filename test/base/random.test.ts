import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom, type Random } from '../../src/base/random.ts';

const draws = (seed: number, count: number): number[] => {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => random.bits());
};

describe('seededRandom', () => {
  test('gives the draws that it always gave: recorded runs depend on them', () => {
    expect(draws(1, 6)).toEqual([-2, -16908320, -12581567, -1205831651, 513029242, 2095136181]);
    expect(draws(-1, 6)).toEqual([0, 16777215, -520093697, 14687996, 520085858, 1604578328]);
  });

  test('makes shares and limited integers of the same draws, without ever reaching their end', () => {
    const [random, same] = [seededRandom(1), seededRandom(1)];
    expect(random.unit()).toBe((2 ** 32 - 2) / 2 ** 32);
    expect(same.below(2 ** 31)).toBe(2 ** 31 - 1);
  });

  test('gives the same draws for the same seed, others for others', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer(), (one, other) => {
        expect(draws(one, 8)).toEqual(draws(one, 8));
        if (one !== other) expect(draws(one, 8)).not.toEqual(draws(other, 8));
      }),
    );
  });

  test('gives 32-bit integers, shares of one, and integers below a limit', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 1, max: 2 ** 31 }), (seed, limit) => {
        const random = seededRandom(seed);
        for (let draw = 0; draw < 20; draw++) {
          const bits = random.bits();
          expect(bits).toBe(bits | 0);
          const unit = random.unit();
          expect(unit >= 0 && unit < 1).toBe(true);
          const below = random.below(limit);
          expect(Number.isInteger(below) && below >= 0 && below < limit).toBe(true);
        }
      }),
    );
  });

  test('gives each name chance of its own, whatever anyone drew before', () => {
    fc.assert(
      fc.property(fc.integer(), fc.string(), fc.string(), fc.nat({ max: 5 }), (seed, one, other, drawn) => {
        const take = (random: Random): number[] => Array.from({ length: 8 }, () => random.bits());
        const used = seededRandom(seed);
        for (let draw = 0; draw < drawn; draw++) used.of(other).below(2 + used.below(9));
        const mine = take(used.of(one));
        expect(mine).toEqual(take(seededRandom(seed).of(one)));
        expect(mine).not.toEqual(take(seededRandom(seed + 1).of(one)));
        if (one !== other) expect(mine).not.toEqual(take(used.of(other)));
      }),
    );
  });

  test('reaches every value below a small limit about as often', () => {
    const random = seededRandom(7);
    const counts = Array.from({ length: 10 }, () => 0);
    for (let draw = 0; draw < 10_000; draw++) counts[random.below(10)]!++;
    // Seven standard deviations of a fair draw: 30 each.
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(210);
  });
});
