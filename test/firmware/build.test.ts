import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { command, loadFirmware, results } from './loaded.ts';

const path = (relative: string): string => fileURLToPath(new URL(`../../${relative}`, import.meta.url));

describe('the firmware build', () => {
  let folder: string;
  let out: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'covisor-kernels-'));
    out = join(folder, 'out');
    cpSync(path('src/firmware/kernels/noop'), join(folder, 'kernels/mine'), { recursive: true });
    cpSync(path('src/firmware/kernels/abi.ts'), join(folder, 'kernels/abi.ts'));
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const build = (...options: string[]) =>
    spawnSync(
      process.execPath,
      [path('src/firmware/build.mjs'), '--kernels', join(folder, 'kernels'), '--out', out, ...options],
      { encoding: 'utf8' },
    );
  const kernel = (name: string, source: string, json = '{ "pages": 1 }'): void => {
    mkdirSync(join(folder, 'kernels', name));
    writeFileSync(join(folder, 'kernels', name, 'firmware.ts'), source);
    writeFileSync(join(folder, 'kernels', name, 'kernel.json'), json);
  };

  test('makes a firmware of every kernel, and says how large it is', () => {
    const { status, stderr } = build();
    expect([status, stderr]).toEqual([0, expect.stringMatching(/^firmware mine: 0\.\d KiB, 1 page of/)]);
    expect(readdirSync(out)).toEqual(['mine.wasm']);
    const loaded = loadFirmware(readFileSync(join(out, 'mine.wasm')));
    command(loaded, 1, [4, 5]);
    expect(loaded.firmware.start()).toBe(1);
    expect(results(loaded).slice(0, 2)).toEqual([4, 5]);
  });

  test('keeps what is newer than its inputs, and builds again when what kernels share has changed', () => {
    expect(build().stderr).toBe('');
    const later = Date.now() / 1000 + 10;
    utimesSync(join(folder, 'kernels/abi.ts'), later, later);
    expect(build().stderr).toMatch(/^firmware mine: /);
  });

  test('names the known kernels when one is unknown', () => {
    expect(build('--only', 'min')).toMatchObject({
      status: 1,
      stderr: 'firmware build: no firmware kernel min; expected one of mine\n',
    });
  });

  test('says what is wrong with a kernel, builds the others, and fails', () => {
    kernel('broken', 'export const abi: i32 = nothing;');
    kernel('large', 'export const abi: i32 = 1;', '{ "pages": 0 }');
    kernel('other', 'export const abi: i32 = 1;');
    const { status, stderr } = build('--force');
    expect(status).toBe(1);
    expect(stderr).toMatch(/firmware broken: .*\n.*Cannot find name 'nothing'/s);
    expect(stderr).toMatch(/large\/kernel\.json: pages is 0; expected an integer from 1 to 65536/);
    expect(readdirSync(out).sort()).toEqual(['mine.wasm', 'other.wasm']);
  });
});
