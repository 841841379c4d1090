import { describe, expect, it } from 'vitest';
import { ms, seconds, us } from '../../src/base/units.ts';
import { coprocId } from '../../src/contract/names.ts';
import type { Completion } from '../../src/contract/guest.ts';
import {
  firmwareText,
  ownFirmware,
  once,
  reasonOf,
  stateOf,
  streaming,
  vcoprocOf,
  withCaptive,
} from '../hostile/support.ts';
import { coproc, RUNTIMES, withRig } from '../rig.ts';

const firmware = ownFirmware({ trap: firmwareText({ step: '(unreachable)' }) });
const restarts = { most: 2, within: seconds(100) };

describe.each(RUNTIMES)('what cannot be saved, %s', (kind) => {
  it('is a coprocessor that dies again and again: out of service, its domains are told, another goes on', async () => {
    const coprocs = [coproc('gpu1'), coproc('gpu0', { recovery: { onFault: 'ban', restarts } })];
    await withCaptive(kind, { coprocs }, async (rig, captive) => {
      const told: (Completion | undefined)[] = [];
      await rig.domain('both', { gpu0: 'noop', gpu1: 'stream' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        while (rig.report().coprocs[1]?.outOfService === null) await domain.sleep(us(200));
        told.push(await gpu.submit({ op: 1 }));
        await streaming(2, { id: 'gpu1' })(domain);
      });
      const report = await rig.run(async () => {
        for (let death = 0; death < 3; death++) {
          captive.kill();
          // A successor that is not up yet says that it is idle, too: what counts is that every context is there again.
          while (rig.trace.filter((event) => event.kind === 'recovery').length <= death)
            await rig.after(us(100));
        }
        const refused = await rig.domain('late', { gpu0: 'noop' }, once(1));
        expect(refused).toMatchObject({
          kind: 'failed',
          reason: expect.stringMatching(/gpu0 is out of service: 3 deaths in 100 s, the last: killed/),
        });
      });
      expect(told[0]).toMatchObject({
        status: 'failed',
        reason: 'gpu0 is out of service: 3 deaths in 100 s, the last: killed by the test',
      });
      expect(rig.hypervisor.occupancy()[1]?.state).toBe('outOfService');
      expect(stateOf(report, 'both')).toBe('finished');
      expect(report.coprocs.map(({ outOfService }) => outOfService === null)).toEqual([true, false]);
      expect(vcoprocOf(report, 'both/gpu0').faults).toEqual([]);
      const steps = rig.trace.flatMap((event) => (event.kind === 'recovery' ? [event.step] : []));
      expect(steps).toEqual(['restarted', 'restarted', 'out-of-service', 'isolated']);
    });
  });

  it('is no coprocessor that one tenant takes down each time: that one is isolated, the others go on', async () => {
    const coprocs = [coproc('gpu0', { recovery: { onFault: 'ban', restarts } })];
    await withCaptive(kind, { coprocs }, async (rig, captive) => {
      await rig.domain('deadly', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        for (let death = 0; death < 3; death++) {
          const spinning = gpu.submit({ op: 4, args: [1 << 30] });
          while (rig.hypervisor.occupancy()[0]?.owner !== 'deadly/gpu0') await domain.sleep(us(20));
          captive.kill();
          expect((await spinning).status).toBe('failed');
        }
        expect((await gpu.submit({ op: 4 })).reason).toMatch(/^was there at each of 3 deaths/);
      });
      await rig.domain('streams', { gpu0: 'stream' }, async (domain) => {
        while (rig.report().coprocs[0]?.isolated === 0) await domain.sleep(us(100));
        await streaming(3)(domain);
      });
      const report = await rig.run();
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
      expect(report.coprocs[0]).toMatchObject({ outOfService: null, isolated: 1, resets: 3 });
    });
  });

  it('is a domain that may have no coprocessor any more: all its shares are isolated, and no other domain’s', async () => {
    const recovery = { onFault: 'isolate-domain', restarts } as const;
    const coprocs = [coproc('gpu0', { recovery }), coproc('gpu1')];
    await withRig(kind, { firmware, coprocs }, async (rig) => {
      const reasons: (string | undefined)[] = [];
      await rig.domain('wild', { gpu0: 'trap', gpu1: 'spin' }, async (domain) => {
        const spinning = domain.coproc('gpu1').submit({ op: 4, args: [1 << 30] });
        await domain.sleep(ms(1));
        reasons.push((await domain.coproc('gpu0').submit({ op: 1 })).reason, (await spinning).reason);
      });
      await rig.domain('streams', { gpu0: 'stream', gpu1: 'stream' }, async (domain) => {
        await Promise.all([streaming(3)(domain), streaming(3, { id: 'gpu1' })(domain)]);
      });
      const report = await rig.run();
      expect(reasons[0]).toMatch(/^firmware trapped/);
      expect(reasons[1]).toMatch(/^its domain is isolated: wild\/gpu0 was at fault: firmware trapped/);
      expect(reasonOf(report, 'streams')).toBe(null);
    });
  });

  // Threads cannot be told when to be on their way.
  it.runIf(kind === 'simulated')(
    'is such a domain, whenever its other share is on its way to a coprocessor',
    async () => {
      const recovery = { onFault: 'isolate-domain', restarts } as const;
      for (let at = 0; at < 300; at++) {
        const coprocs = [coproc('gpu0', { recovery }), coproc('gpu1', { timeslice: us(20) })];
        await withRig(kind, { firmware, coprocs }, async (rig) => {
          await rig.domain('wild', { gpu0: 'trap', gpu1: 'spin' }, async (domain) => {
            const spinning = domain.coproc('gpu1').submit({ op: 4, args: [1 << 30] });
            await domain.sleep(us(200 + at));
            await Promise.all([domain.coproc('gpu0').submit({ op: 1 }), spinning]);
          });
          await rig.domain('streams', { gpu1: 'stream' }, streaming(3, { id: 'gpu1' }));
          expect(stateOf(await rig.run(), 'streams')).toBe('finished');
        });
      }
    },
  );

  it('hears of a hang as soon as the heartbeat says, and the deadlines change while it runs', async () => {
    const hang = ownFirmware({ hang: firmwareText({ step: '(loop $l (br $l)) (i32.const 1)' }) });
    const patient = coproc('gpu0', { stopDeadline: seconds(30), heartbeat: seconds(30), clock: 20_000_000 });
    await withRig(kind, { firmware: hang, coprocs: [patient] }, async (rig) => {
      let took = 0;
      await rig.domain('hangs', { gpu0: 'hang' }, async (domain) => {
        expect(rig.hypervisor.watch(coprocId('gpu0'), { heartbeat: ms(20) }).kind).toBe('ok');
        const begun = domain.now();
        expect((await domain.coproc('gpu0').submit({ op: 1 })).status).toBe('failed');
        took = domain.now() - begun;
      });
      await rig.run();
      expect(took).toBeLessThan(seconds(15));
      expect(rig.hypervisor.watch(coprocId('gpu9'), {})).toMatchObject({ kind: 'failed' });
    });
  });
});
