import { describe, expect, it } from 'vitest';
import { between, kib, mib, ms, us, type Duration } from '../../src/base/units.ts';
import type { CoprocDescription } from '../../src/contract/system.ts';
import type { RunReport } from '../../src/contract/report.ts';
import type { SchedulerSettings, Settled } from '../../src/contract/scheduler.ts';
import { schedulers } from '../../src/schedulers/index.ts';
import { BUSY, UNTIL_TOLD, TELL, firmwareText, ownFirmware } from '../hostile/support.ts';
import { RUNTIMES, coproc, withRig, type Main, type Rig } from '../rig.ts';

// The scheduling cases of the Intel GPU tests, by their names there, and shares in runs with real firmware.
// Tolerances on threads are those of a machine that does other things, too.

const firmware = ownFirmware({
  spinner: firmwareText({ step: BUSY }),
  told: firmwareText({ step: UNTIL_TOLD }),
});

const with_ = (name: string, timeslice: Duration, more: Partial<CoprocDescription> = {}): CoprocDescription =>
  coproc('gpu0', { scheduler: { name, parameters: {} }, timeslice, ...more });

/** One command that never ends. */
const spin: Main = async (domain) => void (await domain.coproc('gpu0').submit({ op: 1 }));

/** Runs what was created for a length of time, and ends it. */
const runFor = (rig: Rig, length: Duration): Promise<RunReport> =>
  rig.run(async () => {
    await rig.after(length);
    for (const domain of rig.domains) await rig.hypervisor.destroyDomain(domain);
  });

const timeOf = (report: RunReport, domain: string): number =>
  report.vcoprocs.find((vcoproc) => vcoproc.domain === domain)!.time;

describe.each(RUNTIMES)('scheduling, %s', (kind) => {
  const simulated = kind === 'simulated';

  it.each(['priority', 'edf'])('preempt: %s completes an urgent domain while another spins', async (name) => {
    await withRig(kind, { firmware, coprocs: [with_(name, ms(50))] }, async (rig) => {
      const edf = name === 'edf';
      // Room for a denial at its longest: the stop deadline that the coprocessor enforces.
      const low = edf ? { period: 2_000_000, budget: 1_000_000 } : { priority: 1 };
      const high = edf ? { period: 900_000, budget: 10_000 } : { priority: 30 };
      const created = await rig.domain('low', { gpu0: 'spinner' }, spin, { parameters: low });
      expect(created.kind).toBe('ok');
      let done = 0;
      await rig.domain(
        'high',
        { gpu0: 'noop' },
        async (domain) => {
          for (let n = 0; n < 10; n++) {
            await domain.sleep(ms(2));
            const { status } = await domain.coproc('gpu0').submit({ op: 1 });
            if (status === 'ok') done++;
          }
          await rig.hypervisor.destroyDomain(rig.domains[0]!);
        },
        { parameters: high },
      );
      const report = await rig.run();
      expect(done).toBe(10);
      const { wait } = report.vcoprocs.find(({ domain }) => domain === 'high')!;
      // Not one of them waited for a slice to end.
      if (simulated) expect(wait.max).toBeLessThan(ms(1));
      expect(timeOf(report, 'low')).toBeGreaterThan(0);
    });
  });

  it('preemptive-hang: an urgent domain completes although another never returns from a step', async () => {
    await withRig(kind, { coprocs: [with_('priority', ms(5), { stopDeadline: ms(50) })] }, async (rig) => {
      await rig.domain('hung', { gpu0: 'spin' }, spin, { parameters: { priority: 1 } });
      let done = 0;
      await rig.domain(
        'high',
        { gpu0: 'noop' },
        async (domain) => {
          await domain.sleep(ms(1));
          for (let n = 0; n < 5; n++)
            if ((await domain.coproc('gpu0').submit({ op: 1 })).status === 'ok') done++;
        },
        { parameters: { priority: 30 } },
      );
      const report = await rig.run();
      expect(done).toBe(5);
      expect(report.vcoprocs.find(({ domain }) => domain === 'hung')!.state).toBe('gone');
      expect(report.coprocs[0]!.resets).toBe(1);
    });
  });

  it.each(simulated ? ['round-robin', 'credit', 'fair', 'best-effort', 'equal-share', 'priority'] : ['fair'])(
    'fairslice: %s gives three equal spinners equal time',
    async (name) => {
      const slice = ms(simulated ? 2 : 5);
      await withRig(kind, { firmware, coprocs: [with_(name, slice)] }, async (rig) => {
        for (const domain of ['a', 'b', 'c']) await rig.domain(domain, { gpu0: 'spinner' }, spin);
        const report = await runFor(rig, ms(simulated ? 120 : 400));
        const times = report.vcoprocs.map(({ time }) => time);
        const slices = Math.max(...report.vcoprocs.map((vcoproc) => vcoproc.slices));
        const threshold = 2 * slice * Math.sqrt(slices);
        expect(Math.max(...times) - Math.min(...times)).toBeLessThan(2 * threshold);
        if (simulated) expect(Math.max(...times) - Math.min(...times)).toBeLessThan(2 * slice);
      });
    },
  );

  it('timeslice: two that never end take turns', async () => {
    await withRig(kind, { firmware, coprocs: [with_('round-robin', ms(1))] }, async (rig) => {
      for (const domain of ['a', 'b']) await rig.domain(domain, { gpu0: 'spinner' }, spin);
      const report = await runFor(rig, ms(60));
      for (const { slices } of report.vcoprocs) expect(slices).toBeGreaterThan(simulated ? 25 : 3);
    });
  });

  // On threads the operating system has a say in how long a slice is.
  it.runIf(simulated)('timeslice: one whose end is told ahead is not shorter for it', async () => {
    const shares: (readonly number[])[] = [];
    for (const lead of [us(0), us(20)]) {
      await withRig(kind, { firmware, lead, coprocs: [with_('round-robin', ms(1))] }, async (rig) => {
        for (const domain of ['a', 'b']) await rig.domain(domain, { gpu0: 'spinner' }, spin);
        const { vcoprocs } = await runFor(rig, ms(60));
        // Whoever stays does not leave before its time, nor when the decision was late.
        for (const { time, slices } of vcoprocs)
          expect(Math.abs(time - slices * ms(1))).toBeLessThan(ms(1.1));
        shares.push(vcoprocs.map(({ slices }) => slices));
      });
    }
    expect(shares[1]).toEqual(shares[0]);
  });

  it.each(simulated ? ['round-robin', 'priority', 'credit'] : ['priority'])(
    'fifo: %s serves equals as they come',
    async (name) => {
      await withRig(kind, { firmware, coprocs: [with_(name, ms(5))] }, async (rig) => {
        const order: string[] = [];
        await rig.domain('first', { gpu0: 'told' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          const done = gpu.submit({ op: 1 });
          await domain.sleep(ms(4));
          gpu.registers.write(TELL, 1);
          await done;
        });
        for (const [at, one] of ['b', 'a', 'c'].entries()) {
          await rig.domain(one, { gpu0: 'noop' }, async (domain) => {
            await domain.sleep(ms(0.5 + at * 0.5));
            await domain.coproc('gpu0').submit({ op: 1 });
            order.push(one);
          });
        }
        await rig.run();
        if (simulated) expect(order).toEqual(['b', 'a', 'c']);
        else expect(order.toSorted()).toEqual(['a', 'b', 'c']);
      });
    },
  );

  it('independent: a spinner on one coprocessor costs nothing on another', async () => {
    const coprocs = [coproc('gpu0'), coproc('gpu1')];
    await withRig(kind, { firmware, coprocs }, async (rig) => {
      await rig.domain('spinner', { gpu0: 'spinner' }, spin);
      await rig.domain('other', { gpu1: 'noop' }, async (domain) => {
        for (let n = 0; n < 20; n++) await domain.coproc('gpu1').submit({ op: 1 });
        await rig.hypervisor.destroyDomain(rig.domains[0]!);
      });
      const report = await rig.run();
      const { wait, commands } = report.vcoprocs.find(({ domain }) => domain === 'other')!;
      expect(commands.ok).toBe(20);
      if (simulated) expect(wait.max).toBeLessThan(ms(0.2));
    });
  });

  it('equal-throughput: equal domains complete as much over the same time', async () => {
    await withRig(kind, { coprocs: [with_('fair', ms(1))] }, async (rig) => {
      for (const name of ['a', 'b', 'c', 'd']) {
        await rig.domain(name, { gpu0: 'stream' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          const iova = gpu.map(domain.memory.allocate(1 << 16), 'read');
          while ((await gpu.submit({ op: 1, args: [iova, 8192] })).status === 'ok');
        });
      }
      const report = await runFor(rig, ms(simulated ? 100 : 300));
      const done = report.vcoprocs.map(({ commands }) => commands.ok);
      const spread = (Math.max(...done) - Math.min(...done)) / Math.max(...done);
      expect(spread).toBeLessThan(simulated ? 0.1 : 0.4);
    });
  });

  it.each(simulated ? ['credit', 'fair'] : ['credit'])(
    '%s: weights 1:2:4:8 are shares of the time',
    async (name) => {
      // A slow clock: a step takes a tenth of a millisecond, and two seconds are soon over.
      const slow = with_(name, ms(5), { clock: 80_000_000, localMemory: mib(1) });
      await withRig(kind, { firmware, coprocs: [slow] }, async (rig) => {
        for (const weight of [1, 2, 4, 8]) {
          const parameters = { weight: 256 * weight };
          await rig.domain(`w${weight}`, { gpu0: 'spinner' }, spin, { parameters });
        }
        const report = await runFor(rig, ms(simulated ? 2000 : 900));
        const all = report.vcoprocs.reduce((total, { time }) => total + time, 0);
        for (const weight of [1, 2, 4, 8]) {
          const share = timeOf(report, `w${weight}`) / all;
          expect(Math.abs(share - weight / 15)).toBeLessThan(simulated ? 0.01 : 0.06);
        }
      });
    },
  );

  it('credit: a cap leaves the coprocessor idle, and the domain waiting', async () => {
    await withRig(kind, { firmware, coprocs: [with_('credit', ms(1))] }, async (rig) => {
      await rig.domain('capped', { gpu0: 'spinner' }, spin, { parameters: { cap: 25 } });
      const report = await runFor(rig, ms(150));
      const { wall, idle } = report.coprocs[0]!;
      const part = timeOf(report, 'capped') / wall;
      // A busy machine may give a thread less than the cap, never more.
      expect(part).toBeGreaterThan(simulated ? 0.23 : 0);
      expect(part).toBeLessThan(simulated ? 0.27 : 0.5);
      expect(idle / wall).toBeGreaterThan(0.5);
    });
  });

  it("arinc653: a window is its owner's alone", async () => {
    const table = coproc('gpu0', {
      scheduler: { name: 'arinc653', parameters: { 'major-frame-us': 20_000 } },
    });
    await withRig(kind, { firmware, coprocs: [table] }, async (rig) => {
      await rig.domain('a', { gpu0: 'spinner' }, spin, { parameters: { windows: '0:8000' } });
      await rig.domain('b', { gpu0: 'spinner' }, spin, { parameters: { windows: '10000:4000' } });
      const report = await runFor(rig, ms(200));
      const { wall } = report.coprocs[0]!;
      // Each window is shorter by one switch of the whole local memory, and a busy machine gives less.
      for (const [name, part] of [
        ['a', 0.4],
        ['b', 0.2],
      ] as const) {
        expect(timeOf(report, name) / wall).toBeGreaterThan(simulated ? part - 0.04 : 0);
        expect(timeOf(report, name) / wall).toBeLessThan(simulated ? part : part + 0.3);
      }
    });
  });
});

describe('admission', () => {
  it('refuses a domain whose parameters its scheduler does not take, with the reason', async () => {
    await withRig('simulated', { coprocs: [with_('credit', ms(1))] }, async (rig) => {
      const created = await rig.domain('a', { gpu0: 'noop' }, spin, { parameters: { weigth: 3 } });
      expect(created).toEqual({
        kind: 'failed',
        reason:
          'domain a: gpu0 does not take a/gpu0: credit has no parameter weigth: expected one of weight, cap; did you mean weight?',
      });
    });
  });
});

it('who is asked to leave pays for what it takes to be quiet, and not who comes', async () => {
  const settled: Settled[] = [];
  const recording = Object.fromEntries(
    Object.entries(schedulers).map(([name, { create }]) => [
      name,
      {
        create: (settings: SchedulerSettings) => {
          const scheduler = create(settings);
          if ('kind' in scheduler) return scheduler;
          const settle = (report: Settled): void => (settled.push(report), scheduler.settle(report));
          return { ...scheduler, settle };
        },
      },
    ]),
  );
  // A step takes 1.4 ms at this clock, many slices.
  const gpu0 = with_('equal-share', us(50), { clock: 100_000_000, localMemory: kib(64) });
  await withRig('simulated', { coprocs: [gpu0], schedulers: recording }, async (rig) => {
    const waits: number[] = [];
    await rig.domain('slow', { gpu0: 'pattern' }, async (domain) => {
      for (let seed = 1; seed <= 8; seed++) await domain.coproc('gpu0').submit({ op: 1, args: [seed] });
    });
    await rig.domain('quick', { gpu0: 'noop' }, async (domain) => {
      for (let word = 0; word < 8; word++) {
        const begun = rig.runtime.timeline.now();
        await domain.coproc('gpu0').submit({ op: 1, args: [word] });
        waits.push(between(begun, rig.runtime.timeline.now()));
      }
    });
    await rig.run();
    const of = (name: string): Settled[] => settled.filter(({ vcoproc }) => vcoproc === `${name}/gpu0`);
    expect(Math.max(...of('quick').map(({ switching }) => switching))).toBeLessThan(us(100));
    expect(Math.max(...of('slow').map(({ overrun }) => overrun))).toBeGreaterThan(ms(1));
    for (const { ran, overrun } of settled) expect(overrun).toBeLessThanOrEqual(ran);
    // Two steps, the one that it came in and the one that was being drained.
    expect(Math.max(...waits)).toBeLessThan(ms(5));
  });
});
