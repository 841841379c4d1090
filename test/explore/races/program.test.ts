import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { explore, type Exploration, type ExploreOptions } from '../../../src/explore/races/explore.ts';
import { loadScenarios } from '../../../src/explore/races/load.ts';

const path = fileURLToPath(new URL('fixtures/module.ts', import.meta.url));

/** Explores the first scenario of a module with this text. */
async function run(text: string, options?: ExploreOptions): Promise<Exploration> {
  const [one] = await loadScenarios(path, { edit: (file, shipped) => (file === path ? text : shipped) });
  return explore(one!, options);
}

/** Two threads that do `a` and `b` with `words`, eight shared words; the outcome is what is in the first three. */
const two = (a: string, b: string, before = ''): string => `${before}
export const scenarios = { one: {
  setup: () => ({ words: new Int32Array(new SharedArrayBuffer(32)), own: [0, 0] }),
  threads: {
    a({ words, own }) { ${a} },
    b({ words, own }) { ${b} },
  },
  outcome: ({ words, own }) => [...words.slice(0, 3), ...own].join(' '),
} };`;

const outcomesOf = async (text: string): Promise<string[]> =>
  Object.keys((await run(text, { races: false })).outcomes);

describe('what is rewritten means what it meant', () => {
  test.each([
    ['a compound assignment', 'words[0] = 5; words[0] += 2; words[0] *= 3;', '21 0 0 0 0'],
    ['steps before and after', 'words[0] = 5; own[0] = words[0]++; own[1] = ++words[0];', '7 0 0 5 7'],
    ['operands with effects, once each', 'let i = 0; words[i++] = i++; words[i++] = i;', '1 0 3 0 0'],
    ['a logical assignment', 'words[0] ||= 4; words[0] &&= 6; words[1] ??= 9;', '6 0 0 0 0'],
    [
      'an atomic with nested atomics',
      'Atomics.add(words, Atomics.add(words, 0, 1), Atomics.load(words, 0) + 2);',
      '4 0 0 0 0',
    ],
    [
      'fill, set and copyWithin',
      'words.fill(3, 0, 2); words.set([8], 1); words.copyWithin(2, 1, 2);',
      '3 8 8 0 0',
    ],
    [
      'a data view',
      'const view = new DataView(words.buffer); view.setInt32(0, 7, true); own[0] = view.getInt32(0, true);',
      '7 0 0 7 0',
    ],
    [
      'functions in functions',
      'const put = (at, value) => { words[at] = value; return value; }; own[0] = put(0, put(1, 2) + 1);',
      '3 2 0 3 0',
    ],
    [
      'loops, labels and exceptions',
      'outer: for (let i = 0; i < 3; i++) { try { if (i === 1) throw new Error(); words[i] = i + 1; } catch { continue outer; } finally { own[0]++; } }',
      '1 0 3 3 0',
    ],
    [
      'optional calls',
      'const o = { put() { words[0] = 4; } }; const n = undefined; o?.put(); o.put?.(); n?.put(); own[0] = 1;',
      '4 0 0 1 0',
    ],
    [
      'an exception that crosses functions',
      'const f = () => { words[0] = 1; throw new Error("x"); }; try { f(); } catch (error) { own[0] = error.message.length; }',
      '1 0 0 1 0',
    ],
  ])('%s', async (_name, body, expected) => {
    expect(await outcomesOf(two(body, ''))).toEqual([expected]);
  });

  test('classes, private members, accessors, inheritance', async () => {
    const text = two(
      'const c = new D(words); c.put(2); own[0] = c.twice; c.value = 5; own[1] = D.of(words);',
      '',
      `class C {
        #words;
        constructor(words) { this.#words = words; }
        #raw(value) { this.#words[0] = value; }
        put(value) { this.#raw(value + 1); }
        get twice() { return Atomics.load(this.#words, 0) * 2; }
        set value(value) { Atomics.store(this.#words, 1, value); }
        static of(words) { return Atomics.load(words, 1); }
      }
      class D extends C { put(value) { super.put(value * 10); } }`,
    );
    expect(await outcomesOf(text)).toEqual(['21 5 0 42 5']);
  });

  test('a torn increment loses an update, an atomic one does not', async () => {
    expect(await outcomesOf(two('words[0]++;', 'words[0]++;'))).toEqual(['1 0 0 0 0', '2 0 0 0 0']);
    expect(await outcomesOf(two('Atomics.add(words, 0, 1);', 'Atomics.add(words, 0, 1);'))).toEqual([
      '2 0 0 0 0',
    ]);
  });
});

test('a module may be named .mjs, too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'covisor-races-'));
  const named = join(folder, 'module.mjs');
  writeFileSync(named, two('words[0]++;', 'words[0]++;'));
  const [one] = await loadScenarios(named);
  rmSync(folder, { recursive: true });
  expect(Object.keys(explore(one!, { races: false }).outcomes)).toEqual(['1 0 0 0 0', '2 0 0 0 0']);
});

describe('what cannot be checked is refused, with its place', () => {
  test.each([
    ['Atomics as a value', two('const { load } = Atomics;', ''), /module\.ts:5: uses Atomics as a value/],
    [
      'a variable of the module',
      two('count = 1;', '', 'let count = 0;'),
      /module\.ts:5: a thread writes the module's variable count/,
    ],
    ['a syntax error', 'const = 1;', /module\.ts:1: /],
    ['an import that leads nowhere', "import './nowhere.ts';", /module\.ts:1: imports \.\/nowhere\.ts/],
    [
      'an import that cannot be loaded',
      "import 'no-such-package'; use();",
      /module\.ts:1: imports no-such-pack/,
    ],
    [
      'a module that throws',
      "throw new Error('early\\nlate');",
      /module\.ts:1: cannot be loaded: early; expected/,
    ],
    ['no scenarios', 'export const x = 1;', /exports no scenarios/],
  ])('%s, when it is read', async (_name, text, message) => {
    await expect(run(text)).rejects.toThrow(message);
  });

  test.each([
    ['a callback', '[0].forEach((i) => { words[i] = 1; });', /module\.ts:5: touches shared memory in/],
    ['a constructor', 'new (class { constructor() { words[0] = 1; } })();', /in a constructor/],
    ['a spread', 'own.push(...words);', /in a spread, a pattern or a for…of/],
    ['a for…of', 'for (const word of words) own[0] += word;', /in a spread, a pattern or a for…of/],
    ['a method that walks the view', 'words.forEach(() => {});', /calls forEach\(\) on shared memory/],
    [
      'a promise of something else',
      'return (async () => { await Promise.resolve(); words[0] = 1; })();',
      /module\.ts:5/,
    ],
  ])('%s, when a thread gets there', async (_name, body, message) => {
    await expect(run(two(body, ''))).rejects.toThrow(message);
  });
});

describe('data races', () => {
  const race = async (a: string, b: string): Promise<string | undefined> =>
    (await run(two(a, b))).failure?.kind;

  test.each([
    ['two plain writes', 'words[0] = 1;', 'words[0] = 2;', 'race'],
    ['two plain reads', 'own[0] = words[0];', 'own[1] = words[0];', undefined],
    ['a plain write and an atomic read', 'words[0] = 1;', 'Atomics.load(words, 0);', 'race'],
    ['atomics of one size', 'Atomics.store(words, 0, 1);', 'Atomics.store(words, 0, 2);', undefined],
    [
      'atomics of two sizes',
      'Atomics.store(words, 0, 1);',
      'Atomics.store(new Int8Array(words.buffer), 1, 2);',
      'race',
    ],
    ['a long and a short one', 'words.fill(1);', 'words[7] = 2;', 'race'],
    ['neighbours', 'words[0] = 1;', 'words[1] = 2;', undefined],
    [
      'neighbouring bytes',
      'new Int8Array(words.buffer)[0] = 1;',
      'new Int8Array(words.buffer)[1] = 2;',
      undefined,
    ],
    ['eight bytes and four', 'new BigInt64Array(words.buffer)[0] = 1n;', 'own[0] = words[1];', 'race'],
    [
      'a flag of one byte orders',
      'words[1] = 1; Atomics.store(new Int8Array(words.buffer), 0, 1);',
      'if (Atomics.load(new Int8Array(words.buffer), 0) === 1) own[0] = words[1];',
      undefined,
    ],
    [
      'an older write to the same flag does not',
      'words[1] = 1; Atomics.store(words, 0, 1);',
      'Atomics.store(words, 0, 2); if (Atomics.load(words, 0) === 2) own[0] = words[1];',
      'race',
    ],
    [
      'a compare-and-exchange that fails publishes nothing',
      'words[1] = 1; Atomics.compareExchange(words, 0, 9, 1);',
      'Atomics.load(words, 0); own[0] = words[1];',
      'race',
    ],
  ])('%s', async (_name, a, b, expected) => {
    expect(await race(a, b)).toBe(expected);
  });
});

describe('waiting and waking', () => {
  test('a notification that comes too early is a lost wake-up', async () => {
    const { failure } = await run(
      two('Atomics.notify(words, 0); Atomics.store(words, 0, 1);', 'Atomics.wait(words, 0, 0);'),
    );
    expect(failure?.kind).toBe('lost wake-up');
    expect(failure?.what).toContain('its word was changed, and nobody woke it');
  });

  test('two that wait for each other are a deadlock', async () => {
    const { failure } = await run(two('Atomics.wait(words, 0, 0);', 'Atomics.wait(words, 1, 0);'));
    expect(failure?.kind).toBe('deadlock');
  });

  test('a wait with a timeout returns in every way that it can', async () => {
    const text = two(
      "own[0] = { ok: 1, 'timed-out': 2, 'not-equal': 3 }[Atomics.wait(words, 0, 0, 10)];",
      'Atomics.store(words, 0, 1); own[1] = Atomics.notify(words, 0);',
    );
    expect(await outcomesOf(text)).toEqual(['1 0 0 1 1', '1 0 0 2 0', '1 0 0 3 0']);
  });

  test('those who came first are woken first', async () => {
    const text = two(
      'Atomics.store(words, 1, 1); own[0] = Atomics.wait(words, 0, 0) === "ok" ? 1 : 0; Atomics.notify(words, 0);',
      'own[1] = Atomics.wait(words, 0, 0) === "ok" ? 1 : 0;',
    ).replace('b({', 'c({ words }) { while (Atomics.notify(words, 0, 1) === 0) Atomics.pause(); }, b({');
    expect((await run(text, { races: false, maxSteps: 200, maxRuns: 200 })).failure?.kind ?? 'deadlock').toBe(
      'deadlock',
    );
  });

  test('a loop that never ends is reported, with what to do', async () => {
    const { failure } = await run(two('for (let i = 0; ; i++) Atomics.load(words, i % 2);', ''), {
      maxSteps: 100,
    });
    expect(failure?.kind).toBe('stuck');
    expect(failure?.what).toContain('put pause() into a loop that waits');
  });
});
