import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

const careless = `import { setTimeout as wait } from 'node:timers/promises';
import { performance as clock } from 'node:perf_hooks';

export async function act(order: 'go' | 'stop'): Promise<number> {
  switch (order) {
    case 'go':
      await wait(1);
  }
  return Math.random() + Date.now() + clock.now() + performance.now() + Number(process.hrtime.bigint());
}

export function start(): void {
  act('go');
  setTimeout(() => {}, 1);
  setInterval(() => {}, 1);
  console.log('started');
}
`;

describe('the linter', () => {
  const copy = mkdtempSync(join(tmpdir(), 'lint-'));
  let found: string[] = [];

  beforeAll(() => {
    for (const file of ['package.json', 'tsconfig.json']) copyFileSync(join(root, file), join(copy, file));
    symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
    mkdirSync(join(copy, '.config'));
    copyFileSync(join(root, '.config', 'oxlint.json'), join(copy, '.config', 'oxlint.json'));
    for (const room of ['src/hypervisor', 'src/runtime/simulated', 'src/runtime/threads']) {
      mkdirSync(join(copy, room), { recursive: true });
      writeFileSync(join(copy, room, 'careless.ts'), careless);
    }
    const oxlint = join(root, 'node_modules', 'oxlint', 'bin', 'oxlint');
    const args = [oxlint, '-c', '.config/oxlint.json', '-f', 'unix', 'src'];
    const run = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' });
    found = run.stdout.split('\n');
  });
  afterAll(() => rmSync(copy, { recursive: true }));

  const hits = (room: string, rule: string, what = ''): string[] =>
    found.filter(
      (line) => line.startsWith(`src/${room}/`) && line.includes(`(${rule})`) && line.includes(what),
    );

  const clocks = [
    ['no-restricted-properties', 'Math.random'],
    ['no-restricted-properties', 'Date.now'],
    ['no-restricted-properties', 'process.hrtime'],
    ['no-restricted-globals', 'performance'],
    ['no-restricted-globals', 'setTimeout'],
    ['no-restricted-globals', 'setInterval'],
    ['no-restricted-imports', 'node:timers/promises'],
    ['no-restricted-imports', 'node:perf_hooks'],
  ] as const;

  test.each(clocks)('refuses by %s that the framework uses %s', (rule, what) => {
    expect(hits('hypervisor', rule, what)).toHaveLength(1);
    expect(hits('runtime/simulated', rule, what)).toHaveLength(1);
  });

  test('lets the threads runtime have the real clock', () => {
    expect(clocks.flatMap(([rule, what]) => hits('runtime/threads', rule, what))).toEqual([]);
  });

  test.each(['no-floating-promises', 'switch-exhaustiveness-check', 'no-console'])('knows %s', (rule) => {
    expect(hits('hypervisor', rule)).toHaveLength(1);
    expect(hits('runtime/threads', rule)).toHaveLength(1);
  });
});
