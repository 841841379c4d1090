import { afterEach, describe, expect, test } from 'vitest';
import { Doorbell, doorbellBytes } from '../../src/memory/doorbell.ts';
import { ROUNDS, turn } from './thread-parts.ts';
import { endThreads, start } from './threads.ts';

afterEach(endThreads);

describe('two threads', () => {
  test('wake each other 50,000 times', async () => {
    const bells = new SharedArrayBuffer(doorbellBytes(3));
    await Promise.all([0, 1].map((side) => start({ part: 'player', bells, side })));
    expect(Atomics.load(turn(bells), 0)).toBe(2 * ROUNDS);
  }, 30_000);

  test('wake each other 50,000 times when one of them must not block', async () => {
    const bells = new SharedArrayBuffer(doorbellBytes(3));
    const turns = turn(bells);
    const other = start({ part: 'player', bells, side: 1 });
    const [mine, theirs] = [new Doorbell(bells, 0), new Doorbell(bells, 1)];
    for (let round = 0; round < ROUNDS; round++) {
      while (Atomics.load(turns, 0) !== 2 * round) {
        mine.arm();
        if (Atomics.load(turns, 0) === 2 * round) mine.disarm();
        else await mine.rung();
      }
      Atomics.store(turns, 0, 2 * round + 1);
      theirs.ring();
    }
    await other;
    expect(Atomics.load(turns, 0)).toBe(2 * ROUNDS);
  }, 30_000);
});
