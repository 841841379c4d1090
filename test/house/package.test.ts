import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Ran {
  readonly status: number | null;
  readonly output: string;
}

function run(folder: string, command: string, ...args: string[]): Ran {
  const { status, stdout, stderr } = spawnSync(command, args, {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', npm_config_update_notifier: 'false' },
  });
  return { status, output: stdout + stderr };
}

const commandLine = existsSync(join(root, 'src', 'toolstack', 'main.ts'));

// There is nothing to install before there is a command line.
describe.skipIf(!commandLine)('the packed package', () => {
  // What is packed is built from the sources of this moment, beside `dist`, which other tests may be running.
  const staging = join(root, 'build', `package-${process.pid}`);
  const home = mkdtempSync(join(tmpdir(), 'covisor-user-'));
  const installed = join(home, 'node_modules', 'covisor');
  let packed: string[] = [];

  beforeAll(() => {
    const built = run(root, process.execPath, '.config/build.mjs', join(staging, 'dist'));
    expect(built.status, built.output).toBe(0);
    for (const file of ['package.json', 'README.md', 'CHANGELOG.md', 'LICENSE']) {
      copyFileSync(join(root, file), join(staging, file));
    }
    const pack = spawnSync('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', home], {
      cwd: staging,
      encoding: 'utf8',
    });
    const [tarball] = JSON.parse(pack.stdout) as { filename: string; files: { path: string }[] }[];
    packed = tarball?.files.map((file) => file.path) ?? [];
    writeFileSync(join(home, 'package.json'), '{ "private": true, "type": "module" }\n');
    const install = run(home, 'npm', 'install', '--prefer-offline', '--no-audit', `./${tarball?.filename}`);
    expect(install.status, install.output).toBe(0);
    // tsx serves guests written in TypeScript; nothing of the package itself may need it.
    rmSync(join(home, 'node_modules', 'tsx'), { recursive: true, force: true });
  });

  afterAll(() => {
    rmSync(staging, { recursive: true, force: true });
    rmSync(home, { recursive: true, force: true });
  });

  test('carries what runs and nothing else', () => {
    const strangers = packed.filter((path) =>
      /(^|\/)(test|bench|training|kernels)\/|\.(map|tgz)$/.test(path),
    );
    expect(strangers).toEqual([]);
    const sources = packed.filter((path) => path.endsWith('.ts') && !path.endsWith('.d.ts'));
    expect(sources, 'sources are compiled, not shipped').toEqual([]);
    expect(packed).toEqual(
      expect.arrayContaining([
        'LICENSE',
        'README.md',
        'CHANGELOG.md',
        'dist/src/index.js',
        'dist/src/index.d.ts',
        'dist/src/toolstack/main.js',
        'dist/workers/boot.mjs',
        'dist/examples/cockpit/system.dts',
      ]),
    );
    const sourcesOfKernels = join(root, 'src', 'firmware', 'kernels');
    const kernels = readdirSync(sourcesOfKernels)
      .filter((name) => existsSync(join(sourcesOfKernels, name, 'firmware.ts')))
      .map((name) => `dist/firmware/${name}.wasm`);
    expect(packed).toEqual(expect.arrayContaining(kernels));
  });

  test('gives types to a program that imports it', () => {
    writeFileSync(
      join(home, 'use.ts'),
      `import * as covisor from 'covisor';\nexport const names: string[] = Object.keys(covisor);\n`,
    );
    symlinkSync(join(root, 'node_modules', '@types'), join(home, 'node_modules', '@types'));
    const strict = ['--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node', '--noEmit'];
    const tsc = join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    const checked = run(home, process.execPath, tsc, ...strict, '--lib', 'es2024,webworker', 'use.ts');
    const ours = checked.output.split('\n').filter((line) => /^(use\.ts|node_modules\/covisor)/.test(line));
    expect(ours).toEqual([]);
  });

  test('can be imported', () => {
    const imported = run(
      home,
      process.execPath,
      '-e',
      `import('covisor').then((it) => console.log(typeof it))`,
    );
    expect(imported).toEqual({ status: 0, output: 'object\n' });
  });

  test('answers `npx covisor --help`', () => {
    const help = run(home, 'npx', 'covisor', '--help');
    expect(help.status, help.output).toBe(0);
    expect(help.output).toContain('Usage: covisor');
  });

  test('runs the packed example, compiled, without tsx', { timeout: 100_000 }, () => {
    const example = join('node_modules', 'covisor', 'dist', 'examples', 'cockpit');
    const ran = run(home, 'npx', 'covisor', 'run', example, '--quiet', '--out', 'results');
    expect(ran.status, ran.output).toBe(0);
    expect(readdirSync(join(home, 'results'))).not.toEqual([]);
    expect(existsSync(join(installed, 'dist', 'examples', 'cockpit', 'out'))).toBe(false);
  });

  test('names each file of its manifest as it lies in the package', () => {
    const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as {
      bin: Record<string, string>;
    };
    for (const file of Object.values(manifest.bin)) {
      expect(readFileSync(join(installed, file), 'utf8').split('\n')[0]).toBe('#!/usr/bin/env node');
    }
  });
});
