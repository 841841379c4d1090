import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { runReportSchema } from '../../src/observe/json-schema.ts';
import { checkLaws } from '../../src/observe/laws.ts';
import type { RunReport } from '../../src/contract/report.ts';
import { RUNTIMES } from '../rig.ts';
import { Systems, covisor, guest } from './systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

const PNG = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 1);
const JPEG = Uint8Array.of(0xff, 0xd8, 0xff, 2);

/** What `--json` printed, held to its schema and its laws. */
function reportOf(stdout: string): RunReport {
  const report: unknown = JSON.parse(stdout);
  expect(runReportSchema.parse(report)).toEqual(report);
  expect(checkLaws(report as RunReport)).toEqual([]);
  return report as RunReport;
}

async function json(folder: string, ...more: string[]): Promise<RunReport> {
  const { stdout } = await covisor(['run', folder, '--json', '--quiet', '--no-files', ...more]);
  return reportOf(stdout);
}

describe.each(RUNTIMES)('run on the %s runtime', (runtime) => {
  test('prints a report that keeps its schema and every law', async () => {
    const folder = systems.make();
    const args = ['run', folder, '--json', '--quiet', '--no-files', '--runtime', runtime, '--seed', '-7'];
    const { code, stdout, stderr } = await covisor(args);
    expect([code, stderr]).toEqual([0, '']);
    const report = reportOf(stdout);
    expect(report).toMatchObject({ runtime, seed: -7, ok: true, model: 'tiny', report: null });
    expect(report.vcoprocs.map(({ id, commands }) => [id, commands.ok])).toEqual([
      ['left/gpu0', 3],
      ['right/gpu0', 3],
    ]);
    expect(report.domains[0]).toMatchObject({
      state: 'finished',
      results: [{ what: 'squares', ok: true, detail: '0,1,4' }],
      files: ['left/squares.txt'],
    });
  });

  test('ends with 1 when a domain crashes, and lets its neighbour finish', async () => {
    const folder = systems.make({ 'guests/left.js': guest(`throw new Error('on\\npurpose');`) });
    const { code, stdout, stderr } = await covisor(['run', folder, '--no-files', '--runtime', runtime]);
    expect(code).toBe(1);
    expect(stdout).toContain('FAIL left: crashed: Error: on purpose');
    expect(stdout).toContain('ok   right: squares: 0,1,4');
    expect(stderr).not.toContain('    at ');
  });

  test('ends with 1 when a result is wrong, and says which even when it is quiet', async () => {
    const wrong = guest(`
      domain.verify('sums', () => ({ ok: false, detail: 'one is\\noff' }));
      domain.verify('products', () => ({ ok: true, detail: 'all' }));`);
    const folder = systems.make({ 'guests/left.js': wrong });
    const { code, stdout, stderr } = await covisor([
      'run',
      folder,
      '--quiet',
      '--no-files',
      '--runtime',
      runtime,
    ]);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.split('\n').slice(0, 2)).toEqual([
      'covisor: 1 of 3 results wrong',
      'covisor: left: sums: one is off',
    ]);
    expect(stderr).not.toMatch(/products|squares/);
  });

  test('ends the domains after --for, which is no failure', async () => {
    const folder = systems.make({ 'guests/left.js': guest('for (;;) await domain.sleep(1e5);') });
    const report = await json(folder, '--for', '5ms', '--runtime', runtime);
    expect(report.ok).toBe(true);
    expect(report.domains[0]).toMatchObject({ name: 'left', state: 'destroyed' });
    expect(report.wall).toBeGreaterThanOrEqual(5e6);
  });

  test('runs only the domains that are named', async () => {
    const report = await json(systems.make(), 'right', '--runtime', runtime);
    expect(report.domains.map(({ name }) => name)).toEqual(['right']);
    expect(report.vcoprocs.map(({ id }) => id)).toEqual(['right/gpu0']);
  });
});

describe('chance and time', () => {
  test('the same seed gives the same trace, byte for byte, and the same figures', async () => {
    const chance = guest(
      `for (let i = 0; i < 9; i++) { await domain.sleep(1 + domain.random.below(1e6)); await domain.coproc('gpu0').submit({ op: 1 }); }`,
    );
    const folder = systems.make({ 'guests/left.js': chance });
    const tape = async (seed: string): Promise<string> => {
      const out = systems.path(`tape-${seed}`);
      await covisor(['run', folder, '--runtime', 'simulated', '--seed', seed, '--quiet', '--out', out]);
      return readFileSync(join(out, 'trace.jsonl'), 'utf8') + readFileSync(join(out, 'run.json'), 'utf8');
    };
    const first = await tape('3');
    expect(await tape('3')).toBe(first);
    expect((await tape('4')).replace('"seed": 4', '"seed": 3')).not.toBe(first);
  });

  test('a failure under virtual time says how to replay it', async () => {
    const folder = systems.make({ 'guests/left.js': guest('await new Promise(() => {});') });
    const { code, stdout, stderr } = await covisor([
      'run',
      folder,
      'left',
      '--no-files',
      '--runtime',
      'simulated',
      '--seed',
      '5',
    ]);
    expect(code).toBe(1);
    expect(stdout).toContain('it waits for something that nothing will bring');
    expect(stderr).toContain(`replay: covisor run ${folder} left --runtime simulated --seed 5\n`);
  });
});

describe('stdout is data, stderr is progress', () => {
  test('without --json, the summary is the data', async () => {
    const { code, stdout } = await covisor(['run', systems.make(), '--no-files']);
    expect(code).toBe(0);
    expect(stdout).toContain('ok   2 domains finished, 2 results right, all laws hold');
    expect(stdout).not.toContain('\u001b');
  });

  test('with --json, stdout is the document alone and the summary goes to stderr', async () => {
    const { stdout, stderr } = await covisor(['run', systems.make(), '--no-files', '--json']);
    reportOf(stdout);
    expect(stderr).toContain('2 domains finished');
  });

  test('with --quiet, a good run says nothing', async () => {
    const said = await covisor(['run', systems.make(), '--no-files', '--quiet']);
    expect(said).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('a terminal gets colours, and NO_COLOR takes them away', async () => {
    const args = ['run', systems.make(), '--no-files'];
    vi.stubEnv('NO_COLOR', '');
    expect((await covisor(args, { isTTY: true })).stdout).toContain('\u001b[32mok');
    vi.stubEnv('NO_COLOR', '1');
    const { stdout, stderr } = await covisor(args, { isTTY: true });
    vi.unstubAllEnvs();
    expect(stdout).not.toContain('\u001b');
    expect(stderr).not.toContain('\u001b[3');
  });
});

describe('--input', () => {
  const input = (name: string, bytes: Uint8Array): string => {
    writeFileSync(systems.path(name), bytes);
    return systems.path(name);
  };

  test.each([
    ['a PNG', 'mine.png', PNG, 'left'],
    ['a JPEG, whatever it is called,', 'mine.png.txt', JPEG, 'right'],
  ])('%s goes to the domain that takes it and to no other', async (_what, name, bytes, taker) => {
    const out = systems.path(`input-${taker}`);
    const path = input(name, bytes);
    const { code } = await covisor(['run', systems.make(), '--quiet', '--input', path, '--out', out]);
    expect(code).toBe(0);
    expect(new Uint8Array(readFileSync(join(out, taker, name)))).toEqual(bytes);
    expect(existsSync(join(out, taker === 'left' ? 'right' : 'left', name))).toBe(false);
  });

  test.each([
    ['a kind that no chosen domain takes', JPEG, /no domain that runs takes image\/jpeg; expected one of/],
    ['a file that is no picture', Uint8Array.of(1, 2, 3), /is neither PNG nor JPEG; expected one of/],
  ])('%s is refused', async (_what, bytes, line) => {
    const { code, stdout, stderr } = await covisor([
      'run',
      systems.make(),
      'left',
      '--no-files',
      '--input',
      input('odd', bytes),
    ]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(line);
  });
});

describe('--out', () => {
  const run = (folder: string, out: string) => covisor(['run', folder, '--quiet', '--out', out]);

  test('holds the page, the figures, the trace and each domain’s files', async () => {
    const out = systems.path('deep/new');
    expect((await run(systems.make(), out)).code).toBe(0);
    const files = readdirSync(out, { recursive: true, encoding: 'utf8' }).map(String).sort();
    expect(files).toEqual([
      'left',
      'left/squares.txt',
      'report.html',
      'right',
      'right/squares.txt',
      'run.json',
      'trace.jsonl',
    ]);
    reportOf(readFileSync(join(out, 'run.json'), 'utf8'));
  });

  test('is replaced when an earlier run wrote all of it', async () => {
    const out = systems.path('again');
    await run(systems.make(), out);
    const folder = systems.make({ 'guests/left.js': guest(`domain.write('other', new Uint8Array(1));`) });
    expect((await run(folder, out)).code).toBe(0);
    expect(readdirSync(join(out, 'left'))).toEqual(['other']);
  });

  test.each([
    ['notes.txt', 'beside a run'],
    ['left/notes.txt', 'among the files of a domain'],
  ])('is refused when it holds %s %s, which is still there afterwards', async (name) => {
    const out = systems.path(`with-${name.replace('/', '-')}`);
    await run(systems.make(), out);
    writeFileSync(join(out, name), 'dear');
    const before = readFileSync(join(out, 'run.json'), 'utf8');
    const { code, stderr } = await run(systems.make(), out);
    expect(code).toBe(2);
    expect(stderr).toContain(`holds ${name}, which no run wrote there; expected an empty folder`);
    expect(readFileSync(join(out, name), 'utf8')).toBe('dear');
    expect(readFileSync(join(out, 'run.json'), 'utf8')).toBe(before);
  });

  test('is refused when another program’s run.json is there, or a file stands in the way', async () => {
    const out = systems.path('foreign');
    mkdirSync(out);
    writeFileSync(join(out, 'run.json'), '{"scripts": {}}');
    expect(await run(systems.make(), out)).toMatchObject({ code: 2 });
    expect((await run(systems.make(), join(out, 'run.json', 'below'))).stderr).toMatch(
      /run\.json is not a folder; expected a new or empty one for --out\n$/,
    );
    expect(readFileSync(join(out, 'run.json'), 'utf8')).toBe('{"scripts": {}}');
  });
});
