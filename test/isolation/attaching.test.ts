import { afterEach, expect, it, vi } from 'vitest';
import { ms } from '../../src/base/units.ts';
import { coprocId } from '../../src/contract/names.ts';
import { SharedCoproc } from '../../src/hypervisor/coproc.ts';
import { PLATFORMS, coproc, withRig, type RigOptions } from '../rig.ts';

afterEach(() => void vi.restoreAllMocks());

it('a share that is on its way when its domain is isolated does not come, and a later one does', async () => {
  const recovery = { onFault: 'isolate-domain', restarts: { most: 10, within: ms(1000) } } as const;
  const options: RigOptions = {
    coprocs: [coproc('gpu0', { recovery }), coproc('dsp0', { compatible: PLATFORMS.dsp, recovery })],
    faults: { faults: [{ fault: 'trap', coproc: 'gpu0', when: { at: ms(2) } }] },
  };
  await withRig('simulated', options, async (rig) => {
    await rig.domain('a', { gpu0: 'noop' }, async (domain) => {
      for (let status = 'ok'; status === 'ok'; await domain.sleep(ms(1)))
        ({ status } = await domain.coproc('gpu0').submit({ op: 1 }));
      await domain.sleep(ms(50));
    });
    const domain = rig.domains[0]!;
    const slowly = SharedCoproc.prototype.attach;
    vi.spyOn(SharedCoproc.prototype, 'attach').mockImplementationOnce(async function (
      this: SharedCoproc,
      ...args: Parameters<typeof slowly>
    ) {
      const attached = await slowly.apply(this, args);
      await rig.after(ms(20));
      return attached;
    });
    await rig.run(async () => {
      const first = await rig.hypervisor.attach(domain, coprocId('dsp0'), 'noop', {});
      expect(first).toMatchObject({ kind: 'failed', reason: expect.stringContaining('is isolated since') });
      expect(domain.vcoprocs.map(({ name }) => name)).toEqual(['a/gpu0']);
      const second = await rig.hypervisor.attach(domain, coprocId('dsp0'), 'noop', {});
      expect(second.kind).toBe('ok');
    });
  });
});
