import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { failed, type Outcome } from '../base/outcome.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import type { SystemDescription } from '../contract/system.ts';
import { firmwareLibrary } from '../firmware/library.ts';
import { prepareFirmware } from '../firmware/prepare.ts';

/** Firmware as a system names it: from its own folder, from the library, or a `.wasm` file by its path. */
export function systemFirmware(
  system: SystemDescription,
  metered: boolean,
): (name: string) => Outcome<FirmwareImage> {
  const library = firmwareLibrary([join(system.folder, 'firmware')]);
  return (name) => {
    if (!name.endsWith('.wasm')) return library.load(name, { metered });
    try {
      return prepareFirmware(basename(name, '.wasm'), readFileSync(name), { metered });
    } catch {
      return failed(`firmware ${name} cannot be read`);
    }
  };
}
