import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunReport } from '../../src/contract/report.ts';
import { RUNTIMES } from '../rig.ts';
import { SYSTEM, Systems, domainFile, guest, saidBy, type Files, type Main } from '../toolstack/systems.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const contributing = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8');
/** A copy of the sources, in which the guide is followed to the letter. */
const copy = join(root, 'build', `contributing-${process.pid}`);
const systems = new Systems();

let main: Main;

beforeAll(async () => {
  const parts = ['src', 'workers', 'machines', 'examples', 'build/firmware', 'package.json', 'tsconfig.json'];
  for (const part of parts) cpSync(join(root, part), join(copy, part), { recursive: true });

  expect(follow('Add a platform')).toEqual(['src/platforms/npu/index.ts']);
  edit('src/platforms/index.ts', /^import dsp/m, `import npu from './npu/index.ts';\nimport dsp`);
  edit('src/platforms/index.ts', '[gpu', '[npu, gpu');

  expect(follow('Add a scheduler')).toEqual(['src/schedulers/long-turns.ts']);
  const line = /^ *('long-turns': .*\},)$/m.exec(section('Add a scheduler'))?.[1] ?? '';
  edit('src/schedulers/index.ts', /^import/m, `import { longTurns } from './long-turns.ts';\nimport`);
  edit('src/schedulers/index.ts', /^export const schedulers.*\{$/m, `$&\n  ${line}`);

  const kernel = 'src/firmware/kernels/sum';
  expect(follow('Add a firmware')).toEqual([`${kernel}/firmware.ts`, `${kernel}/kernel.json`]);
  node('src/firmware/build.mjs', '--only', 'sum');

  const cockpit = 'examples/cockpit';
  expect(follow('Add a guest')).toEqual([`${cockpit}/guests/archive.ts`, `${cockpit}/domains/archive.cfg`]);

  const cli = pathToFileURL(join(copy, 'src/toolstack/cli.ts')).href;
  ({ main } = (await import(cli)) as { main: Main });
});
afterAll(() => {
  rmSync(copy, { recursive: true, force: true });
  systems.remove();
});

const section = (heading: string): string =>
  contributing.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';

/** Writes each block of a section that stands below the name of its file. Returns the names. */
function follow(heading: string): string[] {
  const blocks = [...section(heading).matchAll(/^`([^`]+)`[^\n]*:\n\n```\w*\n([^]*?)^```$/gm)];
  return blocks.map(([, file, text]) => {
    mkdirSync(dirname(join(copy, file!)), { recursive: true });
    writeFileSync(join(copy, file!), text!);
    return file!;
  });
}

function edit(file: string, from: RegExp | string, to: string): void {
  const before = readFileSync(join(copy, file), 'utf8');
  const after = before.replace(from, to);
  expect(after, `${String(from)} in ${file}`).not.toBe(before);
  writeFileSync(join(copy, file), after);
}

function node(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: copy, encoding: 'utf8' });
  expect(status, stdout + stderr).toBe(0);
  return stdout;
}

async function covisor(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await saidBy(main, args);
  expect(code, stdout + stderr).toBe(0);
  return stdout;
}

const run = async (folder: string, ...more: string[]): Promise<RunReport> =>
  JSON.parse(await covisor('run', folder, ...more, '--json', '--quiet', '--no-files')) as RunReport;

/** The files of a system whose right domain has nothing to do. */
const alone = (changes: Files): string =>
  systems.make({ 'domains/right.cfg': undefined, 'guests/right.js': undefined, ...changes });

test.each(['Add a platform', 'Add a scheduler', 'Add a firmware', 'Add a guest'])(
  '"%s" stays below a page',
  (heading) => {
    expect(section(heading)).not.toBe('');
    expect(section(heading).split('\n').length).toBeLessThan(66);
  },
);

describe('adding a platform', () => {
  test('makes it known', async () => {
    expect(await covisor('list-platforms')).toContain('example,npu ');
  });

  test.each(RUNTIMES)('lets a system share it on the %s runtime', async (runtime) => {
    const reads = guest(
      `const npu = domain.coproc('gpu0');
       await npu.submit({ op: 1 });
       const { status } = await npu.submit({ op: 1 });
       const seen = [status, npu.registers.read(0), npu.registers.read(0x10)].join();
       domain.verify('registers', () => ({ ok: seen === 'ok,' + 0x4e500001 + ',1', detail: seen }));`,
    );
    const system = SYSTEM.replace('covisor,tile-gpu', 'example,npu');
    const report = await run(
      systems.make({ 'system.dts': system, 'guests/left.js': reads }),
      '--runtime',
      runtime,
    );
    expect(report.domains[0]?.results).toEqual([expect.objectContaining({ ok: true })]);
    expect(report).toMatchObject({ ok: true, coprocs: [{ platform: 'example,npu' }] });
  });
});

describe('adding a scheduler', () => {
  const system = SYSTEM.replace('round-robin', 'long-turns');
  const spins = guest(`await domain.coproc('gpu0').submit({ op: 4, args: [Number(domain.args.steps)] });`);
  const spinner = (name: string, turns: number, steps: number): string =>
    domainFile(name, `extra = "steps=${steps}"\n`).replace('noop', `spin, turns=${turns}`);
  const spinning = (steps: number): Files => ({
    'system.dts': system,
    'domains/left.cfg': spinner('left', 3, steps),
    'domains/right.cfg': spinner('right', 1, steps),
    'guests/left.js': spins,
    'guests/right.js': spins,
  });

  test('makes it known', async () => {
    expect(await covisor('list-schedulers')).toContain('long-turns ');
  });

  test.each(RUNTIMES)('lets a system decide with it on the %s runtime', async (runtime) => {
    const report = await run(systems.make(spinning(100)), '--runtime', runtime);
    expect(report).toMatchObject({ ok: true, coprocs: [{ scheduler: 'long-turns' }] });
  });

  test('gives what its parameter asks for', async () => {
    const report = await run(systems.make(spinning(1_000_000)), '--runtime', 'simulated', '--for', '40ms');
    const [left, right] = report.vcoprocs.map(({ time }) => time);
    expect(left! / right!).toBeGreaterThan(2.5);
    expect(left! / right!).toBeLessThan(3.5);
  });

  test('refuses what its parameter cannot be', async () => {
    const wrong = { ...spinning(1), 'domains/left.cfg': spinner('left', 17, 1) };
    const { code, stderr } = await saidBy(main, ['run', systems.make(wrong)]);
    expect(code).toBe(2);
    expect(stderr).toContain('turns=17; expected a whole number from 1 to 16');
  });
});

describe('adding a firmware', () => {
  test('makes it known', async () => {
    expect(await covisor('list-firmware')).toMatch(/^sum +64 KiB, sha256 [0-9a-f]{64}$/m);
  });

  test.each(RUNTIMES)('lets a domain use it on the %s runtime', async (runtime) => {
    const adds = guest(
      `const gpu = domain.coproc('gpu0');
       const buffer = domain.memory.allocate(4000);
       const words = new Uint32Array(buffer.bytes.buffer, buffer.bytes.byteOffset, 1000);
       let expected = 0;
       for (let at = 0; at < 1000; at++) expected = (expected + (words[at] = domain.random.below(2 ** 31))) >>> 0;
       const { results } = await gpu.submit({ op: 1, args: [gpu.map(buffer, 'read'), 1000] });
       domain.verify('sum', () => ({ ok: results[0] >>> 0 === expected, detail: String(expected) }));`,
    );
    const files = { 'domains/left.cfg': domainFile('left').replace('noop', 'sum'), 'guests/left.js': adds };
    const report = await run(alone(files), '--runtime', runtime);
    expect(report).toMatchObject({ ok: true, vcoprocs: [{ firmware: 'sum' }] });
    expect(report.domains[0]?.results).toEqual([expect.objectContaining({ what: 'sum', ok: true })]);
  });
});

describe('adding a guest', () => {
  test.each(RUNTIMES)('lets it run on the %s runtime', async (runtime) => {
    const report = await run(join(copy, 'examples/cockpit'), 'archive', '--runtime', runtime);
    expect(report.ok).toBe(true);
    expect(report.domains).toMatchObject([
      { name: 'archive', state: 'finished', results: [{ ok: true, what: 'the checksum is right' }] },
    ]);
  });
});

test('what the guide shows has the right types', () => {
  writeFileSync(
    join(copy, 'guide.json'),
    JSON.stringify({
      extends: './tsconfig.json',
      include: [],
      files: [
        'src/platforms/npu/index.ts',
        'src/schedulers/long-turns.ts',
        'examples/cockpit/guests/archive.ts',
      ],
    }),
  );
  node(join(root, 'node_modules/typescript/bin/tsc'), '-p', 'guide.json');
});
