import { expect, it } from 'vitest';
import {
  Injector,
  SimulatedRuntime,
  coprocId,
  createHypervisor,
  credit,
  domainId,
  gpu,
  mib,
  targetsOf,
  type GuestDomain,
} from '../../src/index.ts';
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

it('carries out the fault plan that it is given, and says what became of each fault', async () => {
  const faults = new Injector({
    faults: [
      { fault: 'kill', coproc: 'gpu0', when: { event: 'submit', nth: 2 } },
      { fault: 'fail', when: { point: 'firmware', nth: 1 } },
    ],
  });
  const runtime = new SimulatedRuntime(1);
  const hypervisor = createHypervisor({ runtime, schedulers: { credit }, platforms: [gpu], faults });
  hypervisor.addCoproc(coproc('gpu0', { scheduler: { name: 'credit', parameters: {} } }));
  const heard: string[] = [];
  const main = async (domain: GuestDomain): Promise<void> => {
    for (let count = 0; count < 3; count++)
      heard.push((await domain.coproc('gpu0').submit({ op: 4, args: [200] })).status);
  };
  const nowhere = { file: 'test', line: 1, column: 1 };
  const description = {
    name: domainId('a'),
    memory: mib(1),
    kernel: 'test',
    coprocs: [{ coproc: coprocId('gpu0'), firmware: 'spin', parameters: {}, position: nowhere }],
    extra: '',
    takes: [],
    position: nowhere,
  };
  const files = { asset: () => new Uint8Array(), input: undefined, write: () => '' };
  expect(await hypervisor.createDomain(description, { main }, files)).toMatchObject({
    kind: 'failed',
    reason: expect.stringContaining('failed by the fault plan'),
  });
  const created = await hypervisor.createDomain(description, { main }, files);
  if (created.kind === 'failed') throw new Error(created.reason);
  faults.start(targetsOf(hypervisor));
  await runtime.drive(hypervisor.runDomain(created.value));
  hypervisor.close();
  expect(heard).toEqual(['ok', 'failed', 'ok']);
  expect(faults.reports.map(({ kind, became }) => [kind, became])).toEqual([
    ['kill', 'reported'],
    ['fail', 'refused'],
  ]);
});
