import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ms, seconds, us, type Instant } from '../../src/base/units.ts';
import { seededRandom } from '../../src/base/random.ts';
import { edf } from '../../src/schedulers/edf.ts';
import { Simulation, busy, made, vcoproc } from './simulation.ts';
import { admittedSet } from './task-sets.ts';

const SWITCH = us(20);
const DENIAL = us(200);
const create = (): ReturnType<typeof made> =>
  made(edf, { parameters: { 'denial-us': 200, 'switch-us': 20 }, timeslice: ms(1000) });

describe('edf', () => {
  it('misses no deadline of any task set that it admits, with denials and switches at their longest', () => {
    let sets = 0;
    for (let seed = 0; sets < 500; seed++) {
      const found = admittedSet(seededRandom(seed), create, { denial: DENIAL, switchCost: SWITCH });
      if (found === undefined) continue;
      sets++;
      expect(found.misses, `task set of seed ${seed}`).toEqual([]);
    }
  });
  it('refuses a set that cannot be kept, with the figures', () => {
    const scheduler = create();
    expect(scheduler.admit(vcoproc('a'), { period: 10_000, budget: 5_000 })).toEqual({ kind: 'admitted' });
    expect(scheduler.admit(vcoproc('b'), { period: 20_000, budget: 10_000 })).toEqual({
      kind: 'refused',
      reason:
        'edf cannot keep it: of each 20.0 ms, budgets and switches take 20.1 ms and a denial or a switch may take ' +
        '220 us more, which is 101.7 %',
    });
    expect(scheduler.admit(vcoproc('b'), { period: 20_000, budget: 9_000 })).toEqual({ kind: 'admitted' });
    // A period that is not much longer than a denial.
    expect(scheduler.admit(vcoproc('c'), { period: 250, budget: 10 }).kind).toBe('refused');
    scheduler.remove(vcoproc('a'));
    expect(scheduler.admit(vcoproc('d'), { period: 10_000, budget: 5_000 })).toEqual({ kind: 'admitted' });
  });

  it('refuses every set whose budgets and switches are more than the whole', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(fc.integer({ min: 100, max: 100_000 }), fc.double({ min: 0.05, max: 0.9, noNaN: true })),
          { minLength: 2, maxLength: 8 },
        ),
        (tasks) => {
          const scheduler = create();
          let load = 0;
          for (const [at, [period, part]] of tasks.entries()) {
            const budget = Math.max(10, Math.floor(period * part));
            const before = load;
            load += (budget + 40) / period;
            const { kind } = scheduler.admit(vcoproc(`t${at}`), { period, budget });
            if (load > 1) expect(kind).toBe('refused');
            if (kind === 'refused') load = before;
          }
        },
      ),
    );
  });

  it('needs a period and a budget, and a budget that fits in', () => {
    const scheduler = create();
    const reason = (parameters: Record<string, number | string>): string => {
      const admission = scheduler.admit(vcoproc('a'), parameters);
      return admission.kind === 'refused' ? admission.reason : 'admitted';
    };
    expect(reason({})).toContain(
      'edf needs period: expected a whole number from 100 to 60000000 microseconds',
    );
    expect(reason({ period: 1000 })).toContain('edf needs budget');
    expect(reason({ period: 1000, budget: 2000 })).toContain('budget of 2.00 ms in a period of 1.00 ms');
    expect(reason({ period: 1000, buget: 100 })).toContain('did you mean budget?');
    expect(reason({ period: '1 ms', budget: 100 })).toContain('cannot have period = 1 ms');
  });

  it('holds a budget even when nobody else wants the coprocessor', () => {
    const scheduler = create();
    const simulation = new Simulation(scheduler, [busy('a', { period: 4000, budget: 1000 })]).run(seconds(1));
    expect(simulation.figures('a').ran / seconds(1)).toBeCloseTo(0.25, 2);
  });

  it('changes period and budget while it runs, if they fit', () => {
    const scheduler = create();
    const agents = [busy('a', { period: 4000, budget: 1000 }), busy('b', { period: 4000, budget: 1000 })];
    const simulation = new Simulation(scheduler, agents, { switchCost: SWITCH }).run(seconds(1));
    expect(scheduler.change(simulation.id('a'), { budget: 3000 }).kind).toBe('refused');
    expect(scheduler.change(simulation.id('a'), { budget: 2000 }).kind).toBe('admitted');
    const before = simulation.figures('a').ran;
    simulation.run(seconds(1));
    expect((simulation.figures('a').ran - before) / seconds(1)).toBeCloseTo(0.5, 2);
  });

  it('preempts for an earlier deadline, not for a later one', () => {
    const scheduler = create();
    scheduler.admit(vcoproc('slow'), { period: 100_000, budget: 10_000 });
    scheduler.admit(vcoproc('quick'), { period: 10_000, budget: 1_000 });
    scheduler.admit(vcoproc('slower'), { period: 200_000, budget: 10_000 });
    scheduler.wake(vcoproc('slow'), 0 as Instant);
    expect(scheduler.pick(0 as Instant)).toMatchObject({ vcoproc: vcoproc('slow') });
    expect(scheduler.wake(vcoproc('slower'), 1 as Instant)).toBe(false);
    expect(scheduler.wake(vcoproc('quick'), 2 as Instant)).toBe(true);
    expect(scheduler.pick(3 as Instant)).toMatchObject({ vcoproc: vcoproc('quick') });
  });
});
