import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { replayed, seeded, undisturbed, type DecisionOracle } from '../../src/explore/decisions.ts';
import { drawPlan } from '../../src/faults/draw.ts';
import { CALL_POINTS, faultSchema, readPlan, showFault, type Fault } from '../../src/faults/plan.ts';
import { CORE_POINTS } from '../../src/coprocessor/ailments.ts';

const surface = {
  coprocs: ['gpu0', 'dsp1'],
  domains: ['a', 'b'],
  vcoprocs: ['a/gpu0', 'a/dsp1', 'b/dsp1'],
};
const MOST = 8;
const draw = (oracle: DecisionOracle): readonly Fault[] => drawPlan(oracle, surface, MOST).faults;

const SEEDS = 6000;
const drawn = Array.from({ length: SEEDS }, (_, seed) => draw(seeded(seed))).flat();

/** What can be written of a moment, by its keys: `event nth plus`. */
const formsOf = ({ when }: (typeof faultSchema.options)[number]['shape']): string[] =>
  when.options.map(({ shape }) => keys(shape));
const keys = (of: object): string => Object.keys(of).sort().join(' ');
/** Any event will do where none is named, and no time need be between. */
const inFull = (when: Fault['when']): string =>
  keys('point' in when || 'at' in when || 'within' in when ? when : { event: '', plus: 0, ...when });

describe('a plan that is drawn', () => {
  it.each(faultSchema.options.map(({ shape }) => [shape.fault.value, shape] as const))(
    'has, for some seed, the fault %s with each of its settings, at every kind of moment and point that it can have',
    (kind, shape) => {
      const faults = drawn.filter(({ fault }) => fault === kind);
      const settings = Object.keys(shape);
      expect(settings.filter((name) => !faults.some((fault) => name in fault))).toEqual([]);
      const forms = faults.map(({ when }) => inFull(when));
      const possible = kind === 'fail' ? ['nth point'] : formsOf(shape);
      expect(possible.filter((form) => !forms.includes(form))).toEqual([]);
      const reached = new Set(faults.map(({ when }) => ('point' in when ? when.point : undefined)));
      const some = faults[0]!;
      // A fault of interrupts is about a wire, which has no points, or about the lines of contexts.
      const variants = [some, { ...some, domain: 'a' }, { ...some, coproc: 'gpu0' }];
      for (const point of [...CALL_POINTS, ...CORE_POINTS]) {
        const allowed = variants.some(
          (fault) => readPlan({ faults: [{ ...fault, when: { point, nth: 1 } }] }).kind === 'ok',
        );
        expect([point, reached.has(point)]).toEqual([point, allowed]);
      }
    },
  );

  it('survives being written down', () => {
    fc.assert(
      fc.property(fc.integer(), (seed) => {
        const faults = draw(seeded(seed));
        expect(readPlan(JSON.parse(JSON.stringify({ faults })))).toEqual({ kind: 'ok', value: { faults } });
        for (const fault of faults) expect(showFault(fault)).not.toContain('undefined');
      }),
    );
  });

  it('names only domains that have a share of the coprocessor', () => {
    for (const fault of drawn)
      if ('domain' in fault && 'coproc' in fault)
        expect(surface.vcoprocs).toContain(`${fault.domain}/${fault.coproc}`);
  });

  it('has none when nothing is disturbed', () => {
    expect(draw(undisturbed())).toEqual([]);
  });

  it('has all its other faults still when one is taken back', () => {
    fc.assert(
      fc.property(fc.integer(), fc.nat({ max: MOST - 1 }), (seed, number) => {
        const oracle = seeded(seed);
        const faults = draw(oracle);
        const taken = (point: string): boolean => point === `fault/${number}` || point === `with/${number}`;
        const rest = oracle.decisions.filter(({ point }) => !taken(point));
        const at = oracle.decisions
          .filter(({ point }) => point.startsWith('fault/'))
          .findIndex(({ point }) => taken(point));
        expect(draw(replayed(rest, true))).toEqual(faults.filter((_, place) => place !== at));
      }),
    );
  });
});
