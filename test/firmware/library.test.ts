import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { firmwareLibrary } from '../../src/firmware/library.ts';
import { builtKernel, reasonOf, valueOf } from './loaded.ts';
import { compileWat, firmwareWat, watFile } from './wat.ts';

describe('a firmware library', () => {
  let own: string;
  let other: string;
  beforeEach(() => {
    own = mkdtempSync(join(tmpdir(), 'covisor-firmware-'));
    other = join(own, 'other');
    mkdirSync(other);
  });
  afterEach(() => rmSync(own, { recursive: true }));
  const put = (folder: string, name: string, bytes: Uint8Array): void =>
    writeFileSync(join(folder, name), bytes);
  const adder = compileWat(watFile('adder'));
  const plain = compileWat(firmwareWat(''));

  test('knows the firmware of its folders and what comes with Covisor, sorted', () => {
    put(own, 'zebra.wasm', adder);
    put(other, 'adder.wasm', adder);
    put(own, 'adder.wat', adder);
    const names = firmwareLibrary([own, other]).names();
    expect(names).toEqual([...names].sort());
    expect(names).toEqual(expect.arrayContaining(['adder', 'noop', 'pattern', 'spin', 'stream', 'zebra']));
    expect(names).not.toContain('adder.wat');
  });

  test('loads what comes with Covisor', () => {
    const image = valueOf(firmwareLibrary().load('noop'));
    const sha256 = createHash('sha256').update(builtKernel('noop')!).digest('hex');
    expect([image.name, image.sha256]).toEqual(['noop', sha256]);
  });

  test('takes the first folder that has a name, before what comes with Covisor', () => {
    put(own, 'noop.wasm', adder);
    put(other, 'noop.wasm', plain);
    const sha256 = createHash('sha256').update(adder).digest('hex');
    expect(valueOf(firmwareLibrary([own, other]).load('noop')).sha256).toBe(sha256);
  });

  test('prepares the same bytes once for each way of preparing, and anew when the file has changed', () => {
    put(own, 'mine.wasm', adder);
    const library = firmwareLibrary([own]);
    const first = valueOf(library.load('mine'));
    expect(valueOf(library.load('mine'))).toBe(first);
    const metered = valueOf(library.load('mine', { metered: true }));
    expect([metered.metered, metered.sha256]).toEqual([true, first.sha256]);
    put(own, 'mine.wasm', plain);
    expect(valueOf(library.load('mine')).sha256).not.toBe(first.sha256);
  });

  test('names the known ones and the nearest when there is none of that name', () => {
    put(own, 'vision-2.wasm', adder);
    expect(reasonOf(firmwareLibrary([own]).load('patern'))).toMatch(
      /^there is no firmware patern; expected one of .*noop.*, vision-2; did you mean pattern\?$/,
    );
  });

  test('finds nothing outside of its folders, and takes an absent folder for an empty one', () => {
    put(own, 'secret.wasm', adder);
    const library = firmwareLibrary([other, join(own, 'absent'), join(own, 'secret.wasm')]);
    for (const name of ['../secret', 'secret', '', '.', 'toString'])
      expect(reasonOf(library.load(name))).toMatch(/^there is no firmware /);
  });

  test('says in one line what is wrong with a file', () => {
    put(own, 'broken.wasm', adder.subarray(0, 50));
    mkdirSync(join(own, 'folder.wasm'));
    expect(reasonOf(firmwareLibrary([own]).load('broken'))).toMatch(
      /^firmware broken is no valid WebAssembly: .*@\+/,
    );
    expect(reasonOf(firmwareLibrary([own]).load('folder'))).toMatch(
      /^firmware folder cannot be read: EISDIR/,
    );
  });
});
