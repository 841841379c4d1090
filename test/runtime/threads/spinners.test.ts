import { describe, expect, test } from 'vitest';
import { Spinners, forgetSpinner, spinnersMemory } from '../../../src/runtime/threads/spinners.ts';

/** A clock that a look at it moves by 10 us. */
function clock(): () => number {
  let now = 0;
  return () => (now += 10_000);
}

describe('a thread that has nothing to do', () => {
  test('looks until there is something', () => {
    let looks = 0;
    expect(new Spinners(spinnersMemory(), 0, clock(), 2).spin(() => ++looks === 3, 1)).toBe(true);
    expect(looks).toBe(3);
  });

  test('stops looking in time, and earlier for each who shares the coprocessor', () => {
    const looks = [1, 4].map((sharers) => {
      let count = 0;
      new Spinners(spinnersMemory(), 0, clock(), 2).spin(() => ++count < 0, sharers);
      return count;
    });
    expect(looks[0]).toBeGreaterThan(2 * looks[1]!);
    expect(looks[1]).toBeGreaterThan(0);
  });

  test('looks only while fewer others do than there are cores besides the one of the guests', () => {
    const memory = spinnersMemory();
    const [first, second] = [0, 1].map((number) => new Spinners(memory, number, clock(), 2)) as [
      Spinners,
      Spinners,
    ];
    let inner: boolean | undefined;
    first.spin(() => {
      inner = second.spin(() => true, 1);
      return true;
    }, 1);
    expect(inner).toBe(false);
    expect(second.spin(() => true, 1)).toBe(true);
    expect(new Spinners(spinnersMemory(), 0, clock(), 1).spin(() => true, 1)).toBe(false);
  });

  test('has its place to itself no longer than it lives', () => {
    const memory = spinnersMemory();
    const [killed, other] = [0, 1].map((number) => new Spinners(memory, number, clock(), 2)) as [
      Spinners,
      Spinners,
    ];
    const death = new Error('killed while it looked');
    expect(() =>
      killed.spin(() => {
        throw death;
      }, 1),
    ).toThrow(death);
    expect(other.spin(() => true, 1)).toBe(false);
    forgetSpinner(memory, 0);
    expect(other.spin(() => true, 1)).toBe(true);
  });

  test('looks for what was announced however often that was in vain, but not where the guests have the only core', () => {
    const looks = [1, 2].map((cores) => {
      const spinners = new Spinners(spinnersMemory(), 0, clock(), cores);
      let count = 0;
      for (let round = 0; round < 100; round++) spinners.expect(() => ++count < 0);
      return count;
    });
    expect(looks[0]).toBe(0);
    expect(looks[1]).toBeGreaterThanOrEqual(100);
  });

  test('gives up looking once it was in vain, and tries again now and then', () => {
    const spinners = new Spinners(spinnersMemory(), 0, clock(), 2);
    let bouts = 0;
    const pause = (work: boolean): boolean => {
      let first = true;
      return spinners.spin(() => {
        if (first) bouts++;
        first = false;
        return work;
      }, 1);
    };
    for (let n = 0; n < 100; n++) pause(false);
    expect(bouts).toBeLessThan(20);
    let tries = 1;
    while (!pause(true)) tries++;
    expect(tries).toBeLessThanOrEqual(16);
    expect(pause(true)).toBe(true);
  });
});
