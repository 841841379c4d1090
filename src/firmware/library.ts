import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expectedOneOf } from '../base/nearest.ts';
import type { Outcome } from '../base/outcome.ts';
import { failed } from '../base/outcome.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import type { PrepareOptions } from './prepare.ts';
import { prepareFirmware } from './prepare.ts';

const SUFFIX = '.wasm';

/** Where the firmware that comes with Covisor lies: beside the compiled package, and in a source tree. */
const BUILT_IN = ['../../firmware', '../../build/firmware'].map((folder) =>
  fileURLToPath(new URL(folder, import.meta.url)),
);

/** Firmware by name: `<name>.wasm` in one of its folders. */
export interface FirmwareLibrary {
  /** All known names, sorted. */
  names(): string[];
  /** Reads, checks and prepares a firmware; the same bytes with the same options are prepared once. */
  load(name: string, options?: PrepareOptions): Outcome<FirmwareImage>;
}

/** A library of `folders` (the first that has a name wins, a folder may be absent), then what comes with Covisor. */
export function firmwareLibrary(folders: readonly string[] = []): FirmwareLibrary {
  const prepared = new Map<string, Outcome<FirmwareImage>>();
  const files = (): Map<string, string> => firmwareFiles([...folders, ...BUILT_IN]);
  return {
    names: () => [...files().keys()].sort(),
    load(name, options = {}) {
      const known = files();
      const file = known.get(name);
      if (file === undefined)
        return failed(`there is no firmware ${name}; ${expectedOneOf(name, [...known.keys()].sort())}`);
      let bytes: Uint8Array;
      try {
        bytes = readFileSync(file);
      } catch (error) {
        return failed(`firmware ${name} cannot be read: ${(error as Error).message}`);
      }
      const sha = createHash('sha256').update(bytes).digest('hex');
      const key = `${name} ${sha} ${options.metered === true ? 'metered' : 'plain'}`;
      const image = prepared.get(key) ?? prepareFirmware(name, bytes, options);
      prepared.set(key, image);
      return image;
    },
  };
}

/** The file of each name. */
function firmwareFiles(folders: readonly string[]): Map<string, string> {
  const files = new Map<string, string>();
  for (const folder of folders)
    for (const entry of entriesOf(folder)) {
      const name = entry.slice(0, -SUFFIX.length);
      if (entry.endsWith(SUFFIX) && !files.has(name)) files.set(name, join(folder, entry));
    }
  return files;
}

function entriesOf(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw error;
  }
}
