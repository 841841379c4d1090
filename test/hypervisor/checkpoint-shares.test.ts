import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { instant, ms } from '../../src/base/units.ts';
import type { GuestDomain } from '../../src/contract/guest.ts';
import type { SchedulerParameters } from '../../src/contract/scheduler.ts';
import type { CoprocDescription } from '../../src/contract/system.ts';
import { resumedCoproc, type SavedSystem } from '../../src/hypervisor/saved.ts';
import { schedulers } from '../../src/schedulers/index.ts';
import { packPlain, unpackPlain } from '../../src/toolstack/control/frame.ts';
import { coproc, withRig, type Rig } from '../rig.ts';

const COUNT = 4;
const COUNT_AND_DENY = 5;
const SLICE = ms(2.5);
/** About a fifth of a slice, and seven of them. */
const SHORT = 4;
const LONG = 140;

/** Always busy, the domain `c` with commands that keep the coprocessor long after their slice. */
async function worker(domain: GuestDomain): Promise<void> {
  const gpu = domain.coproc('gpu0');
  const state = (domain.resumed as { done: number } | undefined) ?? { done: 0 };
  domain.onCheckpoint(() => state);
  const lane = async (open?: Promise<unknown>): Promise<void> => {
    for (await open; ; state.done++) {
      const { status } = await gpu.submit(
        domain.name === ('c' as never)
          ? { op: COUNT_AND_DENY, args: [50, LONG] }
          : { op: COUNT, args: [SHORT] },
      );
      if (status !== 'ok') return;
    }
  };
  const [a, b] = gpu.outstanding().map(({ completion }) => completion);
  await Promise.all([lane(a), lane(b)]);
}

const TRIED: Readonly<
  Record<keyof typeof schedulers, { own?: SchedulerParameters; told?: (at: number) => SchedulerParameters }>
> = {
  'round-robin': {},
  credit: { told: (at) => ({ weight: 256 << at, cap: [0, 30, 0][at]! }) },
  fair: { told: (at) => ({ weight: 256 << at }) },
  'fixed-share': { own: { slots: 6 }, told: (at) => ({ slots: at + 1 }) },
  'equal-share': {},
  'best-effort': {},
  priority: { own: { 'ageing-us': 10_000 }, told: (at) => ({ priority: at }) },
  edf: { own: { 'denial-us': 25_000 }, told: () => ({ period: 100_000, budget: 15_000 }) },
  arinc653: { own: { 'major-frame-us': 30_000 }, told: (at) => ({ windows: `${10_000 * at}:8000` }) },
  dedicated: {},
};
const names = Object.keys(schedulers) as (keyof typeof schedulers)[];

/** A whole run of a system that is left alone, or is saved, ends and is resumed again and again. */
async function run(
  name: keyof typeof schedulers,
  way: 'undisturbed' | 'resumed',
  past: (saved: unknown) => unknown = (saved) => saved,
): Promise<{ shares: number[]; saved: number }> {
  const { own = {}, told = () => ({}) } = TRIED[name];
  const domains = name === 'dedicated' ? ['a'] : ['a', 'b', 'c'];
  let description: CoprocDescription = coproc('gpu0', {
    scheduler: { name, parameters: own },
    timeslice: SLICE,
    stopDeadline: ms(60),
    // Slow, so that a long run has few steps.
    clock: 8_000_000,
  });
  let before: SavedSystem | undefined;
  let count = 0;
  const random = seededRandom(3);
  const save = async (rig: Rig): Promise<void> => {
    const outcome = await rig.hypervisor.save(false);
    if (outcome.kind === 'failed') throw new Error(outcome.reason);
    count++;
    const saved = unpackPlain(packPlain(outcome.value)) as SavedSystem;
    before = { ...saved, coprocs: saved.coprocs.map((one) => ({ ...one, past: past(one.past) })) };
  };
  for (;;) {
    if (before !== undefined) description = resumedCoproc(description, before.coprocs[0]!);
    const start = instant(before?.at ?? 0);
    const piece = { coprocs: [description], start };
    const figures = await withRig('simulated', piece, async (rig) => {
      if (before !== undefined) expect(rig.hypervisor.restore(before)).toMatchObject({ kind: 'ok' });
      for (const [at, domain] of domains.entries()) {
        const saved = before?.domains[at];
        const settings = saved === undefined ? { parameters: told(at) } : { saved };
        expect(await rig.domain(domain, { gpu0: 'spin' }, worker, settings)).toMatchObject({ kind: 'ok' });
      }
      return rig.run(async () => {
        await rig.after(way === 'undisturbed' ? LENGTH : ms(100 + random.below(100)));
        if (way === 'resumed') await save(rig);
        for (const domain of rig.domains) await rig.hypervisor.destroyDomain(domain);
      });
    });
    if (figures.wall < LENGTH) continue;
    const all = figures.vcoprocs.reduce((total, { time }) => total + time, 0);
    return { shares: figures.vcoprocs.map(({ time }) => time / all), saved: count };
  }
}

const LENGTH = ms(4000);
/** Who comes back from a pause comes last where there are turns; by shares, it comes where it was. */
const TOLERANCE: Readonly<Record<string, number>> = {
  'round-robin': 0.02,
  priority: 0.02,
  // One command more is a hundredth of all.
  edf: 0.01,
};

const farthest = (some: readonly number[], others: readonly number[]): number =>
  Math.max(...some.map((share, at) => Math.abs(share - others[at]!)));

describe('over a long run with many checkpoints in it', () => {
  it.each(names)('%s gives the shares that it gives without', { timeout: 60_000 }, async (name) => {
    const undisturbed = await run(name, 'undisturbed');
    const resumed = await run(name, 'resumed');
    expect(resumed.saved).toBeGreaterThan(20);
    expect(farthest(resumed.shares, undisturbed.shares)).toBeLessThan(TOLERANCE[name] ?? 0.003);
  });

  it('edf would not, if it forgave who kept the coprocessor for longer than its budget', async () => {
    const undisturbed = await run('edf', 'undisturbed');
    const forgiven = await run('edf', 'resumed', () => null);
    expect(forgiven.shares[2]! - undisturbed.shares[2]!).toBeGreaterThan(0.01);
  });
});
