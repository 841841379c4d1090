import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import { vcoprocId, domainId, coprocId } from '../../src/contract/names.ts';
import type { Scheduler, SchedulerFactory } from '../../src/contract/scheduler.ts';
import { contained } from '../../src/schedulers/contained.ts';
import { schedulers } from '../../src/schedulers/index.ts';
import { RUNTIMES, coproc, withRig } from '../rig.ts';
import { schedulerConformance } from './conformance.ts';
import { Simulation, busy, made, pulsed } from './simulation.ts';

/** What can go wrong in a scheduler of a user's own, at its `at`-th call of any of these functions. */
const CALLS = ['pick', 'settle', 'wake', 'sleep', 'remove', 'retime', 'bound'] as const;

const A = vcoprocId(domainId('a'), coprocId('gpu0'));
const RUBBISH: readonly unknown[] = [
  undefined,
  null,
  7,
  'run',
  {},
  { kind: 'maybe' },
  { kind: 'run' },
  { kind: 'run', vcoproc: 'nobody/gpu0', slice: 1000 },
  { kind: 'run', vcoproc: A, slice: NaN },
  { kind: 'run', vcoproc: A, slice: 0 },
  { kind: 'run', vcoproc: A, slice: -5 },
  { kind: 'run', vcoproc: A, slice: '9' },
  { kind: 'run', vcoproc: A, slice: Infinity },
  { kind: 'idle' },
  { kind: 'idle', until: NaN },
  Promise.resolve({ kind: 'idle' }),
];

/** A fair scheduler that fails once, at its `at`-th call of `what`, and for ever after. */
function failing(what: (typeof CALLS)[number], at: number, how: () => unknown): SchedulerFactory {
  return (settings) => {
    const inner = made(schedulers.fair.create, settings);
    let calls = 0;
    const fails = (...args: unknown[]): unknown =>
      ++calls >= at ? how() : (inner[what] as (...args: unknown[]) => unknown).apply(inner, args);
    return contained({ ...inner, [what]: fails } as Scheduler, settings, 'mine.ts');
  };
}

const throwing = (): never => {
  throw new Error('no\nmore');
};

schedulerConformance('one that is contained and does nothing wrong', (settings) => {
  const inner = schedulers.fair.create(settings);
  return 'kind' in inner ? inner : contained(inner, settings, 'mine.ts');
});

for (const call of ['pick', 'settle', 'wake'] as const)
  schedulerConformance(`one that fails at its third ${call}`, failing(call, 3, throwing), {
    except: [
      {
        test: 'starves nobody: whoever stays awake is chosen within its bound',
        because: 'who waited for the one that failed waits once more for the other',
      },
    ],
  });

describe('a scheduler that fails', () => {
  it.each(CALLS)('at %s is replaced once, with its file and its error named, and all go on', (call) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 30 }), (at) => {
        const faults: string[] = [];
        const scheduler = made(failing(call, at, throwing), { onFault: (what) => faults.push(what) });
        const agents = [busy('a'), busy('b'), pulsed('c', us(700), us(900))];
        const disturb = (): void => {
          scheduler.retime(ms(1));
          scheduler.bound(A, us(5));
        };
        const simulation = new Simulation(scheduler, agents, { disturb }).run(ms(60));
        expect(simulation.figures('a').ran + simulation.figures('b').ran).toBeGreaterThan(ms(20));
        if (call === 'remove') scheduler.remove(A);
        expect(faults).toEqual(
          call === 'remove' && at > 1
            ? []
            : [`scheduler mine.ts: ${call} throws: no; round-robin decides from now on`],
        );
        if (faults.length > 0) expect(scheduler.name).toBe('round-robin');
      }),
      { numRuns: 5 },
    );
  });

  it.each(RUBBISH.map((answer) => [answer]))('answers %j to pick, and the coprocessor goes on', (answer) => {
    const faults: string[] = [];
    const factory = failing('pick', 3, () => answer);
    const scheduler = made(factory, { onFault: (what) => faults.push(what) });
    const simulation = new Simulation(scheduler, [busy('b'), busy('c')]).run(ms(20));
    expect(faults).toEqual([expect.stringMatching(/^scheduler mine\.ts: pick .*; round-robin decides/)]);
    const { b, c } = simulation.shares();
    expect(Math.abs(b! - c!)).toBeLessThan(0.2);
  });

  it('at admit or change refuses that vcoproc and goes on with the others', () => {
    const faults: string[] = [];
    const settings = { timeslice: ms(1), parameters: {}, onFault: (what: string) => void faults.push(what) };
    const inner = made(schedulers.fair.create, settings);
    const scheduler = contained({ ...inner, admit: throwing, change: throwing }, settings, 'mine.ts');
    const refusal = (what: string) => ({ kind: 'refused', reason: `mine.ts: ${what} throws: no` });
    expect(scheduler.admit(A, {})).toEqual(refusal('admit'));
    expect(scheduler.change(A, {})).toEqual(refusal('change'));
    expect(faults).toEqual([]);
  });

  it.each([
    ['throws', throwing],
    ['answers what JSON cannot say', () => ({ count: 1n })],
    ['answers a promise', () => Promise.reject(new Error('late'))],
  ])('at save, where it %s, has no past, and round-robin goes on', (_what, save) => {
    const faults: string[] = [];
    const settings = { timeslice: ms(1), parameters: {}, onFault: (what: string) => void faults.push(what) };
    const scheduler = contained({ ...made(schedulers.fair.create, settings), save }, settings, 'mine.ts');
    scheduler.admit(A, {});
    expect(scheduler.save!()).toBeUndefined();
    expect(scheduler.name).toBe('round-robin');
    expect(faults).toEqual([
      expect.stringMatching(/^scheduler mine\.ts: save .*; round-robin decides from now on$/),
    ]);
    expect(scheduler.save!()).toBeUndefined();
  });

  it('with a rejection leaves nobody else to blame for it', () => {
    const scheduler = made(
      failing('settle', 1, () => Promise.reject(new Error('late'))),
      {},
    );
    new Simulation(scheduler, [busy('a')]).run(ms(5));
    expect(scheduler.name).toBe('round-robin');
  });

  it.each(RUNTIMES)('takes nobody down on %s, and the report names it', async (kind) => {
    const schedulersHere = {
      mine: { create: failing('pick', 5, () => ({ kind: 'run', vcoproc: A, slice: NaN })) },
    };
    const coprocs = [coproc('gpu0', { scheduler: { name: 'mine', parameters: {} }, timeslice: ms(0.2) })];
    await withRig(kind, { coprocs, schedulers: schedulersHere }, async (rig) => {
      for (const name of ['a', 'b']) {
        await rig.domain(name, { gpu0: 'stream' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          const iova = gpu.map(domain.memory.allocate(1 << 20), 'read');
          for (let round = 0; round < 5; round++) {
            const { status } = await gpu.submit({ op: 1, args: [iova, 1 << 20] });
            if (status !== 'ok') throw new Error(status);
          }
        });
      }
      const report = await rig.run();
      expect(report.domains.map(({ state }) => state)).toEqual(['finished', 'finished']);
      const [gpu] = report.coprocs;
      expect(gpu?.scheduler).toBe('round-robin');
      expect(gpu?.faults).toEqual([
        expect.stringMatching(/^scheduler mine\.ts: pick .*; round-robin decides from now on$/),
      ]);
      const told = rig.trace.filter((event) => event.kind === 'fault');
      expect(told).toMatchObject([{ coproc: 'gpu0', vcoproc: null, what: gpu?.faults[0], reset: false }]);
    });
  });
});
