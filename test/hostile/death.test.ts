import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { ms, ns, us } from '../../src/base/units.ts';
import { RUNTIMES } from '../rig.ts';
import {
  blamed,
  once,
  reasonOf,
  remembering,
  stateOf,
  streaming,
  vcoprocOf,
  withCaptive,
} from './support.ts';

describe.each(RUNTIMES)('a coprocessor that dies, %s', (kind) => {
  it('costs who was on it the commands under way, and nobody a result', async () => {
    await withCaptive(kind, {}, async (rig, captive) => {
      for (const name of ['a', 'b', 'c'])
        await rig.domain(name, { gpu0: 'stream' }, streaming(8, { patient: true }));
      const report = await rig.run(async () => {
        await rig.after(us(300));
        captive.kill();
      });
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null, null]);
      expect(report.coprocs[0]?.resets).toBe(1);
      expect(captive.starts).toBe(2);
      for (const { commands, state } of report.vcoprocs) {
        expect([commands.ok, state]).toEqual([16, 'gone']);
        expect(commands.cancelled).toBe(0);
      }
    });
  });

  it('may die again and again at any moment, also while it starts: every command still completes once', async () => {
    const random = seededRandom(kind === 'threads' ? 3 : 4);
    await withCaptive(kind, {}, async (rig, captive) => {
      for (const name of ['a', 'b', 'c'])
        await rig.domain(name, { gpu0: 'stream' }, streaming(4, { patient: true }));
      const deaths = kind === 'threads' ? 4 : 40;
      await rig.run(async () => {
        for (let death = 0; death < deaths; death++) {
          await rig.after(kind === 'threads' ? ms(random.below(60)) : ns(random.below(60_000)));
          captive.kill();
          if (death % 4 === 3) captive.kill('twice');
        }
      });
      const report = rig.report();
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null, null]);
      expect(report.vcoprocs.map(({ commands, state }) => [commands.ok, state])).toEqual(
        ['a', 'b', 'c'].map(() => [8, 'gone']),
      );
    });
  });

  it.each(['saving', 'loading', 'running'] as const)(
    'dies when it says that it is %s: whoever is away loses nothing',
    async (moment) => {
      await withCaptive(kind, {}, async (rig, captive) => {
        await rig.domain('a', { gpu0: 'stream' }, streaming(4, { patient: true }));
        await rig.domain('b', { gpu0: 'stream' }, streaming(4, { patient: true }));
        let killed = false;
        const push = rig.trace.push.bind(rig.trace);
        rig.trace.push = (...events) => {
          const now = events.some((event) => event.kind === 'coproc' && event.state === moment);
          if (now && !killed) {
            killed = true;
            captive.kill();
          }
          return push(...events);
        };
        const report = await rig.run();
        expect([killed, ...report.domains.map(({ reason }) => reason)]).toEqual([true, null, null]);
        expect(report.coprocs[0]?.resets).toBe(1);
      });
    },
  );

  it('keeps a context that was away, memory and all, over any number of deaths', async () => {
    await withCaptive(kind, {}, async (rig, captive) => {
      let filled: () => void = () => {};
      let died: () => void = () => {};
      const isFilled = new Promise<void>((resolve) => (filled = resolve));
      const hasDied = new Promise<void>((resolve) => (died = resolve));
      await rig.domain('remembers', { gpu0: 'pattern' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        await gpu.submit({ op: 1, args: [99] });
        filled();
        await hasDied;
        await domain.sleep(us(1));
        expect((await gpu.submit({ op: 2, args: [99] })).results[1]).toBe(-1);
      });
      await rig.domain('spins', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        await isFilled;
        await domain.sleep(us(1));
        for (let death = 0; death < 2; death++) {
          const spinning = gpu.submit({ op: 4, args: [1 << 30] });
          while (rig.hypervisor.occupancy()[0]?.owner !== 'spins/gpu0') await domain.sleep(us(20));
          captive.kill();
          expect(await spinning).toMatchObject({ status: 'failed', reason: 'coprocessor reset' });
        }
        died();
      });
      const report = await rig.run();
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
      expect(vcoprocOf(report, 'remembers/gpu0').commands).toMatchObject({ ok: 2, failed: 0 });
      expect(blamed(rig)).toEqual(['spins/gpu0']);
    });
  });

  it('may die while a domain is created or destroyed', async () => {
    await withCaptive(kind, {}, async (rig, captive) => {
      await rig.domain('stays', { gpu0: 'stream' }, streaming(6, { patient: true }));
      const report = await rig.run(async () => {
        for (let round = 0; round < 3; round++) {
          const creating = rig.domain(`new${round}`, { gpu0: 'noop' }, once(1));
          captive.kill();
          const created = await creating;
          expect(created).toMatchObject({ kind: 'ok' });
          if (created.kind === 'failed') continue;
          const running = rig.hypervisor.runDomain(created.value);
          await running;
          const doomed = await rig.domain(`doomed${round}`, { gpu0: 'spin' }, once(4, [1 << 30]));
          if (doomed.kind === 'failed') continue;
          const doom = rig.hypervisor.runDomain(doomed.value);
          await rig.after(us(200));
          const destroying = rig.hypervisor.destroyDomain(doomed.value);
          captive.kill();
          await Promise.all([destroying, doom]);
        }
      });
      expect(stateOf(report, 'stays')).toBe('finished');
      for (let round = 0; round < 3; round++) {
        expect(stateOf(report, `new${round}`)).toBe('finished');
        expect(stateOf(report, `doomed${round}`)).toBe('destroyed');
        const { submitted, failed, cancelled } = vcoprocOf(report, `doomed${round}/gpu0`).commands;
        expect(failed + cancelled).toBe(submitted);
      }
    });
  });

  it('blames the holder for nothing that it did not do: it works on after the reset', async () => {
    await withCaptive(kind, {}, async (rig, captive) => {
      await rig.domain('forgetful', { gpu0: 'pattern' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        await gpu.submit({ op: 1, args: [5] });
        captive.kill();
        // Its context was in the coprocessor: it begins anew, from the firmware's first image.
        for (;;) {
          const { status, results } = await gpu.submit({ op: 2, args: [5] });
          if (status !== 'ok') continue;
          if (results[1] === -1) throw new Error('the pattern outlived the coprocessor');
          break;
        }
        await remembering(2)(domain);
      });
      const report = await rig.run();
      expect(reasonOf(report, 'forgetful')).toBe(null);
    });
  });
});
