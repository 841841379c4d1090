import { describe, expect, it } from 'vitest';
import { ms, seconds, us } from '../../src/base/units.ts';
import type { GuestCoproc } from '../../src/contract/guest.ts';
import { coprocId } from '../../src/contract/names.ts';
import { coproc, RUNTIMES, withRig, type Rig } from '../rig.ts';
import {
  BUSY,
  firmwareText,
  ownFirmware,
  reasonOf,
  remembering,
  streaming,
  vcoprocOf,
} from '../hostile/support.ts';

// The cases of Intel's GPU tests (igt: gem_eio, gem_reset_stats, xe_sriov_flr), by their names there.

const FOR_EVER = '(loop $for_ever (br $for_ever)) (i32.const 1)';
const firmware = ownFirmware({
  hang: firmwareText({ step: FOR_EVER }),
  trap: firmwareText({ step: '(unreachable)' }),
  // Traps when it is told to, is endless when it is told that, and answers everything else.
  moody: firmwareText({
    start: '(if (i32.eq (call $arg (i32.const 0)) (i32.const 1)) (then (unreachable))) (i32.const 0)',
    step: `(if (result i32) (i32.eq (call $arg (i32.const 0)) (i32.const 2)) (then (call $busy)) (else (i32.const 1)))`,
    rest: `(func $busy (result i32) ${BUSY})`,
  }),
  denier: firmwareText({ step: BUSY, quiesce: '(i32.const 5000)' }),
});
const faults = { most: 3, within: seconds(60) };
const restarts = { most: 1000, within: seconds(1) };
const banning = { recovery: { onFault: 'ban', faults, restarts }, stopDeadline: ms(60) } as const;

const guilt = (rig: Rig, id: string) => vcoprocOf(rig.report(), id).resets;

describe.each(RUNTIMES)('resets, %s', (kind) => {
  it.each([
    ['at once', us(0)],
    ['after 1 us', us(1)],
    ['after 10 ms', ms(10)],
  ])(
    'in-flight: who hangs %s fails with all that it queued, and its neighbour does not',
    async (_, pause) => {
      await withRig(kind, { firmware, coprocs: [coproc('gpu0', banning)] }, async (rig) => {
        const statuses: string[] = [];
        await rig.domain('hangs', { gpu0: 'hang' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          await domain.sleep(pause);
          const all = await Promise.all([1, 2, 3].map(() => gpu.submit({ op: 1 })));
          statuses.push(...all.map(({ status, reason }) => `${status}: ${reason}`));
          // A no-op is the coprocessor's own: the context is there again.
          statuses.push((await gpu.submit({ op: 0 })).status);
        });
        await rig.domain('remembers', { gpu0: 'pattern' }, remembering(4));
        const report = await rig.run();
        expect(statuses).toHaveLength(4);
        expect(statuses[3]).toBe('ok');
        for (const status of statuses.slice(0, 3)) expect(status).toMatch(/^failed: did not/);
        expect([reasonOf(report, 'hangs'), reasonOf(report, 'remembers')]).toEqual([null, null]);
        expect(vcoprocOf(report, 'remembers/gpu0').commands.failed).toBe(0);
      });
    },
  );

  it('reset-stress and reset-stats: after each reset both submit again, and only who hangs reads guilty', async () => {
    const often = {
      ...banning,
      recovery: { ...banning.recovery, faults: { most: 99, within: seconds(60) } },
    };
    await withRig(kind, { firmware, coprocs: [coproc('gpu0', often)] }, async (rig) => {
      const rounds = kind === 'threads' ? 2 : 5;
      await rig.domain('spins', { gpu0: 'hang' }, async (domain) => {
        for (let round = 0; round < rounds; round++)
          expect((await domain.coproc('gpu0').submit({ op: 1 })).status).toBe('failed');
      });
      await rig.domain('works', { gpu0: 'stream' }, streaming(rounds * 2));
      const report = await rig.run();
      expect([reasonOf(report, 'spins'), reasonOf(report, 'works')]).toEqual([null, null]);
      const resets = report.coprocs[0]?.resets ?? 0;
      expect(guilt(rig, 'spins/gpu0')).toEqual({ guilty: rounds, innocent: 0 });
      expect(guilt(rig, 'works/gpu0').guilty).toBe(0);
      expect(guilt(rig, 'works/gpu0').innocent).toBeLessThanOrEqual(resets);
      expect(resets).toBe(rounds);
    });
  });

  it('banned: who is at fault three times is refused, and a new context of the same domain works', async () => {
    await withRig(kind, { firmware, coprocs: [coproc('gpu0', banning)] }, async (rig) => {
      let again: () => void = () => {};
      let bans: () => void = () => {};
      const attached = new Promise<void>((resolve) => (again = resolve));
      const banned = new Promise<void>((resolve) => (bans = resolve));
      const created = await rig.domain('moody', { gpu0: 'moody' }, async (domain) => {
        const moody = domain.coproc('gpu0');
        for (let times = 0; times < 3; times++) {
          expect((await moody.submit({ op: 1 })).status).toBe('ok');
          expect((await moody.submit({ op: 1, args: [1] })).status).toBe('failed');
        }
        expect((await moody.submit({ op: 1 })).reason).toMatch(
          /^banned: 3 faults in 60.0 s, the last: firmware/,
        );
        bans();
        await attached;
        expect((await domain.coproc('gpu0').submit({ op: 1 })).status).toBe('ok');
      });
      await rig.domain('works', { gpu0: 'stream' }, streaming(3));
      const report = await rig.run(async () => {
        await banned;
        if (created.kind === 'failed') throw new Error(created.reason);
        expect((await rig.hypervisor.reset(created.value, coprocId('gpu0'))).kind).toBe('failed');
        await rig.hypervisor.detach(created.value, coprocId('gpu0'));
        rig.hypervisor.forget(created.value);
        expect((await rig.hypervisor.attach(created.value, coprocId('gpu0'), 'moody', {})).kind).toBe('ok');
        again();
      });
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
      expect(report.coprocs[0]).toMatchObject({ resets: 0, isolated: 1 });
      const steps = rig.trace.flatMap((event) => (event.kind === 'recovery' ? [event.step] : []));
      expect(steps).toEqual(['renewed', 'renewed', 'banned']);
    });
  });

  it('preservation: seven contexts keep their patterns over a reset that an eighth causes', async () => {
    await withRig(kind, { firmware, coprocs: [coproc('gpu0', banning)] }, async (rig) => {
      for (let seed = 1; seed <= 7; seed++)
        await rig.domain(`keeps${seed}`, { gpu0: 'pattern' }, async (domain) => {
          await remembering(1, seed)(domain);
          while (rig.report().coprocs[0]?.resets === 0) await domain.sleep(ms(1));
          const { results } = await domain.coproc('gpu0').submit({ op: 2, args: [seed] });
          expect(results[1]).toBe(-1);
        });
      await rig.domain('hangs', { gpu0: 'hang' }, async (domain) => {
        await domain.sleep(ms(20));
        expect((await domain.coproc('gpu0').submit({ op: 1 })).status).toBe('failed');
      });
      const report = await rig.run();
      expect(report.domains.map(({ reason }) => reason)).toEqual(Array.from({ length: 8 }, () => null));
    });
  });

  it('flr-each-isolation: each vcoproc in turn loses its own state and nobody else’s', async () => {
    await withRig(kind, {}, async (rig) => {
      const names = ['a', 'b', 'c'];
      const guests = new Map<string, GuestCoproc>();
      let done: () => void = () => {};
      const over = new Promise<void>((resolve) => (done = resolve));
      for (const name of names)
        await rig.domain(name, { gpu0: 'pattern' }, async (domain) => {
          guests.set(name, domain.coproc('gpu0'));
          await over;
        });
      const kept = async (name: string): Promise<boolean> => {
        const { status, results } = await guests
          .get(name)!
          .submit({ op: 2, args: [names.indexOf(name) + 1] });
        expect(status).toBe('ok');
        return results[1] === -1;
      };
      const report = await rig.run(async () => {
        await rig.after(us(1));
        for (const name of names) await guests.get(name)!.submit({ op: 1, args: [names.indexOf(name) + 1] });
        for (const [place, name] of names.entries()) {
          guests.get(name)!.registers.write(0x40, 77);
          expect((await rig.hypervisor.reset(rig.domains[place]!, coprocId('gpu0'))).kind).toBe('ok');
          expect(guests.get(name)!.registers.read(0x40)).toBe(0);
          const now = await Promise.all(names.map(kept));
          expect(now).toEqual(names.map((_, other) => other !== place));
          await guests.get(name)!.submit({ op: 1, args: [place + 1] });
        }
        done();
      });
      expect(report.coprocs[0]).toMatchObject({ resets: 0, vcoprocResets: 3, isolated: 0 });
      expect(report.vcoprocs.map(({ resets }) => resets.guilty)).toEqual([0, 0, 0]);
    });
  });

  it.each(['asleep', 'running', 'waiting', 'mid-switch', 'paused'])(
    'reset of a vcoproc that is %s fails what is outstanding, with the reason, once',
    async (moment) => {
      await withRig(kind, { firmware }, async (rig) => {
        let ready = false;
        const outcomes: string[] = [];
        const victim = await rig.domain('victim', { gpu0: 'moody' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          expect((await gpu.submit({ op: 1 })).status).toBe('ok');
          const all = moment === 'asleep' ? [] : [1, 2].map(() => gpu.submit({ op: 1, args: [2] }));
          ready = true;
          for (const { status, reason } of await Promise.all(all)) outcomes.push(`${status}: ${reason}`);
          while (outcomes[0] !== 'reset') await domain.sleep(us(100));
          expect((await gpu.submit({ op: 1 })).status).toBe('ok');
        });
        await rig.domain('streams', { gpu0: 'stream' }, streaming(4));
        const report = await rig.run(async () => {
          if (victim.kind === 'failed') throw new Error(victim.reason);
          const seen = (): boolean => {
            const { owner, state } = rig.hypervisor.occupancy()[0]!;
            if (moment === 'running') return owner === 'victim/gpu0' && state === 'running';
            if (moment === 'waiting') return owner === 'streams/gpu0' && state === 'running';
            return moment !== 'mid-switch' || state === 'saving' || state === 'loading';
          };
          // A moment that never shows is one, too.
          for (let look = 0; look < 400 && !(ready && seen()); look++) await rig.after(us(20));
          if (moment === 'paused') rig.hypervisor.pauseDomain(victim.value);
          expect((await rig.hypervisor.reset(victim.value, coprocId('gpu0'))).kind).toBe('ok');
          if (moment === 'paused') rig.hypervisor.unpauseDomain(victim.value);
          await rig.after(us(200));
          expect(outcomes).toEqual(moment === 'asleep' ? [] : ['failed: reset', 'failed: reset']);
          outcomes.unshift('reset');
        });
        expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
        expect(report.coprocs[0]).toMatchObject({ resets: 0, isolated: 0 });
        expect(vcoprocOf(report, 'streams/gpu0').commands.failed).toBe(0);
      });
    },
  );

  it('nonpreempt-engine-resets: who never lets go is taken out, and the coprocessor goes on', async () => {
    const coprocs = [coproc('gpu0', { ...banning, resetDeadline: seconds(5), heartbeat: seconds(20) })];
    await withRig(kind, { firmware, coprocs }, async (rig) => {
      await rig.domain('denies', { gpu0: 'denier' }, async (domain) => {
        expect((await domain.coproc('gpu0').submit({ op: 1 })).reason).toMatch(/did not leave/);
        expect((await domain.coproc('gpu0').submit({ op: 0 })).status).toBe('ok');
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(3));
      const report = await rig.run();
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
      expect(report.coprocs[0]).toMatchObject({ resets: 0, vcoprocResets: 1, isolated: 0 });
      expect(guilt(rig, 'streams/gpu0')).toEqual({ guilty: 0, innocent: 0 });
    });
  });
});
