import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { levels } from '../../.config/layers.mjs';
const root = fileURLToPath(new URL('../..', import.meta.url));
/** Checks a tree of `path: source` with the rules of the house; returns what broke, as `from -> to: rule`. */
function check(tree) {
  const copy = mkdtempSync(join(tmpdir(), 'layers-'));
  for (const file of ['package.json', 'tsconfig.json']) copyFileSync(join(root, file), join(copy, file));
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  for (const [path, source] of Object.entries(tree)) {
    mkdirSync(join(copy, dirname(path)), { recursive: true });
    writeFileSync(join(copy, path), source);
  }
  const command = join(root, 'node_modules', 'dependency-cruiser', 'bin', 'dependency-cruise.mjs');
  const rules = join(root, '.config', 'layers.mjs');
  const tops = [...new Set(Object.keys(tree).map((path) => path.split('/')[0] ?? path))];
  const run = spawnSync(process.execPath, [command, '-c', rules, '-T', 'json', ...tops], {
    cwd: copy,
    encoding: 'utf8',
  });
  rmSync(copy, { recursive: true });
  expect(run.stderr).toBe('');
  return JSON.parse(run.stdout).summary.violations;
}
const take = (...paths) =>
  paths.map((path, at) => `import * as it${at} from '${path}';\nexport const use${at} = it${at};\n`).join('');
describe('the layer rules', () => {
  const nothing = 'export const nothing = 0;\n';
  const rooms = {
    'src/base/a.ts': nothing,
    'src/contract/a.ts': take('../base/a.ts'),
    'src/memory/a.ts': take('../contract/a.ts', 'node:crypto'),
    'src/schedulers/a.ts': take('../contract/a.ts'),
    'machines/a.ts': take('../src/contract/a.ts', 'xstate'),
    'src/hypervisor/a.ts': take('../memory/a.ts', '../../machines/a.ts'),
    'src/runtime/a.ts': take('../hypervisor/a.ts'),
    'src/observe/a.ts': take('../runtime/a.ts', '../base/a.ts'),
    'src/toolstack/a.ts': take('../observe/a.ts', 'commander'),
    'src/index.ts': take('./toolstack/a.ts', './contract/a.ts'),
    'workers/a.ts': take('../src/runtime/a.ts'),
    'test/house/a.ts': take('../../src/toolstack/a.ts', 'fast-check'),
    'examples/board/guest.ts': take('../../src/contract/a.ts', '../../src/base/a.ts'),
    'examples/board/training/a.ts': take('../../../src/memory/a.ts', 'mnist'),
  };
  const planted = {
    'src/base/up.ts': take('../contract/a.ts'),
    'src/contract/host.ts': take('node:fs'),
    'src/memory/neighbour.ts': take('../schedulers/a.ts'),
    'src/schedulers/neighbour.ts': take('../../machines/a.ts'),
    'machines/up.ts': take('../src/hypervisor/a.ts'),
    'src/hypervisor/up.ts': `import type * as runtime from '../runtime/a.ts';\nexport type Up = typeof runtime;\n`,
    'src/observe/up.ts': take('../index.ts'),
    'src/toolstack/neighbour.ts': take('../../workers/a.ts'),
    'src/toolstack/tests.ts': take('../../test/house/a.ts'),
    'src/toolstack/package.ts': take('fast-check'),
    'src/toolstack/nowhere.ts': take('./not-here.ts'),
    'src/memory/there.ts': `import type { Back } from './back.ts';\nexport type There = Back;\n`,
    'src/memory/back.ts': `import type { There } from './there.ts';\nexport type Back = There;\n`,
    'examples/board/curious.ts': take('../../src/hypervisor/a.ts'),
  };
  let found;
  beforeAll(() => {
    found = check({ ...rooms, ...planted });
  });
  test('let a house through that keeps them', () => {
    expect(found.filter(({ from }) => from in rooms)).toEqual([]);
  });
  test.each([
    ['src/base/up.ts', 'src/contract/a.ts', 'src/base-imports-down'],
    ['src/contract/host.ts', 'fs', 'pure-rooms-have-no-host'],
    ['src/memory/neighbour.ts', 'src/schedulers/a.ts', 'src/memory-imports-down'],
    ['src/schedulers/neighbour.ts', 'machines/a.ts', 'src/schedulers-imports-down'],
    ['machines/up.ts', 'src/hypervisor/a.ts', 'machines-imports-down'],
    ['src/hypervisor/up.ts', 'src/runtime/a.ts', 'src/hypervisor-imports-down'],
    ['src/observe/up.ts', 'src/index.ts', 'src/observe-imports-down'],
    ['src/toolstack/neighbour.ts', 'workers/a.ts', 'src/toolstack-imports-down'],
    ['src/toolstack/tests.ts', 'test/house/a.ts', 'src/toolstack-imports-down'],
    ['src/toolstack/package.ts', 'node_modules/fast-check', 'shipped-code-needs-shipped-packages'],
    ['src/toolstack/nowhere.ts', './not-here.ts', 'imports-resolve'],
    ['src/memory/back.ts', 'src/memory/there.ts', 'no-cycles'],
    ['examples/board/curious.ts', 'src/hypervisor/a.ts', 'guests-know-the-contract-only'],
  ])('refuse that %s imports %s', (from, to, rule) => {
    const fired = found.filter((violation) => violation.from === from && new RegExp(to).test(violation.to));
    expect(fired.map((violation) => violation.rule.name)).toContain(rule);
  });
  test('give each folder of src a level', () => {
    const known = levels.flat();
    const homeless = readdirSync(join(root, 'src'), { withFileTypes: true })
      .filter((entry) => entry.isDirectory() && !known.includes(`src/${entry.name}`))
      .map((entry) => entry.name);
    expect(homeless, 'give the folder a level in .config/layers.mjs, in CONTRIBUTING.md too').toEqual([]);
  });
});
