import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_TIME, START, after, ms, seconds, us, type Duration } from '../../src/base/units.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { SchedulerParameters } from '../../src/contract/scheduler.ts';
import { schedulers } from '../../src/schedulers/index.ts';
import { schedulerConformance } from './conformance.ts';
import { setting } from './settings.ts';
import { Simulation, busy, made, vcoproc, type Agent } from './simulation.ts';

const names = Object.keys(schedulers) as (keyof typeof schedulers)[];
const MEMBERS = 4;

for (const name of names.filter((other) => other !== 'round-robin')) {
  const { own, parameters } = setting(name, MEMBERS);
  schedulerConformance(name, schedulers[name].create, {
    own,
    parametersOf: (who) => parameters('abcd'.indexOf(who[0]!)),
  });
}

/** One that works and sleeps for chance lengths, and sometimes denies. */
function erratic(name: string, parameters: SchedulerParameters, seed: number, denial: Duration): Agent {
  const random = seededRandom(seed);
  return {
    name,
    parameters,
    next: (now) => ({ at: after(now, us(random.below(3000))), length: us(1 + random.below(4000)) }),
    denial: () => (random.below(4) === 0 ? denial : us(0)),
  };
}

describe('the wait that a scheduler promises', () => {
  const SWITCH = us(20);
  const DENIAL = us(500);

  it.each(names)('%s keeps its bound for one that is always busy, whatever the others do', (name) => {
    const count = name === 'dedicated' ? 1 : 3;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const { create, parameters } = setting(name, count);
        const scheduler = create();
        const others = [1, 2].slice(0, count - 1);
        const agents = [
          busy('a', parameters(0)),
          ...others.map((at) => erratic(`other${at}`, parameters(at), seed + at, DENIAL)),
        ];
        const simulation = new Simulation(scheduler, agents, { switchCost: SWITCH, stopDeadline: DENIAL });
        simulation.run(seconds(0.1));
        const bound = scheduler.bound(vcoproc('a'), (DENIAL + 2 * SWITCH) as Duration)!;
        expect(simulation.figures('a').longestWait).toBeLessThanOrEqual(bound + SWITCH);
        expect(simulation.figures('a').ran).toBeGreaterThan(0);
      }),
      { numRuns: 8 },
    );
  });

  it.each(['credit', 'fair'] as const)('%s keeps its bound for the lightest among heavy ones', (name) => {
    const scheduler = made(schedulers[name].create);
    const agents = [
      busy('light', { weight: 64 }),
      busy('h1', { weight: 1024 }),
      busy('h2', { weight: 2048 }),
    ];
    const simulation = new Simulation(scheduler, agents, { switchCost: SWITCH }).run(seconds(1));
    expect(simulation.figures('light').longestWait).toBeLessThan(scheduler.bound(vcoproc('light'), SWITCH)!);
    expect(simulation.figures('light').ran).toBeGreaterThan(0);
  });

  it('priority lets the least urgent one run among urgent ones, by its age', () => {
    const scheduler = made(schedulers.priority.create, { parameters: { 'ageing-us': 2000 } });
    const agents = [
      busy('low', { priority: 0 }),
      busy('high', { priority: 31 }),
      busy('h2', { priority: 31 }),
    ];
    const simulation = new Simulation(scheduler, agents, { switchCost: SWITCH }).run(seconds(1));
    const { longestWait, ran } = simulation.figures('low');
    expect(longestWait).toBeLessThan(scheduler.bound(vcoproc('low'), SWITCH)!);
    expect(ran).toBeGreaterThan(ms(10));
  });
});

describe('parameters', () => {
  const refusal = (name: keyof typeof schedulers, parameters: SchedulerParameters): string => {
    const created = schedulers[name].create({ timeslice: ms(1), parameters });
    return 'kind' in created ? created.reason : 'made';
  };

  it.each(names)('%s refuses a parameter that it does not know', (name) => {
    expect(refusal(name, { 'no-such': 1 })).toContain(`${name} has no parameter no-such`);
    const { create, parameters } = setting(name, 1);
    const admission = create().admit(vcoproc('a'), { ...parameters(0), 'no-such': 1 });
    expect(admission).toMatchObject({ kind: 'refused' });
    expect(admission.kind === 'refused' && admission.reason).toContain(`${name} has no parameter no-such`);
  });

  it('names the parameter that was meant', () => {
    const admission = made(schedulers.credit.create).admit(vcoproc('a'), { wieght: 3 });
    expect(admission).toEqual({
      kind: 'refused',
      reason: 'credit has no parameter wieght: expected one of weight, cap; did you mean weight?',
    });
  });

  it.each([
    ['credit', { weight: 0 }],
    ['credit', { weight: 65_536 }],
    ['credit', { weight: 1.5 }],
    ['credit', { weight: 'heavy' }],
    ['credit', { cap: 101 }],
    ['credit', { cap: -1 }],
    ['fair', { weight: -256 }],
    ['fixed-share', { slots: 0 }],
    ['priority', { priority: 32 }],
    ['priority', { 'slice-us': -5 }],
    ['edf', { period: 99, budget: 10 }],
    ['arinc653', {}],
    ['arinc653', { windows: '0:0' }],
    ['arinc653', { windows: '5' }],
    ['arinc653', { windows: '99000:2000' }],
    ['arinc653', { windows: '0:2000/1000:2000' }],
  ] as const)('%s refuses %j and says what it expected', (name, parameters) => {
    const admission = made(schedulers[name].create).admit(vcoproc('a'), parameters);
    expect(admission.kind).toBe('refused');
    expect(admission.kind === 'refused' && admission.reason).toMatch(/expected|outside|overlaps/);
  });

  it('fixed-share says how many slots are left', () => {
    const scheduler = made(schedulers['fixed-share'].create, { parameters: { slots: 4 } });
    expect(scheduler.admit(vcoproc('a'), { slots: 3 }).kind).toBe('admitted');
    expect(scheduler.admit(vcoproc('b'), { slots: 2 })).toEqual({
      kind: 'refused',
      reason: 'fixed-share has 1 of 4 slots left, not 2',
    });
    expect(scheduler.change(vcoproc('a'), { slots: 2 }).kind).toBe('admitted');
    expect(scheduler.admit(vcoproc('b'), { slots: 2 }).kind).toBe('admitted');
  });

  it('arinc653 says which windows overlap, and takes them when the other is gone', () => {
    const scheduler = made(schedulers.arinc653.create);
    expect(scheduler.admit(vcoproc('a'), { windows: '0:2000/50000:2000' }).kind).toBe('admitted');
    const b = scheduler.admit(vcoproc('b'), { windows: '51000:2000' });
    expect(b.kind === 'refused' && b.reason).toContain(
      'of b/gpu0 overlaps the window from 50.0 ms to 52.0 ms of a/gpu0',
    );
    scheduler.remove(vcoproc('a'));
    expect(scheduler.admit(vcoproc('b'), { windows: '51000:2000' }).kind).toBe('admitted');
  });

  it('dedicated takes its owner and nobody else', () => {
    const first = made(schedulers.dedicated.create);
    expect(first.admit(vcoproc('a'), {}).kind).toBe('admitted');
    expect(first.admit(vcoproc('b'), {})).toEqual({ kind: 'refused', reason: 'it is dedicated to a/gpu0' });
    first.remove(vcoproc('a'));
    expect(first.admit(vcoproc('b'), {}).kind).toBe('admitted');
    const named = made(schedulers.dedicated.create, { parameters: { owner: 'b' } });
    expect(named.admit(vcoproc('a'), {})).toEqual({ kind: 'refused', reason: 'it is dedicated to b' });
    expect(named.admit(vcoproc('b'), {}).kind).toBe('admitted');
  });
});

describe('priority', () => {
  it('serves in the order of since - priority x ageing, whoever sleeps, overstays or is changed', () => {
    const step = fc.record({
      act: fc.constantFrom('turn', 'turn', 'turn', 'sleep', 'wake', 'change'),
      who: fc.nat(5),
      priority: fc.nat(31),
      after: fc.nat(3000),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
        const AGEING = us(1000);
        const scheduler = made(schedulers.priority.create, { parameters: { 'ageing-us': 1000 } });
        const ids = Array.from({ length: 6 }, (_, at) => vcoproc(`d${at}`));
        const waiting = ids.map((id, at) => {
          scheduler.admit(id, { priority: at * 5 });
          scheduler.wake(id, START);
          return { id, since: START as number, priority: at * 5, awake: true };
        });
        let now = START;
        for (const { act, who, priority, after: length } of steps) {
          now = after(now, us(1 + length));
          const one = waiting[who]!;
          if (act === 'sleep') {
            scheduler.sleep(one.id, now);
            one.awake = false;
          } else if (act === 'wake') {
            scheduler.wake(one.id, now);
            if (!one.awake) one.since = now;
            one.awake = true;
          } else if (act === 'change') {
            scheduler.change(one.id, { priority });
            one.priority = priority;
          } else {
            const decision = scheduler.pick(now);
            if (decision.kind === 'idle') continue;
            const key = (other: (typeof waiting)[number]): number => other.since - other.priority * AGEING;
            const chosen = waiting.find(({ id }) => id === decision.vcoproc)!;
            const least = Math.min(...waiting.filter(({ awake }) => awake).map(key));
            expect(key(chosen)).toBe(least);
            const { slice: ran } = decision;
            now = after(now, ran);
            scheduler.settle({
              ...decision,
              outcome: 'ran',
              ran,
              overrun: NO_TIME,
              switching: NO_TIME,
              now,
            });
            chosen.since = now;
          }
        }
      }),
      { numRuns: 100 },
    );
  });
});

describe('preemption', () => {
  it('priority: a more urgent one that wakes preempts, an equal one does not', () => {
    const scheduler = made(schedulers.priority.create);
    for (const [name, priority] of [
      ['low', 1],
      ['low2', 1],
      ['high', 2],
    ] as const)
      scheduler.admit(vcoproc(name), { priority });
    scheduler.wake(vcoproc('low'), START);
    scheduler.pick(START);
    expect(scheduler.wake(vcoproc('low2'), after(START, us(1)))).toBe(false);
    expect(scheduler.wake(vcoproc('high'), after(START, us(2)))).toBe(true);
    expect(scheduler.pick(after(START, us(3)))).toMatchObject({ vcoproc: vcoproc('high') });
  });

  it('priority: who was preempted goes on with the rest of its slice, before its equals', () => {
    const scheduler = made(schedulers.priority.create);
    const agents: Agent[] = [
      busy('low', { priority: 1 }),
      busy('low2', { priority: 1 }),
      {
        name: 'high',
        parameters: { priority: 2 },
        next: (now) => ({ at: after(now, us(1700)), length: us(100) }),
      },
    ];
    const simulation = new Simulation(scheduler, agents).run(seconds(1));
    const { low, low2 } = simulation.shares();
    expect(Math.abs(low! - low2!)).toBeLessThan(0.01);
    expect(Math.max(...simulation.figures('high').responses)).toBeLessThan(us(100 + 3 * 20));
  });
});
