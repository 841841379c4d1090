import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { explore } from '../../../src/explore/races/explore.ts';
import { loadScenarios, type CheckedScenario } from '../../../src/explore/races/load.ts';

const path = fileURLToPath(new URL('fixtures/module.ts', import.meta.url));

async function program(threads: readonly (readonly string[])[]): Promise<CheckedScenario> {
  const bodies = threads.map(
    (steps, thread) => `t${thread}({ words, seen }) { const log = seen[${thread}]; ${steps.join(' ')} }`,
  );
  const text = `export const scenarios = { one: {
    setup: () => ({ words: new Int32Array(new SharedArrayBuffer(8)), seen: [${threads.map(() => '[]').join()}] }),
    threads: { ${bodies.join(', ')} },
    outcome: ({ words, seen }) => [words[0], words[1], ...seen.map((log) => log.join())].join(' '),
  } };`;
  const [one] = await loadScenarios(path, { edit: (file, shipped) => (file === path ? text : shipped) });
  return one!;
}

const word = fc.integer({ min: 0, max: 1 });
const value = fc.integer({ min: 0, max: 2 });
const step = fc.oneof(
  word.map((at) => `log.push(Atomics.load(words, ${at}));`),
  fc.tuple(word, value).map(([at, to]) => `Atomics.store(words, ${at}, ${to});`),
  word.map((at) => `log.push(Atomics.add(words, ${at}, 1));`),
  fc
    .tuple(word, value, value)
    .map(([at, from, to]) => `log.push(Atomics.compareExchange(words, ${at}, ${from}, ${to}));`),
  fc.tuple(word, value).map(([at, to]) => `words[${at}] = ${to};`),
  fc.tuple(word, value).map(([at, from]) => `log.push(Atomics.wait(words, ${at}, ${from}, 5)[0]);`),
  word.map((at) => `log.push(Atomics.notify(words, ${at}, 1));`),
  fc
    .tuple(word, word)
    .map(([at, other]) => `if (Atomics.load(words, ${at}) === 0) Atomics.store(words, ${other}, 2);`),
);

test(
  'the reduction has the outcomes of the naive search, whatever the program',
  { timeout: 120_000 },
  async () => {
    const threads = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(threads, async (bodies) => {
        const one = await program(bodies);
        const options = { races: false, keepGoing: true, shrinkEffort: 0, maxRuns: 200_000 };
        const naive = explore(one, { ...options, strategy: 'depth-first' });
        const reduced = explore(one, options);
        expect(naive.complete && reduced.complete).toBe(true);
        expect(Object.keys(reduced.outcomes)).toEqual(Object.keys(naive.outcomes));
        expect(reduced.runs).toBeLessThanOrEqual(naive.runs);
      }),
      { numRuns: Number(process.env['COVISOR_PROGRAMS'] ?? 60) },
    );
  },
);

test(
  'a data race is found under the reduction exactly when the naive search finds one',
  { timeout: 120_000 },
  async () => {
    const threads = fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 2 });
    await fc.assert(
      fc.asyncProperty(threads, async (bodies) => {
        const one = await program(bodies);
        const naive = explore(one, { strategy: 'depth-first', shrinkEffort: 0 });
        expect(explore(one, { shrinkEffort: 0 }).failure?.kind).toBe(naive.failure?.kind);
      }),
      { numRuns: 60 },
    );
  },
);
