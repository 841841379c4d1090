import { describe, expect, it } from 'vitest';
import { killing } from '../../bench/soak/kills.ts';
import * as covisor from '../../src/index.ts';

// What `npm run soak -- kills` does ten thousand times.
describe('random kills of coprocessors under four busy domains lose and repeat nothing, and leave nothing', () => {
  it.each([
    ['200 in simulation', () => new covisor.SimulatedRuntime(1), 200],
    ['25 on threads', () => new covisor.ThreadsRuntime(1), 25],
  ] as const)(
    '%s',
    async (_what, runtime, count) => {
      const { kills, commands, wrong } = await killing(covisor, runtime(), 1, count);
      expect([kills >= count, wrong]).toEqual([true, 0]);
      expect(commands.ok + commands.failed + commands.cancelled).toBe(commands.submitted);
      // Every kill came in the middle of something, or it would test nothing.
      expect(commands.ok).toBeGreaterThan(0);
      expect(commands.failed).toBeGreaterThan(0);
    },
    120_000,
  );
});
