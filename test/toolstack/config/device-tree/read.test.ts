import { mkdtempSync, readdirSync, rmSync, writeFileSync, existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { parseDeviceTree, readDeviceTree } from '../../../../src/toolstack/config/device-tree/read.ts';
import { Source } from '../../../../src/toolstack/config/source.ts';
import { compile, compileFile, decompile, dtcInstalled, plain, type Plain } from './dtc.ts';
import { sources } from './sources.ts';

const fixtures = join(import.meta.dirname, '..', 'fixtures', 'trees');
const examples = join(import.meta.dirname, '..', '..', '..', '..', 'examples');
const installed = dtcInstalled();
if (!installed) console.warn('dtc is not installed: the comparison with it is skipped');

const folder = mkdtempSync(join(tmpdir(), 'covisor-dtc-'));
afterAll(() => rmSync(folder, { recursive: true }));

const read = (text: string): Plain | undefined => {
  try {
    return plain(parseDeviceTree(new Source(join(folder, 'generated.dts'), text)));
  } catch (error) {
    if (error instanceof Error && error.name === 'ConfigurationError') return undefined;
    throw error;
  }
};

// Needs dtc (Debian: device-tree-compiler).
describe.skipIf(!installed)('a device tree source reads as dtc reads it', () => {
  const files = readdirSync(fixtures).filter((name) => name.endsWith('.dts'));
  it.each(files)('%s', (name) => {
    const file = join(fixtures, name);
    expect(plain(readDeviceTree(file))).toEqual(compileFile(file));
  });

  it('the cockpit example', () => {
    const file = join(examples, 'cockpit', 'system.dts');
    expect(plain(readDeviceTree(file))).toEqual(compileFile(file));
  });

  it('blobs that packages have installed', () => {
    const folders = ['/usr/share/qemu', '/usr/lib/u-boot/qemu_arm64', '/boot/dtb', '/usr/share/device-tree'];
    const blobs = folders
      .filter((name) => existsSync(name))
      .flatMap((name) => readdirSync(name, { recursive: true }).map((file) => join(name, String(file))))
      .filter((name) => name.endsWith('.dtb'))
      .slice(0, 40);
    for (const blob of blobs) {
      const file = join(folder, 'decompiled.dts');
      writeFileSync(file, decompile(blob), 'latin1');
      expect(plain(readDeviceTree(file)), blob).toEqual(compileFile(file));
    }
  });

  it('generated sources, with merges, deletions and references', () => {
    fc.assert(
      fc.property(sources, (text) => {
        expect(read(text)).toEqual(compile(text, folder));
      }),
      { numRuns: 100 },
    );
  });
});
