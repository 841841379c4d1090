import { describe, expect, it } from 'vitest';
import { coproc, RUNTIMES, withRig } from '../rig.ts';

describe.each(RUNTIMES)('the first path through everything, %s', (kind) => {
  it('completes every command of two domains that share one coprocessor', async () => {
    await withRig(kind, { coprocs: [coproc('gpu0')] }, async (rig) => {
      for (const name of ['a', 'b']) {
        await rig.domain(name, { gpu0: 'noop' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          for (let n = 0; n < 100; n++) {
            const { status, results } = await gpu.submit({ op: 1, args: [n, -n] });
            expect([status, results[0], results[1]]).toEqual(['ok', n, n === 0 ? 0 : -n]);
          }
        });
      }
      const report = await rig.run();
      expect(report.domains.map(({ state }) => state)).toEqual(['finished', 'finished']);
      expect(report.vcoprocs.map(({ commands }) => commands.ok)).toEqual([100, 100]);
    });
  });
});
