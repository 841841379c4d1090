import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { explore, type Exploration } from '../../../src/explore/races/explore.ts';
import { loadScenarios, scenarioNamed, type CheckedScenario } from '../../../src/explore/races/load.ts';
import { showExploration, showStory } from '../../../src/explore/races/report.ts';

const path = (name: string): string => fileURLToPath(new URL(`scenarios/${name}.ts`, import.meta.url));
let litmus: CheckedScenario[] = [];
let ring: CheckedScenario[] = [];
let planted: CheckedScenario[] = [];

beforeAll(async () => {
  litmus = await loadScenarios(path('litmus'));
  ring = await loadScenarios(path('textbook-ring'));
  planted = await loadScenarios(path('planted'));
});

const outcomes = ({ outcomes: found }: Exploration): string[] => Object.keys(found).sort();
const named = (name: string): CheckedScenario => scenarioNamed([...litmus, ...ring, ...planted], name);

describe('litmus tests', () => {
  test.each([
    ['message passing', ['not ready', 'ready, 1']],
    ['store buffering', ['0 1', '1 0', '1 1']],
    ['coherence', ['0 0', '0 1', '0 2', '1 1', '1 2', '2 2']],
    ['independent reads of independent writes', ['they agree']],
    ['atomic update', ['2']],
    ['a producer loads its own index', ['0', '17', '7']],
    ['spinning ends', ['5']],
    ['a hint in a loop', ['1']],
  ])('%s: every outcome that is possible, and none that is forbidden', (name, expected) => {
    const found = explore(named(name));
    expect(found.failure?.what).toBeUndefined();
    expect(found.complete).toBe(true);
    expect(outcomes(found)).toEqual(expected.toSorted());
  });

  test('a lost update is found, with one preemption', () => {
    const { failure } = explore(named('lost update'));
    expect(failure?.what).toBe('outcome "1" is forbidden');
    expect(failure).toMatchObject({ preemptions: 1, fewest: true });
    expect(failure?.steps).toHaveLength(4);
  });

  test('a plain flag is a data race at the first order, whatever the order', () => {
    for (const strategy of ['reduction', 'depth-first', 'random-walk', 'priorities'] as const) {
      const { failure, runs } = explore(named('message passing with a plain flag'), { strategy });
      expect({ kind: failure?.kind, runs }).toEqual({ kind: 'race', runs: 1 });
    }
  });
});

describe('the reduction', () => {
  test('needs 44 orders of the textbook ring where there are 310,815', () => {
    const one = ring[0]!;
    const reduced = explore(one);
    const naive = explore(one, { strategy: 'depth-first' });
    expect(reduced).toMatchObject({ runs: 44, complete: true, failures: 0 });
    expect(naive).toMatchObject({ runs: 310_815, complete: true, failures: 0 });
    expect(outcomes(reduced)).toEqual(outcomes(naive));
  });

  test('gives the outcomes of the naive search on every litmus test', () => {
    for (const one of litmus) {
      const options = { keepGoing: true, shrinkEffort: 0 };
      const reduced = explore(one, options);
      const naive = explore(one, { ...options, strategy: 'depth-first' });
      expect(naive.complete, one.name).toBe(true);
      expect(outcomes(reduced), one.name).toEqual(outcomes(naive));
      expect(reduced.runs, one.name).toBeLessThanOrEqual(naive.runs);
    }
  });
});

describe('a planted race that one order in millions shows', () => {
  test('is found by the reduction, and reduced to two preemptions', () => {
    const { failure, runs } = explore(named('planted'), { races: false });
    expect(failure?.kind).toBe('check');
    expect(failure?.preemptions).toBeLessThanOrEqual(2);
    expect(failure?.fewest).toBe(true);
    expect(runs).toBeLessThan(10_000);
  });

  test('is not found by 20,000 random orders', () => {
    const walk = explore(named('planted'), { races: false, strategy: 'random-walk', maxRuns: 20_000 });
    expect(walk.failures).toBe(0);
  });
});

describe('a failure', () => {
  test('replays from the word that its report ends with', () => {
    const one = named('lost update');
    const { failure } = explore(one);
    const tape = failure!.replay.split(' ').at(-1)!;
    const again = explore(one, { replay: tape });
    expect(again.stale).toBeUndefined();
    expect(again.failure?.steps).toEqual(failure!.steps);
  });

  test('of code that has moved is a stale tape, not a pass', () => {
    const one = named('lost update');
    const tape = explore(one).failure!.replay.split(' ').at(-1)!;
    const other = explore(named('atomic update'), { replay: tape });
    expect(other.stale).toBeDefined();
    expect(showExploration(other)).toContain('stale tape');
    const changed = tape.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    expect(explore(one, { replay: changed }).stale).toBe(0);
  });

  test('is told as a table with a column per thread and one line to replay it', () => {
    const text = showStory(explore(named('message passing with a plain flag')).failure!);
    expect(text).toContain('data race: sender write at');
    expect(text).toMatch(/^ +sender +receiver +source$/m);
    expect(text).toMatch(/^\* bytes /m);
    expect(text).toMatch(/^replay: covisor races \S+litmus\.ts --scenario '.*' --replay [\w.]+$/m);
  });

  test('is plain data', () => {
    const { failure } = explore(named('lost update'));
    expect(JSON.parse(JSON.stringify(failure))).toEqual({ ...failure, race: undefined });
  });

  test('word that is no tape is refused', () => {
    expect(() => explore(named('lost update'), { replay: 'rubbish' })).toThrow(/not a tape/);
  });
});

test('the same seed walks the same way', () => {
  const walk = (seed: number): Exploration =>
    explore(named('store buffering'), { strategy: 'random-walk', maxRuns: 300, seed });
  expect(walk(7).outcomes).toEqual(walk(7).outcomes);
  expect(walk(7).outcomes).not.toEqual(walk(8).outcomes);
});
