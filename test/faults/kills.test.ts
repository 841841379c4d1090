import { describe, expect, it } from 'vitest';
import { built, killing } from '../../bench/soak/kills.ts';
import * as covisor from '../../src/index.ts';
import { RUNTIMES } from '../rig.ts';

// What `npm run soak -- kills` does ten thousand times.
describe('200 random kills of coprocessors under four busy domains lose and repeat nothing, and leave nothing', () => {
  it.each(RUNTIMES)(
    'on %s',
    async (kind) => {
      const users = kind === 'threads' ? await built() : covisor;
      const runtime = kind === 'threads' ? new users.ThreadsRuntime(1) : new users.SimulatedRuntime(1);
      const { kills, commands, wrong } = await killing(users, runtime, 1, 200);
      expect([kills >= 200, wrong]).toEqual([true, 0]);
      expect(commands.ok + commands.failed + commands.cancelled).toBe(commands.submitted);
      // Every kill came in the middle of something, or it would test nothing.
      expect(commands.ok).toBeGreaterThan(0);
      expect(commands.failed).toBeGreaterThan(0);
    },
    120_000,
  );
});
