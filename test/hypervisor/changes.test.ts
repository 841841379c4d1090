import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { ms, us } from '../../src/base/units.ts';
import { coprocId, vcoprocId } from '../../src/contract/names.ts';
import type { SchedulerParameters } from '../../src/contract/scheduler.ts';
import type { Domain } from '../../src/hypervisor/domain.ts';
import { coproc, withRig, type Main, type Rig } from '../rig.ts';

const GPU0 = coprocId('gpu0');
const NAMES = ['red', 'green', 'blue'];
/** The spin firmware's operation that takes so many steps. */
const COUNT = 4;

interface Load {
  readonly domains: Domain[];
  readonly statuses: Map<string, number>;
  stop: () => void;
}

/** Three domains that always have work, in commands of different lengths. */
async function busy(rig: Rig): Promise<Load> {
  let on = true;
  const statuses = new Map<string, number>();
  const main =
    (steps: number): Main =>
    async (domain) => {
      const gpu = domain.coproc('gpu0');
      const one = async (): Promise<void> => {
        while (on) {
          const { status } = await gpu.submit({ op: COUNT, args: [steps] });
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      };
      // Two at a time: there is work while the guest hears of the one before.
      await Promise.all([one(), one()]);
    };
  for (const [n, name] of NAMES.entries()) {
    const created = await rig.domain(name, { gpu0: 'spin' }, main(400 * (n + 1) ** 2));
    if (created.kind === 'failed') throw new Error(created.reason);
  }
  return { domains: rig.domains, statuses, stop: () => (on = false) };
}

/** Algorithms with what they are told of each of three domains. */
const ALGORITHMS: readonly (readonly [string, SchedulerParameters, readonly SchedulerParameters[]])[] = [
  ['round-robin', {}, [{}, {}, {}]],
  ['credit', {}, [{ weight: 256 }, { weight: 512, cap: 30 }, { weight: 1024 }]],
  ['fair', {}, [{ weight: 100 }, { weight: 200 }, { weight: 400 }]],
  ['best-effort', {}, [{}, {}, {}]],
  ['equal-share', {}, [{}, {}, {}]],
  ['priority', {}, [{}, {}, {}]],
  ['dedicated', {}, [{}, {}, {}]],
  [
    'edf',
    {},
    [
      { period: 50_000, budget: 3000 },
      { period: 60_000, budget: 3000 },
      { period: 80_000, budget: 3000 },
    ],
  ],
];

describe('scheduling that changes under load', () => {
  it('loses no command and breaks no law, 200 times at random moments', async () => {
    const coprocs = [
      coproc('gpu0', { localMemory: 65536 as never, clock: 40_000_000, stopDeadline: ms(20) }),
    ];
    await withRig('simulated', { coprocs }, async (rig) => {
      const { domains, statuses, stop } = await busy(rig);
      const random = seededRandom(7);
      const of = <T>(all: readonly T[]): T => all[random.below(all.length)]!;
      const seen = new Set<string>();
      let refused = 0;
      const report = await rig.run(async () => {
        for (let change = 0; change < 200; change++) {
          await rig.after(us(1 + random.below(3000)));
          const before = rig.report().coprocs[0]!.scheduler;
          const [algorithm, parameters, told] = of(ALGORITHMS);
          const domain = of(domains);
          const kind = random.below(4);
          if (kind === 0) rig.hypervisor.schedule(GPU0, { timeslice: us(100 + random.below(2000)) });
          else if (kind === 1)
            rig.hypervisor.scheduleDomain(GPU0, domain, { weight: 1 + random.below(1000) });
          else if (kind === 2) {
            rig.hypervisor.pauseDomain(domain);
            await rig.after(us(random.below(2000)));
            rig.hypervisor.unpauseDomain(domain);
          } else {
            const vcoprocs = new Map(NAMES.map((name, n) => [vcoprocId(name as never, GPU0), told[n]!]));
            const changed = rig.hypervisor.schedule(GPU0, { algorithm, parameters, vcoprocs });
            if (changed.kind === 'failed') refused++;
            expect(rig.report().coprocs[0]!.scheduler).toBe(changed.kind === 'ok' ? algorithm : before);
            seen.add(rig.report().coprocs[0]!.scheduler);
          }
        }
        stop();
      });
      // Three domains are more than `dedicated` takes: nothing was changed then.
      expect(refused).toBeGreaterThan(0);
      expect([...seen].sort()).toEqual(
        ALGORITHMS.map(([name]) => name)
          .filter((name) => name !== 'dedicated')
          .sort(),
      );
      expect([...statuses.keys()]).toEqual(['ok']);
      expect(report.coprocs[0]?.resets).toBe(0);
      for (const { commands } of report.vcoprocs) expect(commands.ok).toBe(commands.submitted);
    });
  });

  it('makes shares follow: of whatever algorithm, to weights of 1:2:4', async () => {
    const coprocs = [coproc('gpu0', { localMemory: 65536 as never, clock: 40_000_000 })];
    await withRig('simulated', { coprocs }, async (rig) => {
      const { stop } = await busy(rig);
      const times = (): number[] => rig.report().vcoprocs.map(({ time }) => time);
      await rig.run(async () => {
        for (const [from] of ALGORITHMS.slice(3, 5))
          for (const to of ['credit', 'fair']) {
            expect(rig.hypervisor.schedule(GPU0, { algorithm: from })).toMatchObject({ kind: 'ok' });
            await rig.after(ms(10));
            const vcoprocs = new Map(
              NAMES.map((name, n) => [vcoprocId(name as never, GPU0), { weight: 100 * 2 ** n }]),
            );
            expect(rig.hypervisor.schedule(GPU0, { algorithm: to, vcoprocs })).toMatchObject({ kind: 'ok' });
            const before = times();
            await rig.after(ms(210));
            const ran = times().map((time, n) => time - before[n]!);
            const all = ran.reduce((sum, time) => sum + time, 0);
            const shares = ran.map((time) => (700 * time) / all);
            for (const [n, share] of shares.entries())
              expect([from, to, n, Math.abs(share - 100 * 2 ** n) < 15 ? 'kept' : share]).toEqual([
                from,
                to,
                n,
                'kept',
              ]);
          }
        stop();
      });
    });
  });
});

describe('a coprocessor whose algorithm changes', () => {
  it('while a vcoproc comes knows it, and while one leaves forgets it', async () => {
    await withRig('simulated', {}, async (rig) => {
      const { domains, statuses, stop } = await busy(rig);
      await rig.run(async () => {
        const algorithms = ['fair', 'round-robin', 'credit', 'best-effort'];
        for (let turn = 0; turn < 20; turn++) {
          const algorithm = algorithms[turn % algorithms.length]!;
          const comes = rig.domain('guest', { gpu0: 'spin' }, (domain) =>
            domain
              .coproc('gpu0')
              .submit({ op: COUNT, args: [1 << 30] })
              .then(() => undefined),
          );
          expect(rig.hypervisor.schedule(GPU0, { algorithm })).toMatchObject({ kind: 'ok' });
          const guest = await comes;
          if (guest.kind === 'failed') throw new Error(guest.reason);
          const over = rig.hypervisor.runDomain(guest.value);
          // It gets its turn: the new algorithm knows it. It is there: it has to leave before it is gone.
          for (let look = 0; rig.hypervisor.occupancy()[0]?.owner !== 'guest/gpu0'; look++) {
            expect(look, 'looks until the guest has the coprocessor').toBeLessThan(2000);
            await rig.after(us(20 + turn));
          }
          const left = rig.hypervisor.destroyDomain(guest.value);
          expect(rig.hypervisor.schedule(GPU0, { algorithm: 'credit' })).toMatchObject({ kind: 'ok' });
          await Promise.all([left, over]);
          rig.hypervisor.forget(guest.value);
          // Long enough for whoever is not there any more to be chosen.
          await rig.after(ms(5));
        }
        stop();
        expect(domains.slice(0, 3).map(({ state }) => state)).toEqual(['running', 'running', 'running']);
      });
      expect([...statuses.keys()]).toEqual(['ok']);
    });
  });
});

describe('a stop deadline that changes', () => {
  it('reaches the scheduler: what it promised counts, and what cannot be kept is refused', async () => {
    const stopDeadline = ms(1);
    const scheduler = { name: 'edf', parameters: {} };
    const coprocs = [coproc('gpu0', { scheduler, stopDeadline, localMemory: 65536 as never })];
    await withRig('simulated', { coprocs }, async (rig) => {
      const { hypervisor } = rig;
      const statuses = new Set<string>();
      let on = true;
      const comes = (name: string, budget: number) =>
        rig.domain(
          name,
          { gpu0: 'spin' },
          async (domain) => {
            const gpu = domain.coproc('gpu0');
            while (on) statuses.add((await gpu.submit({ op: COUNT, args: [2000] })).status);
          },
          { parameters: { period: 20_000, budget } },
        );
      for (const name of ['red', 'green']) expect(await comes(name, 8000)).toMatchObject({ kind: 'ok' });
      await rig.run(async () => {
        await rig.after(ms(5));
        const before = hypervisor.watchdogs(GPU0);
        // Half of each period may be gone, and four fifths are promised.
        expect(hypervisor.watch(GPU0, { stopDeadline: ms(10) })).toEqual({
          kind: 'failed',
          reason: expect.stringMatching(
            /^edf does not take green\/gpu0: edf cannot keep it: [^\n]*10\.0 ms more, which is 130.* %$/,
          ),
        });
        expect(hypervisor.watchdogs(GPU0)).toEqual(before);
        expect((await comes('blue', 3200)).kind).toBe('failed');
        expect(hypervisor.watch(GPU0, { stopDeadline: us(100) })).toEqual({ kind: 'ok', value: undefined });
        const blue = await comes('blue', 3200);
        if (blue.kind === 'failed') throw new Error(blue.reason);
        const over = hypervisor.runDomain(blue.value);
        expect(hypervisor.watch(GPU0, { stopDeadline }).kind).toBe('failed');
        // Other parameters of the same algorithm do not bring the old one back.
        expect(hypervisor.schedule(GPU0, { algorithm: 'edf' })).toMatchObject({ kind: 'ok' });
        expect(hypervisor.watchdogs(GPU0)).toEqual({ ...before, stopDeadline: us(100) });
        on = false;
        await over;
      });
      expect([...statuses]).toEqual(['ok']);
    });
  });
});

describe('domains that begin and end at once', () => {
  it('leave nothing behind: destroyed while created, attached twice, detached twice', async () => {
    await withRig('simulated', { coprocs: [coproc('gpu0'), coproc('gpu1')] }, async (rig) => {
      const { hypervisor } = rig;
      await rig.runtime.drive(
        (async () => {
          const idle: Main = (domain) => domain.sleep(ms(1000));
          const comes = rig.domain('a', { gpu0: 'spin', gpu1: 'spin' }, idle);
          const unborn = hypervisor.domain('a');
          if (unborn !== undefined) await hypervisor.destroyDomain(unborn);
          expect(await comes).toMatchObject({ kind: 'failed', reason: 'domain a is destroyed since' });
          expect(rig.report().vcoprocs).toEqual([]);
          expect(rig.report().domains).toEqual([]);

          const again = await rig.domain('a', { gpu0: 'spin' }, idle);
          if (again.kind === 'failed') throw new Error(again.reason);
          const over = hypervisor.runDomain(again.value);
          const twice = await Promise.all(
            [1, 2].map(() => hypervisor.attach(again.value, coprocId('gpu1'), 'spin', {})),
          );
          expect(twice.map(({ kind }) => kind).sort()).toEqual(['failed', 'ok']);
          await Promise.all([1, 2].map(() => hypervisor.detach(again.value, coprocId('gpu1'))));
          expect(again.value.vcoprocs.map(({ id }) => id)).toEqual(['gpu0']);
          await hypervisor.destroyDomain(again.value);
          await over;
          hypervisor.forget(again.value);
          expect(rig.report().vcoprocs).toEqual([]);
          expect(rig.report().domains).toEqual([]);
        })(),
      );
    });
  });

  it('give their name on when all of it is gone', async () => {
    await withRig('simulated', { coprocs: [coproc('gpu0'), coproc('gpu1')] }, async (rig) => {
      const { hypervisor } = rig;
      const statuses = new Set<string>();
      const spins =
        (steps: number): Main =>
        async (domain) => {
          const both = ['gpu0', 'gpu1'].map((id) => domain.coproc(id).submit({ op: COUNT, args: [steps] }));
          for (const { status } of await Promise.all(both)) statuses.add(`${steps} ${status}`);
        };
      await rig.runtime.drive(
        (async () => {
          for (let turn = 0; turn < 20; turn++) {
            const first = await rig.domain('a', { gpu0: 'spin', gpu1: 'spin' }, spins(1 << 30));
            if (first.kind === 'failed') throw new Error(first.reason);
            const over = hypervisor.runDomain(first.value);
            await rig.after(us(50 * turn));
            const gone = hypervisor.destroyDomain(first.value);
            const second = await rig.domain('a', { gpu0: 'spin', gpu1: 'spin' }, spins(100));
            if (second.kind === 'failed') throw new Error(second.reason);
            await Promise.all([gone, over, hypervisor.runDomain(second.value)]);
            expect(second.value.state).toBe('finished');
            await hypervisor.destroyDomain(second.value);
          }
        })(),
      );
      expect([...statuses].sort()).toEqual([`100 ok`, `${1 << 30} cancelled`]);
    });
  });
});
