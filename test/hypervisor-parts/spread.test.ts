import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ns, type Duration } from '../../src/base/units.ts';
import { SpreadRecorder } from '../../src/hypervisor/spread.ts';

const recorded = (lengths: readonly number[]): SpreadRecorder['spread'] => {
  const recorder = new SpreadRecorder();
  for (const length of lengths) recorder.record(ns(length));
  return recorder.spread;
};

/** The length that `rank` percent are not longer than; of a share of a length, the nearest whole one. */
function exact(lengths: readonly number[], rank: number): number {
  const sorted = [...lengths].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.floor((rank / 100) * sorted.length + 0.5)) - 1]!;
}

/** From a nanosecond to a quarter of an hour, as many short ones as long ones. */
const length = fc.integer({ min: 0, max: 12_000 }).map((decades) => Math.round(10 ** (decades / 1000)));

describe('a spread', () => {
  test('of nothing is all zero', () => {
    expect(recorded([])).toEqual({ count: 0, p50: 0, p99: 0, max: 0 });
  });

  test('is within 0.2 % of the exact percentiles, and exact in count and maximum', () => {
    const near = (shown: Duration, right: number): void =>
      expect(Math.abs(shown - right)).toBeLessThanOrEqual(Math.max(1, right * 0.002));
    fc.assert(
      fc.property(fc.array(length, { minLength: 1, maxLength: 400, size: 'max' }), (lengths) => {
        const { count, p50, p99, max } = recorded(lengths);
        expect(count).toBe(lengths.length);
        expect(max).toBe(Math.max(...lengths));
        near(p50, exact(lengths, 50));
        near(p99, exact(lengths, 99));
        expect(p50 <= p99 && p99 <= max).toBe(true);
      }),
    );
  });

  test('of one length is that length throughout', () => {
    fc.assert(
      fc.property(length, fc.integer({ min: 1, max: 5 }), (only, times) => {
        expect(recorded(Array.from({ length: times }, () => only))).toEqual({
          count: times,
          p50: only,
          p99: only,
          max: only,
        });
      }),
    );
  });

  test('counts lengths of zero', () => {
    expect(recorded([0, 0, 0])).toEqual({ count: 3, p50: 0, p99: 0, max: 0 });
    expect(recorded([0, 5000])).toMatchObject({ count: 2, max: 5000 });
  });
});
