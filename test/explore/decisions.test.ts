import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DecisionOracle,
  StaleTapeError,
  replayed,
  seeded,
  undisturbed,
} from '../../src/explore/decisions.ts';

/** Asks a fixed list of questions. */
const ask = (oracle: DecisionOracle, questions: readonly (readonly [string, number])[]): number[] =>
  questions.map(([point, options]) => oracle.choose(point, options));

const questions = fc.array(
  fc.tuple(
    fc.constantFrom('order', 'turn/gpu0', 'fault/0', 'guest/a/1', 'random'),
    fc.integer({ min: 1, max: 50 }),
  ),
  { maxLength: 200 },
);

describe('decisions', () => {
  it('answer within the options, the same for the same seed', () => {
    fc.assert(
      fc.property(fc.integer(), questions, (seed, asked) => {
        const answers = ask(seeded(seed), asked);
        answers.forEach((answer, at) => {
          expect(answer).toBeGreaterThanOrEqual(0);
          expect(answer).toBeLessThan(asked[at]![1]);
        });
        expect(ask(seeded(seed), asked)).toEqual(answers);
      }),
    );
  });

  it('are answered from their tape as they were, question by question', () => {
    fc.assert(
      fc.property(fc.integer(), questions, (seed, asked) => {
        const first = seeded(seed);
        const answers = ask(first, asked);
        const again = replayed(first.decisions, true);
        expect(ask(again, asked)).toEqual(answers);
        expect(again.decisions).toEqual(first.decisions);
        expect(again.hash).toBe(first.hash);
      }),
    );
  });

  it('leave the others where they are when one is taken back', () => {
    const asked = [
      ['guest/a', 9],
      ['guest/b', 9],
      ['guest/a', 9],
      ['guest/b', 9],
    ] as const;
    const oracle = new DecisionOracle(() => (nth) => nth + 3);
    ask(oracle, asked);
    const rest = oracle.decisions.filter(({ point, nth }) => point !== 'guest/a' || nth !== 0);
    expect(ask(replayed(rest, true), asked)).toEqual([0, 3, 4, 4]);
  });

  it('are stale when a question has other options than on the tape, unless the nearest will do', () => {
    const tape = [{ point: 'order', nth: 0, options: 5, choice: 4 }];
    expect(() => replayed(tape, true).choose('order', 3)).toThrow(StaleTapeError);
    expect(replayed(tape, false).choose('order', 3)).toBe(2);
  });

  it('are drawn evenly over the seeds that a campaign has, from the first question on', () => {
    const SEEDS = 2000;
    const first = Array.from({ length: SEEDS }, (_, seed) => {
      const oracle = seeded(seed + 1);
      return Array.from({ length: 12 }, () => oracle.choose('scenario', 4));
    });
    for (let question = 0; question < 12; question++)
      for (const answer of [0, 1, 2, 3]) {
        const times = first.filter((answers) => answers[question] === answer).length;
        // Seven standard deviations of a fair draw: 19 each.
        expect(Math.abs(times - SEEDS / 4), `${answer} to question ${question}`).toBeLessThan(136);
      }
    // The same of pairs: which class is disturbed depends on no other.
    const often = Array.from({ length: SEEDS }, (_, seed) => {
      const oracle = seeded(seed + 1);
      const share = (point: string): number =>
        ask(
          oracle,
          Array.from({ length: 40 }, () => [point, 2] as const),
        ).filter((one) => one > 0).length;
      return [share('order') > 20, share('fault/0') > 20] as const;
    });
    const both = often.filter(([order, fault]) => order && fault).length / SEEDS;
    const [order, fault] = [0, 1].map((at) => often.filter((one) => one[at]).length / SEEDS) as [
      number,
      number,
    ];
    expect(Math.abs(both - order * fault)).toBeLessThan(0.06);
  });

  it('are all 0 when nothing is disturbed', () => {
    const oracle = undisturbed();
    expect(
      ask(oracle, [
        ['order', 3],
        ['guest/a', 100],
        ['random', 2 ** 32],
      ]),
    ).toEqual([0, 0, 0]);
    expect(oracle.decisions).toEqual([]);
  });
});
