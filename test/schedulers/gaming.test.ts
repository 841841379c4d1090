import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_TIME, after, ms, seconds, us, type Duration } from '../../src/base/units.ts';
import { seededRandom } from '../../src/base/random.ts';
import { setting } from './settings.ts';
import { Simulation, busy, pulsed, stubborn, type Agent } from './simulation.ts';

// Three of equal standing; one of them tries whatever it can think of against two that are simply busy.
// The bound is on the attacker's part of the wall time: its fair third, and what one last trick may add.

const LENGTH = seconds(1);
const SWITCH = us(20);
const DEADLINE = ms(10);

/** The most that an attacker may have, as a part of the time: a third, and one unpaid overrun. */
const BOUND: Readonly<Record<string, number>> = {
  'round-robin': 1 / 3,
  credit: 1 / 3,
  fair: 1 / 3,
  'fixed-share': 1 / 3,
  'equal-share': 1 / 3,
  'best-effort': 1 / 3,
  priority: 1 / 3,
  // Its budget: 1.2 of each 4 ms.
  edf: 0.3,
  // Its windows: a third of the frame.
  arinc653: 1 / 3,
};
/** The last trick is not paid for when the time is over; and sums of slices end where they end. */
const SLACK = (DEADLINE + 3 * ms(1)) / LENGTH;

/** Bursts, pauses and denials of chance lengths, drawn anew each time. */
const erratic = (seed: number, on: number, off: number, denial: number): Agent => {
  const random = seededRandom(seed);
  return {
    name: 'attacker',
    next: (now) => ({
      at: after(now, us(random.below(off + 1))),
      length: Math.max(1000, us(random.below(on + 1))) as Duration,
    }),
    denial: () => us(random.below(denial + 1)),
  };
};

const attack: fc.Arbitrary<Agent> = fc.oneof(
  fc
    .tuple(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 300 }))
    .map(([on, off]) => pulsed('attacker', us(on), us(off))),
  fc
    .tuple(
      fc.integer({ min: 1, max: 3000 }),
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 12_000 }),
    )
    .map(([on, off, denial]) => pulsed('attacker', us(on), us(off), () => us(denial))),
  fc.integer({ min: 1, max: 12_000 }).map((denial) => stubborn('attacker', () => us(denial))),
  fc
    .tuple(
      fc.integer(),
      fc.integer({ min: 0, max: 3000 }),
      fc.integer({ min: 1, max: 3000 }),
      fc.integer({ min: 0, max: 12_000 }),
    )
    .map(([seed, on, off, denial]) => erratic(seed, on, off, denial)),
);

/** What the attacker had of the time, and what the worst off of the others had. */
function outcome(name: string, attacker: Agent): { had: number; worst: number } {
  const { create, parameters } = setting(name, 3);
  const agents = [attacker, busy('b'), busy('c')].map((agent, at) => ({
    ...agent,
    parameters: parameters(at),
  }));
  const simulation = new Simulation(create(), agents, { switchCost: SWITCH, stopDeadline: DEADLINE });
  simulation.run(LENGTH);
  const had = simulation.figures('attacker').ran / LENGTH;
  return {
    had,
    worst: Math.min(simulation.figures('b').ran, simulation.figures('c').ran) / LENGTH,
  };
}

describe.each(Object.keys(BOUND))('%s against one that plays tricks', (name) => {
  const bound = BOUND[name]! + SLACK;

  it('gives it no more than its share, whatever its pattern of sleeping, waking and denying', () => {
    fc.assert(
      fc.property(attack, (attacker) => {
        expect(outcome(name, attacker).had).toBeLessThan(bound);
      }),
      { numRuns: 40 },
    );
  });

  it.each([
    ['190 ms on and 10 ms off', pulsed('attacker', ms(190), ms(10))],
    ['a rest just before each slice ends', pulsed('attacker', us(999), us(1))],
    ['a denial at every stop', stubborn('attacker', () => ms(9))],
    ['a short denial at every stop', stubborn('attacker', () => us(300))],
    ['denials that end with its work', pulsed('attacker', us(2009), us(197), () => us(2779))],
    ['long denials and short rests', pulsed('attacker', us(2877), us(221), () => us(7679))],
    ['a flood of the shortest commands', pulsed('attacker', us(5), us(1))],
  ])('gives no more than the share for %s', (_what, attacker) => {
    expect(outcome(name, attacker).had).toBeLessThan(bound);
  });
});

describe('what a flood of short commands costs the others', () => {
  it.each(['round-robin', 'credit', 'fair', 'best-effort', 'priority'])(
    '%s turns no more than a tenth of the time into switches',
    (name) => {
      const { worst } = outcome(name, pulsed('attacker', us(5), us(1)));
      expect(worst).toBeGreaterThan(0.45);
    },
  );

  it.each(['fixed-share', 'equal-share', 'arinc653'])('%s keeps the share of the others whole', (name) => {
    expect(outcome(name, pulsed('attacker', us(5), us(1))).worst).toBeGreaterThan(0.32);
  });

  it('edf keeps the budgets of the others whole', () => {
    expect(outcome('edf', pulsed('attacker', us(5), us(1))).worst).toBeGreaterThan(0.29);
  });
});

describe('denial is paid for', () => {
  it.each(['round-robin', 'credit', 'fair', 'fixed-share', 'equal-share', 'best-effort', 'priority'])(
    '%s gives the others back what a denial took',
    (name) => {
      const { worst } = outcome(
        name,
        stubborn('attacker', () => ms(3)),
      );
      expect(worst).toBeGreaterThan(1 / 3 - SLACK);
    },
  );

  it('nobody pays for a denial of somebody else', () => {
    for (const name of Object.keys(BOUND)) {
      const { create, parameters } = setting(name, 2);
      const scheduler = create();
      const simulation = new Simulation(scheduler, [
        { ...stubborn('a', () => ms(1)), parameters: parameters(0) },
        busy('b', parameters(1)),
      ]);
      simulation.run(ms(1));
      expect(simulation.figures('b').ran, name).toBe(NO_TIME);
    }
  });
});
