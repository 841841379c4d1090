import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { NO_TIME, START, after, between, ms, us, type Duration, type Instant } from '../../src/base/units.ts';
import type { VcoprocId } from '../../src/contract/names.ts';
import type {
  Decision,
  Scheduler,
  SchedulerFactory,
  SchedulerParameters,
} from '../../src/contract/scheduler.ts';
import { contained } from '../../src/schedulers/contained.ts';
import { schedulers } from '../../src/schedulers/index.ts';
import { Simulation, made, pulsed, vcoproc } from './simulation.ts';

/** How each algorithm is tried: its own parameters, and what each of its vcoprocs may be told, now and later. */
const TRIED: Readonly<
  Record<keyof typeof schedulers, { own?: SchedulerParameters; told?: (at: number) => SchedulerParameters[] }>
> = {
  'round-robin': {},
  credit: { told: (at) => [{ weight: 64 << at }, { weight: 100, cap: 20 }, { cap: 70 }] },
  fair: { told: (at) => [{ weight: 64 << at }, { weight: 1000 }] },
  'fixed-share': { own: { slots: 7 }, told: () => [{ slots: 1 }, { slots: 2 }] },
  'equal-share': {},
  'best-effort': {},
  priority: {
    own: { 'ageing-us': 3000 },
    told: (at) => [{ priority: 4 * at }, { priority: 9, 'slice-us': 300 }],
  },
  edf: {
    told: (at) => [
      { period: 4000 << at, budget: 700 },
      { period: 9000, budget: 500 },
    ],
  },
  arinc653: {
    own: { 'major-frame-us': 9000 },
    told: (at) => [{ windows: `${2000 * at}:1500` }, { windows: `${2000 * at}:600/${2000 * at + 900}:900` }],
  },
  dedicated: {},
};
const names = Object.keys(schedulers) as (keyof typeof schedulers)[];
const factoryOf = (name: keyof typeof schedulers): SchedulerFactory => schedulers[name].create;

interface Stay {
  readonly vcoproc: VcoprocId;
  readonly slice: Duration;
  readonly since: Instant;
}

/**
 * A coprocessor with chance for a hypervisor. All that one scheduler is told, its twin is told, and both must answer
 * the same. At a checkpoint everybody sleeps and is settled; one of the two is saved, made anew and goes on.
 */
class Twins {
  readonly #random;
  readonly #made: () => Scheduler;
  readonly #told: (at: number) => SchedulerParameters[];
  readonly #twin: Scheduler;
  #subject: Scheduler;
  #timeslice = ms(1);
  #now: Instant = START;
  #holder: Stay | undefined;
  readonly #parameters = new Map<VcoprocId, SchedulerParameters>();
  readonly #awake = new Set<VcoprocId>();
  /** Decisions that gave somebody the coprocessor since it was saved last. */
  decided = 0;

  constructor(name: keyof typeof schedulers, factory: SchedulerFactory, seed: number) {
    const { own = {}, told = () => [{}] } = TRIED[name];
    this.#random = seededRandom(seed);
    this.#made = () => made(factory, { parameters: own, switchCost: us(20), stopDeadline: us(400) });
    this.#told = told;
    [this.#twin, this.#subject] = [this.#made(), this.#made()];
  }

  step(): void {
    const chance = this.#random.below(100);
    this.#now = after(this.#now, us(1 + this.#random.below(chance < 5 ? 20_000 : 400)));
    const who = this.#random.below(4);
    const id = vcoproc('abcd'[who]!);
    if (chance < 12) this.#comes(id, who);
    else if (chance < 14) this.#goes(id);
    else if (chance < 40) this.#wakes(id);
    else if (chance < 48) this.#sleeps(id);
    else if (chance < 52) this.#changes(id, who);
    else if (chance < 54) this.#retimes();
    else if (chance < 58) this.#checkpoint();
    else this.#turn();
  }

  #both<T>(ask: (scheduler: Scheduler) => T): T {
    const answer = ask(this.#twin);
    expect(ask(this.#subject)).toEqual(answer);
    return answer;
  }

  #comes(id: VcoprocId, who: number): void {
    if (this.#parameters.has(id)) return;
    const parameters = this.#told(who)[0]!;
    if (this.#both((one) => one.admit(id, parameters)).kind === 'admitted')
      this.#parameters.set(id, parameters);
  }

  #goes(id: VcoprocId): void {
    if (this.#holder?.vcoproc === id) this.#leaves('ran');
    this.#both((one) => one.remove(id));
    this.#parameters.delete(id);
    this.#awake.delete(id);
  }

  #wakes(id: VcoprocId): void {
    if (!this.#parameters.has(id)) return;
    this.#both((one) => one.wake(id, this.#now));
    this.#awake.add(id);
    this.#both((one) => one.bound(id, us(50)));
  }

  #sleeps(id: VcoprocId): void {
    this.#both((one) => one.sleep(id, this.#now));
    this.#awake.delete(id);
    if (this.#holder?.vcoproc === id) this.#leaves('ran');
  }

  #changes(id: VcoprocId, who: number): void {
    if (!this.#parameters.has(id)) return;
    const told = this.#told(who);
    const parameters = told[this.#random.below(told.length)]!;
    if (this.#both((one) => one.change(id, parameters)).kind === 'admitted')
      this.#parameters.set(id, { ...this.#parameters.get(id), ...parameters });
  }

  #retimes(): void {
    this.#timeslice = us(300 + this.#random.below(2000));
    this.#both((one) => one.retime(this.#timeslice));
  }

  /** Whoever has the coprocessor leaves it, perhaps late, or stays for the time until now. */
  #leaves(outcome: 'ran' | 'failed'): void {
    const { vcoproc: id, slice, since } = this.#holder!;
    // It may fault before it has done anything.
    const ran = outcome === 'failed' && this.#random.below(2) === 0 ? NO_TIME : between(since, this.#now);
    const overrun = Math.max(0, ran - slice) as Duration;
    const switching = us(this.#random.below(30));
    this.#both((one) => one.settle({ vcoproc: id, outcome, ran, overrun, switching, now: this.#now }));
    this.#holder = undefined;
  }

  #turn(): Decision {
    const decision = this.#both((one) => one.pick(this.#now));
    const chance = this.#random.below(10);
    if (decision.kind === 'run' && this.#holder?.vcoproc !== decision.vcoproc && chance === 0) {
      const nothing = { ran: NO_TIME, overrun: NO_TIME, switching: NO_TIME, now: this.#now };
      this.#both((one) => one.settle({ vcoproc: decision.vcoproc, outcome: 'denied', ...nothing }));
      return decision;
    }
    if (this.#holder !== undefined) this.#leaves(chance === 1 ? 'failed' : 'ran');
    if (decision.kind === 'idle') return decision;
    this.decided++;
    this.#holder = { ...decision, since: this.#now };
    return decision;
  }

  #checkpoint(): void {
    const awake = [...this.#awake];
    for (const id of awake) this.#both((one) => one.sleep(id, this.#now));
    if (this.#holder !== undefined) this.#leaves('ran');
    const saved: unknown = JSON.parse(JSON.stringify(this.#subject.save!()));
    this.#subject = this.#made();
    this.#subject.retime(this.#timeslice);
    expect(this.#subject.restore!(saved)).toBeUndefined();
    const back = [...this.#parameters];
    while (back.length > 0) {
      const [[id, parameters]] = back.splice(this.#random.below(back.length), 1) as [(typeof back)[number]];
      expect(this.#subject.admit(id, parameters)).toEqual({ kind: 'admitted' });
    }
    this.#now = after(this.#now, us(this.#random.below(2000)));
    for (const id of awake) this.#both((one) => one.wake(id, this.#now));
  }
}

describe.each(names)('%s, saved and made anew', (name) => {
  it('decides as its twin that was never interrupted', () => {
    let decided = 0;
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const twins = new Twins(name, factoryOf(name), seed);
        for (let step = 0; step < 600; step++) twins.step();
        decided += twins.decided;
      }),
      { numRuns: 60 },
    );
    expect(decided).toBeGreaterThan(2000);
  });

  const { own = {}, told = () => [{}] } = TRIED[name];
  const settings = { parameters: own, timeslice: ms(1) };
  const count = name === 'dedicated' ? 1 : 3;
  const agents = Array.from({ length: count }, (_, at) => ({
    ...pulsed('abc'[at]!, us(900 + 400 * at), us(300), () => us(at * 300)),
    parameters: told(at)[0]!,
  }));
  const worn = (): Scheduler => new Simulation(made(factoryOf(name), settings), agents).run(ms(30)).scheduler;

  it('refuses what another algorithm saved, and whatever is damaged, with a word of its own', () => {
    const other = names[(names.indexOf(name) + 1) % names.length]!;
    const foreign = made(factoryOf(other), { parameters: TRIED[other].own ?? {} }).save!();
    const here = made(factoryOf(name), settings);
    const expected = new RegExp(
      `^what was saved (is not )?of ${name}( of this build| is damaged|; expected|)`,
    );
    const refused = { kind: 'refused', reason: expect.stringMatching(expected) as unknown };
    for (const wrong of [undefined, null, 7, 'credit', [], {}, foreign])
      expect(here.restore!(wrong)).toEqual(refused);
    const { rows, ...rest } = worn().save!() as { rows: unknown[][] };
    const numbers = rows[0]!.length - 1;
    const damages: unknown[][] = [
      [...rows, rows[0]!],
      [...rows, 5],
      [...rows, ['x', ...Array(numbers + 1).fill(0)]],
    ];
    for (const value of [NaN, Infinity, '5', null, 2n, {}, 1e300])
      if (numbers > 0) damages.push([...rows.slice(0, -1), [...rows.at(-1)!.slice(0, -1), value]]);
    for (const damaged of damages) expect(here.restore!({ ...rest, rows: damaged })).toEqual(refused);
    expect(here.restore!({ ...rest, rows: null })).toEqual(refused);
    expect(here.restore!({ ...rest, rows })).toBeUndefined();
  });

  it('goes on from any numbers, however they came about', () => {
    const whole = fc.oneof(fc.maxSafeInteger(), fc.integer({ min: -5_000_000, max: 50_000_000 }));
    const real = fc.oneof(whole, fc.double({ min: -(2 ** 80), max: 2 ** 80, noNaN: true }));
    const { rows, ...rest } = worn().save!() as { rows: unknown[][] };
    const count = { minLength: rows.length, maxLength: rows.length };
    const row = (of: fc.Arbitrary<number>) =>
      fc.array(of, { minLength: rows[0]!.length - 1, maxLength: rows[0]!.length - 1 });
    fc.assert(
      fc.property(fc.oneof(fc.array(row(whole), count), fc.array(row(real), count)), (drawn) => {
        const scheduler = made(factoryOf(name), settings);
        const others = rows.map(([id], at) => [id, ...drawn[at]!]);
        // Parts of what is whole are refused.
        const taken = scheduler.restore!({ ...rest, rows: others }) === undefined;
        if (drawn.flat().every(Number.isSafeInteger)) expect(taken).toBe(true);
        new Simulation(scheduler, agents).run(ms(20));
      }),
      { numRuns: 100 },
    );
  });

  it('is as good when it is contained', () => {
    const factory: SchedulerFactory = (given) => contained(made(factoryOf(name), given), given, 'mine.ts');
    const twins = new Twins(name, factory, 7);
    for (let step = 0; step < 600; step++) twins.step();
  });
});
