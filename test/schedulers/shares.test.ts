import { describe, expect, it } from 'vitest';
import { ms, seconds, us } from '../../src/base/units.ts';
import { schedulers } from '../../src/schedulers/index.ts';
import { Simulation, busy, made } from './simulation.ts';
import { setting } from './settings.ts';

const names = Object.keys(schedulers).filter((name) => name !== 'dedicated');

describe('shares over 10 s of virtual time', () => {
  it.each(names)('%s gives three busy ones equal shares within one percent', (name) => {
    const { create, parameters } = setting(name, 3);
    const agents = ['a', 'b', 'c'].map((agent, at) => busy(agent, parameters(at)));
    const shares = new Simulation(create(), agents).run(seconds(10)).shares();
    for (const share of Object.values(shares)) expect(Math.abs(share - 1 / 3)).toBeLessThan(0.01 / 3);
  });

  it.each(['credit', 'fair'] as const)('%s gives weights 1:2:4:8 their shares within one percent', (name) => {
    const weights = [1, 2, 4, 8];
    const agents = weights.map((weight) => busy(`w${weight}`, { weight: 256 * weight }));
    const simulation = new Simulation(made(schedulers[name].create, { timeslice: ms(5) }), agents);
    const shares = simulation.run(seconds(10)).shares();
    for (const weight of weights) {
      const due = weight / 15;
      expect(Math.abs(shares[`w${weight}`]! - due)).toBeLessThan(0.01 * due);
    }
  });

  it('fixed-share gives slots 1:2:4 of 8 their parts of the wall time, and leaves the rest', () => {
    const scheduler = made(schedulers['fixed-share'].create, { timeslice: ms(5) });
    const agents = [1, 2, 4].map((slots) => busy(`s${slots}`, { slots }));
    const simulation = new Simulation(scheduler, agents, { switchCost: us(5) }).run(seconds(10));
    for (const slots of [1, 2, 4]) {
      const due = (slots / 8) * seconds(10);
      expect(Math.abs(simulation.figures(`s${slots}`).ran - due)).toBeLessThan(0.01 * due);
    }
    expect(Math.abs(simulation.idle - seconds(10) / 8)).toBeLessThan(seconds(0.0125));
  });

  it.each([1, 10, 33, 90])('credit holds a cap of %i % of the wall time, alone and in company', (cap) => {
    for (const others of [0, 2]) {
      const agents = [busy('capped', { cap, weight: 65_535 })];
      for (let n = 0; n < others; n++) agents.push(busy(`other${n}`));
      const simulation = new Simulation(made(schedulers.credit.create), agents).run(seconds(10));
      const { ran, switching } = simulation.figures('capped');
      expect(Math.abs((ran + switching) / seconds(10) - cap / 100)).toBeLessThan(0.01 * (cap / 100) + 0.001);
      if (others > 0) expect(simulation.idle).toBe(0);
    }
  });

  it.each(['credit', 'fair', 'best-effort', 'round-robin', 'priority'] as const)(
    '%s gives away what idle ones do not use',
    (name) => {
      const scheduler = made(schedulers[name].create);
      const idle = { name: 'idle', next: () => undefined };
      const simulation = new Simulation(scheduler, [busy('a'), busy('b'), idle]).run(seconds(1));
      expect(simulation.idle).toBe(0);
      expect(Math.abs(simulation.shares().a! - 0.5)).toBeLessThan(0.005);
    },
  );

  it.each(['equal-share', 'fixed-share'] as const)('%s keeps the slots of idle ones empty', (name) => {
    const { create } = setting(name, 3);
    const idle = { name: 'idle', next: () => undefined };
    const simulation = new Simulation(create(), [busy('a'), busy('b'), idle]).run(seconds(1));
    expect(Math.abs(simulation.idle / seconds(1) - 1 / 3)).toBeLessThan(0.02);
  });
});

describe('changes while it runs', () => {
  it.each(['credit', 'fair'] as const)('%s follows new weights from the next decision on', (name) => {
    const scheduler = made(schedulers[name].create);
    const simulation = new Simulation(scheduler, [busy('a'), busy('b')]).run(seconds(1));
    const before = simulation.figures('a').ran;
    expect(scheduler.change(simulation.id('a'), { weight: 768 })).toEqual({ kind: 'admitted' });
    simulation.run(seconds(4));
    expect((simulation.figures('a').ran - before) / seconds(4)).toBeCloseTo(0.735, 1);
  });

  it('credit lifts a cap for one that is waiting for its budget', () => {
    const scheduler = made(schedulers.credit.create);
    const simulation = new Simulation(scheduler, [busy('a', { cap: 10 })]).run(ms(10));
    scheduler.change(simulation.id('a'), { cap: 0 });
    expect(scheduler.pick(simulation.now)).toMatchObject({ kind: 'run' });
  });

  it.each(names)('%s takes a new slice, and one more while somebody runs', (name) => {
    const { create, parameters } = setting(name, 2);
    const scheduler = create();
    const agents = [busy('a', parameters(0)), busy('b', parameters(1))];
    const simulation = new Simulation(scheduler, agents).run(ms(50));
    scheduler.retime(ms(0.25));
    simulation.run(ms(50));
    expect(simulation.figures('a').ran).toBeGreaterThan(0);
    expect(simulation.figures('b').ran).toBeGreaterThan(0);
  });

  it('refuses a change that is impossible and changes nothing', () => {
    const scheduler = made(schedulers.credit.create);
    const simulation = new Simulation(scheduler, [busy('a', { weight: 1024 }), busy('b')]).run(ms(1));
    expect(scheduler.change(simulation.id('a'), { weight: 0 })).toEqual({
      kind: 'refused',
      reason: 'credit cannot have weight = 0: expected a whole number from 1 to 65535',
    });
    expect(simulation.run(seconds(5)).shares().a).toBeCloseTo(0.8, 1);
  });
});
