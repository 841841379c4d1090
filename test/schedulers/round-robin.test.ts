import { describe, expect, it } from 'vitest';
import { NO_TIME, START, after, between, ms, sum, type Duration } from '../../src/base/units.ts';
import type { VcoprocId } from '../../src/contract/names.ts';
import { roundRobin } from '../../src/schedulers/round-robin.ts';
import { vcoprocOf } from '../hostile/support.ts';
import { coproc, withRig } from '../rig.ts';
import { schedulerConformance } from './conformance.ts';
import { made, vcoproc } from './simulation.ts';

schedulerConformance('round-robin', roundRobin);

describe('round-robin, to one that overstayed', () => {
  it('states the rounds that it sits out, and keeps to them', () => {
    const scheduler = made(roundRobin);
    const ids = ['a', 'b', 'c'].map(vcoproc);
    for (const id of ids) scheduler.admit(id, {});
    for (const id of ids) scheduler.wake(id, START);
    let now = START;
    const turn = (overrun: Duration): VcoprocId => {
      const decision = scheduler.pick(now);
      if (decision.kind === 'idle') throw new Error('somebody is awake');
      const ran = sum(decision.slice, overrun);
      now = after(now, ran);
      scheduler.settle({ ...decision, outcome: 'ran', ran, overrun, switching: NO_TIME, now });
      return decision.vcoproc;
    };
    expect(turn(ms(3))).toBe(ids[0]);
    const left = now;
    const bound = scheduler.bound(ids[0]!, NO_TIME)!;
    let rounds = 0;
    while (turn(NO_TIME) !== ids[0]) rounds++;
    expect(rounds).toBe(6);
    const waited = between(left, now) - ms(1);
    expect(waited).toBeLessThanOrEqual(bound);
    // Longer than anybody who owes nothing.
    expect(waited).toBeGreaterThan(scheduler.bound(ids[1]!, NO_TIME)!);
  });
});

describe('round-robin, in simulation', () => {
  it.each([2, 3, 4, 5])('gives %i equal spinners equal shares within two in a hundred', async (count) => {
    await withRig('simulated', {}, async (rig) => {
      for (let n = 0; n < count; n++) {
        await rig.domain(`d${n}`, { gpu0: 'stream' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          const iova = gpu.map(domain.memory.allocate(1 << 20), 'read');
          while ((await gpu.submit({ op: 1, args: [iova, 1 << 20] })).status === 'ok');
        });
      }
      const report = await rig.run(async () => {
        await rig.after(ms(120 + 80 * (rig.domains.length - 2)));
        for (const domain of rig.domains) await rig.hypervisor.destroyDomain(domain);
      });
      const times = report.vcoprocs.map(({ time }) => time);
      const mean = times.reduce((total, time) => total + time, 0) / count;
      for (const time of times) expect(Math.abs(time - mean) / mean).toBeLessThan(0.02);
    });
  });

  it('gives a sleeper that is on for 19 parts and off for one no more than its share', async () => {
    await withRig('simulated', { coprocs: [coproc('gpu0')] }, async (rig) => {
      for (const name of ['sleeper', 'busy1', 'busy2']) {
        await rig.domain(name, { gpu0: 'stream' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          const iova = gpu.map(domain.memory.allocate(1 << 20), 'read');
          while ((await gpu.submit({ op: 1, args: [iova, 65536] })).status === 'ok') {
            if (name === 'sleeper') await domain.sleep(ms(0.05));
          }
        });
      }
      const report = await rig.run(async () => {
        await rig.after(ms(120 + 80 * (rig.domains.length - 2)));
        for (const domain of rig.domains) await rig.hypervisor.destroyDomain(domain);
      });
      const total = report.vcoprocs.reduce((sum, { time }) => sum + time, 0);
      expect(vcoprocOf(report, 'sleeper/gpu0').time / total).toBeLessThan(0.34);
    });
  });
});
