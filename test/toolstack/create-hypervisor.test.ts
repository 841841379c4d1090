import { expect, it } from 'vitest';
import { SimulatedRuntime, createHypervisor, credit, gpu } from '../../src/index.ts';
import { PLATFORMS, coproc } from '../rig.ts';

it('makes a hypervisor of what it is given, and says how to add what it was not', () => {
  const hypervisor = createHypervisor({
    runtime: new SimulatedRuntime(1),
    schedulers: { credit },
    platforms: [gpu],
  });
  const scheduler = { name: 'credit', parameters: {} };
  expect(hypervisor.addCoproc(coproc('gpu0', { scheduler }))).toMatchObject({ kind: 'ok' });
  expect(hypervisor.addCoproc(coproc('gpu1'))).toMatchObject({
    reason:
      'this build has no scheduler round-robin; expected one of credit; a build has what createHypervisor is given',
  });
  expect(hypervisor.addCoproc(coproc('dsp0', { scheduler, compatible: PLATFORMS.dsp }))).toMatchObject({
    reason: expect.stringMatching(
      /^this build has no platform covisor,media-dsp; expected one of covisor,tile-gpu/,
    ),
  });
  hypervisor.close();
});
