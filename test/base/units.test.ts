import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  NEVER,
  START,
  after,
  between,
  bytes,
  earlier,
  instant,
  kib,
  mib,
  ms,
  ns,
  readDuration,
  seconds,
  showDuration,
  sum,
  toMs,
  toSeconds,
  toUs,
  us,
  type Duration,
} from '../../src/base/units.ts';

describe('units', () => {
  test('are whole nanoseconds and bytes, whatever they were made of', () => {
    expect([ns(1.4), us(1.5), ms(2.5), seconds(0.1), instant(7.6)]).toEqual([1, 1500, 2_500_000, 1e8, 8]);
    expect([bytes(3), kib(2), mib(3)]).toEqual([3, 2048, 3 * 1024 * 1024]);
  });

  test('come back as the number that they were made of', () => {
    expect([toUs(us(17)), toMs(ms(2.5)), toSeconds(seconds(0.25))]).toEqual([17, 2.5, 0.25]);
  });

  test('are read from text that names its unit, and from no other', () => {
    expect(['7ns', '1.5us', ' 100ms ', '2s', '1.5min', '8h'].map(readDuration)).toEqual([
      7, 1500, 1e8, 2e9, 9e10, 28_800e9,
    ]);
    for (const text of ['', '5', 'ms', '1e3us', '-1s', '.5s', '1 s', '2d', '1s2ms'])
      expect([text, readDuration(text)]).toEqual([text, undefined]);
  });

  test('a point and a length add up and differ exactly', () => {
    const whole = fc.integer({ min: 0, max: 2 ** 50 });
    fc.assert(
      fc.property(whole, whole, (start, length) => {
        const end = after(instant(start), ns(length));
        expect(between(instant(start), end)).toBe(length);
        expect(sum(ns(start), ns(length))).toBe(start + length);
        expect(earlier(end, instant(start))).toBe(start);
        expect(earlier(instant(start), end)).toBe(start);
      }),
    );
  });

  test('nothing is later than never', () => {
    expect(after(NEVER, ns(1))).toBe(NEVER);
    expect(after(instant(5), NEVER as number as Duration)).toBe(NEVER);
    expect(Number.isSafeInteger(NEVER)).toBe(true);
    expect(START).toBe(0);
  });
});

describe('showDuration', () => {
  test.each([
    [0, '0 ns'],
    [1, '1 ns'],
    [999, '999 ns'],
    [1000, '1.00 us'],
    [17_000, '17.0 us'],
    [99_400, '99.4 us'],
    [123_456, '123 us'],
    [999_999, '1000 us'],
    [1_234_000, '1.23 ms'],
    [20_000_000, '20.0 ms'],
    [2_500_000_000, '2.50 s'],
    [90e9, '90.0 s'],
    [-17_000, '-17.0 us'],
  ])('shows %i ns as %s', (length, shown) => {
    expect(showDuration(ns(length))).toBe(shown);
  });

  test('keeps to four digits and to half a unit of the last one', () => {
    const factor: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9_999e9 }), (length) => {
        const [number = '', unit = ''] = showDuration(ns(length)).split(' ');
        expect(number.replace('.', '').length).toBeLessThanOrEqual(4);
        const lastDigit = 10 ** -(number.split('.')[1]?.length ?? 0);
        const error = Math.abs(Number(number) - length / factor[unit]!);
        expect(error).toBeLessThanOrEqual(lastDigit / 2 + 1e-9);
      }),
    );
  });
});
