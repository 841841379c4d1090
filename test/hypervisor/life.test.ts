import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import type { GuestCoproc } from '../../src/contract/guest.ts';
import { GPU } from '../../src/platforms/gpu/registers.ts';
import {
  firmwareText,
  ownFirmware,
  stateOf,
  streaming,
  UNTIL_TOLD,
  vcoprocOf,
  withCaptive,
} from '../hostile/support.ts';
import { coproc, RUNTIMES, withRig, type Main, type Rig } from '../rig.ts';

const ENDLESS = 1 << 30;
const holder = ownFirmware({
  denier: firmwareText({ step: UNTIL_TOLD, quiesce: '(i32.const 2000)' }),
});

/** Waits, in the run's own time, until something is so. */
async function until(rig: Rig, so: () => boolean): Promise<void> {
  while (!so()) await rig.after(us(50));
}

const endless =
  (statuses: string[] = []): Main =>
  async (domain) => {
    const gpu = domain.coproc('gpu0');
    const { status } = await gpu.submit({ op: 4, args: [ENDLESS] });
    statuses.push(status);
  };

describe.each(RUNTIMES)('the life of a domain, %s', (kind) => {
  it('is refused as a whole when one vcoproc is, and everything is given back', async () => {
    const coprocs = [coproc('gpu0'), coproc('gpu1', { localMemory: 65536 as never })];
    await withRig(kind, { coprocs }, async (rig) => {
      const idle: Main = () => Promise.resolve();
      for (const shares of [
        { gpu0: 'noop', gpu9: 'noop' },
        { gpu0: 'noop', gpu1: 'nothing' },
      ]) {
        const refused = await rig.domain('a', shares as never, idle);
        expect(refused).toMatchObject({ kind: 'failed', reason: expect.stringMatching(/^domain a: /) });
      }
      const parameters = { shoe: 43 };
      expect(await rig.domain('a', { gpu0: 'noop' }, idle, { parameters })).toMatchObject({ kind: 'failed' });
      expect(rig.report().vcoprocs).toEqual([]);
      expect(rig.report().domains).toEqual([]);
      expect(await rig.domain('a', { gpu0: 'stream', gpu1: 'stream' }, streaming(2))).toMatchObject({
        kind: 'ok',
      });
      expect(await rig.domain('a', { gpu0: 'noop' }, idle)).toMatchObject({
        kind: 'failed',
        reason: 'there is a domain a already',
      });
      const report = await rig.run();
      expect(stateOf(report, 'a')).toBe('finished');
    });
  });

  it('can be ended at any moment: before it starts, idle, waiting, running, paused, denying', async () => {
    const coprocs = [coproc('gpu0', { stopDeadline: ms(200) })];
    await withRig(kind, { coprocs, firmware: holder }, async (rig) => {
      const moments: [string, string, (name: string) => Promise<void>][] = [
        [
          'running',
          'spin',
          (name) => until(rig, () => rig.hypervisor.occupancy()[0]?.owner === `${name}/gpu0`),
        ],
        ['at-once', 'spin', () => Promise.resolve()],
        ['waiting', 'spin', () => rig.after(us(1))],
        ['denying', 'denier', () => until(rig, () => rig.trace.some((event) => event.kind === 'denied'))],
        [
          'loading',
          'spin',
          (name) =>
            until(rig, () =>
              rig.trace.some(
                (event) =>
                  event.kind === 'coproc' && event.state === 'loading' && event.vcoproc === `${name}/gpu0`,
              ),
            ),
        ],
      ];
      await rig.domain('stays', { gpu0: 'stream' }, streaming(4));
      const unborn = await rig.domain('unborn', { gpu0: 'noop' }, endless());
      if (unborn.kind === 'ok') await rig.hypervisor.destroyDomain(unborn.value);
      rig.domains.splice(1);
      const statuses: string[] = [];
      const report = await rig.run(async () => {
        for (const [name, firmware, moment] of moments) {
          const created = await rig.domain(name, { gpu0: firmware }, endless(statuses));
          if (created.kind === 'failed') throw new Error(created.reason);
          const running = rig.hypervisor.runDomain(created.value);
          // Somebody wants the coprocessor meanwhile, so that there are switches and denials.
          const rival = await rig.domain(`rival-${name}`, { gpu0: 'spin' }, endless());
          if (rival.kind === 'failed') throw new Error(rival.reason);
          const other = rig.hypervisor.runDomain(rival.value);
          await moment(name);
          await rig.hypervisor.destroyDomain(created.value);
          // Destroyed twice is destroyed.
          await rig.hypervisor.destroyDomain(created.value);
          await rig.hypervisor.destroyDomain(rival.value);
          await Promise.all([running, other]);
        }
      });
      expect(stateOf(report, 'unborn')).toBe('destroyed');
      for (const [name] of moments) {
        expect([name, stateOf(report, name), vcoprocOf(report, `${name}/gpu0`).state]).toEqual([
          name,
          'destroyed',
          'gone',
        ]);
        const { submitted, cancelled, failed } = vcoprocOf(report, `${name}/gpu0`).commands;
        // Who denies to leave is told so by a reset.
        expect([name, cancelled, failed]).toEqual(
          name === 'denying' ? [name, 0, submitted] : [name, submitted, 0],
        );
      }
      expect(stateOf(report, 'stays')).toBe('finished');
      expect(report.coprocs[0]).toMatchObject({ resets: 0, vcoprocResets: 1 });
    });
  });

  it('can be ended while who has the coprocessor denies it to it', async () => {
    await withRig(kind, { firmware: holder }, async (rig) => {
      let told = false;
      await rig.domain('denier', { gpu0: 'denier' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const done = gpu.submit({ op: 1 });
        while (!told) await domain.sleep(us(100));
        gpu.registers.write(GPU.scratch, 1);
        expect((await done).status).toBe('ok');
      });
      const waits = await rig.domain('waits', { gpu0: 'spin' }, endless());
      const report = await rig.run(async () => {
        await until(rig, () => rig.trace.some((event) => event.kind === 'denied'));
        if (waits.kind === 'ok') await rig.hypervisor.destroyDomain(waits.value);
        told = true;
      });
      expect(report.domains.map(({ state, reason }) => [state, reason])).toEqual([
        ['finished', null],
        ['destroyed', null],
      ]);
    });
  });

  it('can be ended while the coprocessor is down, and after a crash', async () => {
    await withCaptive(kind, {}, async (rig, captive) => {
      const doomed = await rig.domain('doomed', { gpu0: 'spin' }, endless());
      const crashed = await rig.domain('crashed', { gpu0: 'spin' }, () =>
        Promise.reject(new Error('own fault')),
      );
      await rig.domain('stays', { gpu0: 'stream' }, streaming(4, { patient: true }));
      const report = await rig.run(async () => {
        await until(rig, () => rig.hypervisor.occupancy()[0]?.owner === 'doomed/gpu0');
        captive.kill();
        if (doomed.kind === 'ok') await rig.hypervisor.destroyDomain(doomed.value);
        if (crashed.kind === 'ok') await rig.hypervisor.destroyDomain(crashed.value);
      });
      expect(report.domains.map(({ state }) => state)).toEqual(['destroyed', 'destroyed', 'finished']);
    });
  });

  it('can begin again under the name of a domain that was destroyed', async () => {
    await withRig(kind, {}, async (rig) => {
      const first = await rig.domain('phoenix', { gpu0: 'noop' }, endless());
      if (first.kind === 'ok') await rig.hypervisor.destroyDomain(first.value);
      expect(await rig.domain('phoenix', { gpu0: 'stream' }, streaming(1))).toMatchObject({ kind: 'ok' });
    });
  });
});

describe.each(RUNTIMES)('a pause, %s', (kind) => {
  it('takes the coprocessor away, holds interrupts and completions, and loses none', async () => {
    await withRig(kind, {}, async (rig) => {
      let gpu: GuestCoproc | undefined;
      let heard = 0;
      let completed = 0;
      let asked = 0;
      const paused = await rig.domain('paused', { gpu0: 'spin' }, async (domain) => {
        gpu = domain.coproc('gpu0');
        gpu.onInterrupt(() => heard++);
        const all = Array.from({ length: 20 }, (_, n) => gpu!.submit({ op: 11, args: [50, 2 + n] }));
        for (const submitted of all) void submitted.then(() => completed++);
        asked = all.length;
        await Promise.all(all);
        // Several completions may be read at once; the interrupts before them are on their way.
        while (heard < 20 * 50) await domain.sleep(us(50));
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(3));
      const report = await rig.run(async () => {
        if (paused.kind === 'failed') throw new Error(paused.reason);
        for (let round = 0; round < 6; round++) {
          await rig.after(us(5 + 40 * round));
          if (paused.value.state !== 'running') break;
          rig.hypervisor.pauseDomain(paused.value);
          const before = [heard, completed];
          await until(rig, () => rig.hypervisor.occupancy()[0]?.owner !== 'paused/gpu0');
          // Submitted while paused: it wakes nobody before the pause ends.
          void gpu?.submit({ op: 11, args: [1, 5] }).then(() => completed++);
          asked++;
          await rig.after(us(500));
          expect([heard, completed]).toEqual(before);
          rig.hypervisor.unpauseDomain(paused.value);
        }
      });
      expect(stateOf(report, 'paused')).toBe('finished');
      expect(stateOf(report, 'streams')).toBe('finished');
      const { commands } = vcoprocOf(report, 'paused/gpu0');
      expect(commands.ok + commands.cancelled).toBe(asked);
      expect(heard).toBeGreaterThanOrEqual(20 * 50);
    });
  });

  it('ends before a denied switch is asked for again, and no completion is lost', async () => {
    await withRig(kind, {}, async (rig) => {
      const steps = kind === 'simulated' ? 5000 : 300_000;
      const denier = await rig.domain('denier', { gpu0: 'spin' }, async (domain) => {
        expect((await domain.coproc('gpu0').submit({ op: 5, args: [400_000, steps] })).status).toBe('ok');
      });
      const report = await rig.run(async () => {
        if (denier.kind === 'failed') throw new Error(denier.reason);
        await until(rig, () => rig.hypervisor.occupancy()[0]?.state === 'running');
        await rig.after(us(kind === 'simulated' ? 40 : 3000));
        rig.hypervisor.pauseDomain(denier.value);
        await rig.after(us(kind === 'simulated' ? 100 : 3000));
        rig.hypervisor.unpauseDomain(denier.value);
      });
      expect(stateOf(report, 'denier')).toBe('finished');
    });
  });

  it('ends with the register window mapped again, even when the context never left', async () => {
    await withRig(kind, { firmware: holder }, async (rig) => {
      let gpu: GuestCoproc | undefined;
      const denier = await rig.domain('denier', { gpu0: 'denier' }, async (domain) => {
        gpu = domain.coproc('gpu0');
        expect((await gpu.submit({ op: 1 })).status).toBe('ok');
      });
      const report = await rig.run(async () => {
        if (denier.kind === 'failed') throw new Error(denier.reason);
        // Only a command that is under way is asked whether it may leave.
        await until(rig, () => (gpu?.registers.read(GPU.tiles) ?? 0) > 0);
        rig.hypervisor.pauseDomain(denier.value);
        await until(rig, () => rig.trace.some((event) => event.kind === 'denied'));
        rig.hypervisor.unpauseDomain(denier.value);
        // Without the window this write would wait for a switch that never comes.
        gpu?.registers.write(GPU.scratch, 1);
      });
      expect(stateOf(report, 'denier')).toBe('finished');
      expect(report.coprocs[0]?.resets).toBe(0);
    });
  });
});

describe.each(RUNTIMES)('a masked interrupt line, %s', (kind) => {
  it.each(['mapped', 'away'])('is pending until it is unmasked, while its context is %s', async (where) => {
    await withRig(kind, {}, async (rig) => {
      let heard: number[] = [];
      await rig.domain('masks', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        gpu.onInterrupt((number) => heard.push(number));
        gpu.registers.write(GPU.interruptMask, 1 << 7);
        await gpu.submit({ op: 9, args: [7] });
        await gpu.submit({ op: 9, args: [8] });
        expect(heard).toEqual([8]);
        if (where === 'away') {
          await domain.sleep(us(1));
          while (rig.hypervisor.occupancy()[0]?.owner === 'masks/gpu0') await domain.sleep(us(20));
          expect(heard).toEqual([8]);
        }
        gpu.registers.write(GPU.interruptMask, 0);
        while (heard.length < 2) await domain.sleep(us(20));
        expect(heard).toEqual([8, 7]);
        heard = [];
      });
      if (where === 'away')
        await rig.domain('streams', { gpu0: 'stream' }, async (domain) => {
          await domain.sleep(us(100));
          domain.coproc('gpu0').onInterrupt(() => {
            throw new Error('an interrupt of a stranger');
          });
          await streaming(3)(domain);
        });
      const report = await rig.run();
      expect(report.domains.every(({ reason }) => reason === null)).toBe(true);
      expect(vcoprocOf(report, 'masks/gpu0').interrupts).toMatchObject({ pending: 0, dropped: 0 });
    });
  });
});
