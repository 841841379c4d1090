import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { RunReport } from '../../../src/contract/report.ts';
import { compileWat } from '../../firmware/wat.ts';
import { Systems, covisor } from '../systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());
const template = new URL('../../../src/toolstack/template/', import.meta.url);

describe('init', () => {
  it.each(['threads', 'simulated'])('makes a system that runs at once, on %s', async (runtime) => {
    const folder = systems.path(`new-${runtime}`);
    expect(await covisor(['init', folder])).toMatchObject({ code: 0, stdout: '' });
    expect(readFileSync(join(folder, 'system.dts'), 'utf8')).toContain(`model = "new-${runtime}"`);
    const ran = await covisor(['run', folder, '--runtime', runtime, '--no-files']);
    expect([ran.code, ran.stderr]).toEqual([0, expect.not.stringContaining('Error')]);
    expect(ran.stdout).toContain('ok   ada: sums: 20 sums of 1 to 30000');
    expect(ran.stdout).toContain('ok   bob: sums: 20 sums of 1 to 60000');
  });

  it('brings a scheduler that decides as soon as the system names it', async () => {
    const folder = systems.path('scheduled');
    expect(await covisor(['init', folder])).toMatchObject({ code: 0 });
    const system = join(folder, 'system.dts');
    const named = readFileSync(system, 'utf8').replace('"credit"', '"./schedulers/turns.js"');
    writeFileSync(system, named);
    const ran = await covisor(['run', folder, '--runtime', 'simulated', '--no-files', '--json', '--quiet']);
    expect(ran.code).toBe(0);
    const { coprocs, vcoprocs } = JSON.parse(ran.stdout) as RunReport;
    expect(coprocs.map(({ scheduler }) => scheduler)).toEqual(['turns']);
    expect(vcoprocs.every(({ commands }) => commands.ok > 0)).toBe(true);
  });

  it.each(['threads', 'simulated'])(
    'brings a platform that runs guest, firmware and scheduler of the folder on %s',
    async (runtime) => {
      const folder = systems.path(`own-${runtime}`);
      expect(await covisor(['init', folder])).toMatchObject({ code: 0 });
      const system = join(folder, 'system.dts');
      const own = '"./schedulers/turns.js"; platform = "./platforms/engine.js"';
      writeFileSync(system, readFileSync(system, 'utf8').replace('"credit"', own));
      const ran = await covisor(['run', folder, '--runtime', runtime, '--no-files', '--json', '--quiet']);
      expect([ran.code, ran.stderr]).toEqual([0, '']);
      const { coprocs, vcoprocs } = JSON.parse(ran.stdout) as RunReport;
      expect(coprocs).toMatchObject([{ platform: 'example,engine', scheduler: 'turns' }]);
      expect(vcoprocs.map(({ commands }) => commands.ok)).toEqual([20, 20]);
    },
  );

  it('says how to run it in words that a shell takes as they are', async () => {
    const folder = systems.path("Ada's board");
    const { stderr } = await covisor(['init', folder]);
    const line = /run it with (.*)\n$/.exec(stderr)![1]!;
    const words = spawnSync('bash', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' }).stdout;
    expect(words.trim().split('\n')).toEqual(['covisor', 'run', folder]);
  });

  it('writes into no folder that has something in it, and over no file', async () => {
    const folder = systems.path('mine');
    mkdirSync(folder);
    expect(await covisor(['init', folder])).toMatchObject({ code: 0 });
    writeFileSync(join(folder, 'system.dts'), 'mine');
    for (const path of [folder, join(folder, 'system.dts')]) {
      const { code, stderr } = await covisor(['init', path]);
      expect([code, stderr]).toEqual([2, expect.stringContaining('expected a new or an empty folder')]);
    }
    expect(readFileSync(join(folder, 'system.dts'), 'utf8')).toBe('mine');
  });

  it('refuses, in one line, a place where nothing can be made', async () => {
    writeFileSync(systems.path('blocks'), '');
    for (const [path, line] of [
      ['/proc/covisor-system', /^init \S+: it cannot be written \(E\w+\); expected a folder that can\n$/],
      [
        join(systems.path('blocks'), 'below'),
        /blocks is not a folder; expected a new or empty one for init\n$/,
      ],
    ] as const) {
      const { code, stderr } = await covisor(['init', path]);
      expect([code, stderr]).toEqual([2, expect.stringMatching(line)]);
      expect(existsSync(path)).toBe(false);
    }
  });

  it('brings firmware that is built from the source beside it', () => {
    const built = compileWat(readFileSync(new URL('firmware/sum.wat', template), 'utf8'));
    expect(new Uint8Array(readFileSync(new URL('firmware/sum.wasm', template)))).toEqual(built);
  });
});

describe('features', () => {
  it('names what this build has, and a system may ask for each', async () => {
    const features = JSON.parse((await covisor(['features', '--json'])).stdout) as Record<string, string[]>;
    expect(features).toMatchObject({
      version: expect.stringMatching(/^\d+\./),
      runtimes: ['threads', 'simulated'],
      platforms: expect.arrayContaining(['covisor,tile-gpu', 'covisor,media-dsp']),
      schedulers: expect.arrayContaining(['credit', 'edf']),
      firmwares: expect.arrayContaining(['noop', 'spin']),
    });
    expect((await covisor(['features'])).stdout).toMatch(/^schedulers +round-robin credit /m);
  });
});

describe('doctor', () => {
  it('finds all well where tests run', async () => {
    const socket = join(systems.root, 'run', 'c.sock');
    const { code, stdout } = await covisor(['doctor', '--socket', socket]);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^ok +threads +start, and share memory$/m)]);
    expect(stdout).not.toContain('FIX');
    expect(existsSync(join(systems.root, 'run'))).toBe(true);
  });

  it('says what to do about a socket that cannot be', async () => {
    writeFileSync(systems.path('file'), '');
    const { code, stdout } = await covisor([
      'doctor',
      '--json',
      '--socket',
      join(systems.path('file'), 'c.sock'),
    ]);
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toContainEqual({
      what: 'socket',
      ok: false,
      detail: expect.stringContaining('set XDG_RUNTIME_DIR or --socket'),
    });
  });
});

describe('completion', () => {
  const completes = async (...words: string[]): Promise<string[]> => {
    const { stdout } = await covisor(['completion', 'bash']);
    const line = ['covisor', ...words].map((word) => `'${word}'`).join(' ');
    const script = `${stdout}\nCOMP_WORDS=(${line}); COMP_CWORD=${words.length}; _covisor; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return spawnSync('bash', ['-c', script], { encoding: 'utf8' }).stdout.trim().split('\n');
  };

  it('of bash knows commands and their options', async () => {
    expect(await completes('des')).toEqual(['destroy']);
    expect(await completes('un')).toEqual(['unpause']);
    expect(await completes('sched', '--w')).toEqual(['--weight']);
    expect(await completes('run', '--run')).toEqual(['--runtime']);
  });

  it.each([
    [['--'], ['--version', '--help']],
    [
      ['fault', ''],
      ['inject', 'list', '-h', '--help'],
    ],
    [['fault', 'inj'], ['inject']],
    [['fault', 'inject', 'kill', '--so'], ['--socket']],
    [['dump', 'show', '--pa'], ['--pages']],
    [['completion', 'z'], ['zsh']],
    [['help', 'vco'], ['vcoprocs']],
    [
      ['run', '--runtime', ''],
      ['threads', 'simulated'],
    ],
    [['run', 'x', '--runtime', 's'], ['simulated']],
    [
      ['replay', 'pack'],
      ['package-lock.json', 'package.json'],
    ],
    [['races', 'READ'], ['README.md']],
    [['init', 'doc'], ['docs']],
  ])('of bash goes on after %j', async (words, expected) => {
    expect((await completes(...words)).sort()).toEqual([...expected].sort());
  });

  it.each(['zsh', 'fish'])('of %s names every command and option of the help', async (shell) => {
    const { stdout } = await covisor(['completion', shell]);
    const { stdout: help } = await covisor(['sched', '--help']);
    const options = [...help.matchAll(/ --([a-z-]+)/g)].map((match) => match[1]!);
    for (const option of options.filter((name) => name !== 'help')) expect(stdout).toContain(option);
    for (const command of ['up', 'down', 'top', 'init', 'reboot']) expect(stdout).toContain(command);
  });

  it('refuses a shell that it does not know', async () => {
    expect(await covisor(['completion', 'tcsh'])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('Allowed choices are bash, zsh, fish'),
    });
  });
});
