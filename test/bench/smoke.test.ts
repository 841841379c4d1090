import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { benches } from '../../bench/benches.ts';
import { spread, type Result } from '../../bench/harness/race.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const out = mkdtempSync(join(tmpdir(), 'bench-'));
let status: number | null = null;
let printed = '';

beforeAll(() => {
  const args = ['--import', 'tsx', 'bench/main.ts', '--smoke', '--out', out];
  const run = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  status = run.status;
  printed = run.stdout + run.stderr;
}, 120_000);
afterAll(() => rmSync(out, { recursive: true }));

test('every benchmark runs to its end', () => {
  expect(status, printed).toBe(0);
  for (const { name } of benches) expect(printed).toContain(`\n${name}: `);
});

test('each figure stands in the JSON with a ratio against something measured beside it', () => {
  const { results } = JSON.parse(readFileSync(join(out, 'bench.json'), 'utf8')) as { results: Result[] };
  expect(results.length).toBeGreaterThan(8);
  for (const { title, figures, answers } of results) {
    for (const [name, { median, least, most }] of Object.entries(figures)) {
      expect(median, `${title}: ${name}`).toBeGreaterThan(0);
      expect([least <= median, median <= most]).toEqual([true, true]);
    }
    for (const { of, to, ratio } of answers) {
      expect([of in figures, to in figures]).toEqual([true, true]);
      expect(Number.isFinite(ratio.median)).toBe(true);
    }
  }
});

test('each goal has its bar in the picture', () => {
  const { results } = JSON.parse(readFileSync(join(out, 'bench.json'), 'utf8')) as { results: Result[] };
  const goals = results.flatMap(({ answers }) => answers).filter(({ goal }) => goal !== undefined);
  const bars = readFileSync(join(out, 'bench.svg'), 'utf8').match(/opacity="0.8"/g);
  expect(bars).toHaveLength(goals.length);
});

test('a bench that there is not is named, with those that there are', () => {
  const args = ['--import', 'tsx', 'bench/main.ts', '--only', 'nothing'];
  const run = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
  expect([run.status, run.stderr.trim()]).toEqual([
    2,
    `no bench nothing; there are ${benches.map(({ name }) => name).join(', ')}`,
  ]);
});

test('a spread is a median within its range', () => {
  expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, most: 3, samples: 3 });
  expect(spread([4, 1])).toEqual({ median: 2.5, least: 1, most: 4, samples: 2 });
});
