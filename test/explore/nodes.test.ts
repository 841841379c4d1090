import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readRecords } from '../../src/explore/records.ts';

// COVISOR_NODES=/path/to/node22:/path/to/node24 npx vitest run test/explore/nodes.test.ts
const others = (process.env['COVISOR_NODES'] ?? '').split(':').filter((path) => path !== '');
const SEEDS = process.env['COVISOR_NODES_SEEDS'] ?? '1..200';
const root = fileURLToPath(new URL('../..', import.meta.url));

/** What each seed of a campaign did, under one Node: a line with steps, events, virtual time and a number for all of it. */
function runs(node: string): string[] {
  const out = mkdtempSync(join(tmpdir(), 'covisor-nodes-'));
  const campaign = ['explore', 'small', '--seeds', SEEDS, '--jobs', '1', '--quiet', '--out', out];
  const { status, stderr } = spawnSync(node, ['--import', 'tsx', 'src/toolstack/main.ts', ...campaign], {
    cwd: root,
    encoding: 'utf8',
  });
  const records = [...readRecords(out).values()].sort((a, b) => a.seed - b.seed);
  rmSync(out, { recursive: true });
  expect([status, stderr]).toEqual([0, '']);
  return records.map(
    ({ seed, steps, events, length, fingerprint }) => `${seed}: ${steps} ${events} ${length} ${fingerprint}`,
  );
}

test('the same seed does the same on every Node', { timeout: 1_800_000 }, (context) => {
  if (others.length === 0) context.skip('COVISOR_NODES names no other Node; see docs/explore.md');
  const here = runs(process.execPath);
  expect(here.length).toBeGreaterThan(0);
  for (const node of others) expect(runs(node), node).toEqual(here);
});
