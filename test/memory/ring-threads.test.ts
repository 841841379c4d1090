import { afterEach, describe, expect, test } from 'vitest';
import { doorbellBytes } from '../../src/memory/doorbell.ts';
import { ringMemory } from '../../src/memory/ring.ts';
import type { Taken } from './thread-parts.ts';
import { endThreads, start } from './threads.ts';

afterEach(endThreads);

describe('two threads', () => {
  test('pass 300,000 descriptors through a ring of 8, both asleep and awake, whole, once and in order', async () => {
    const count = 300_000;
    const memory = { ring: ringMemory(8), bells: new SharedArrayBuffer(doorbellBytes(2)) };
    const [taken, produced] = await Promise.all([
      start<Taken>({ part: 'consumer', count, seed: 1, ...memory }),
      start<Taken>({ part: 'producer', count, seed: 2, ...memory }),
    ]);
    expect(taken).toEqual({ count, wrong: 0, first: undefined, slept: taken.slept });
    // Both sides went to sleep many times, or nothing was tested.
    expect(Math.min(taken.slept, produced.slept)).toBeGreaterThan(100);
  }, 30_000);
});
