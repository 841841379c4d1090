import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { SystemDescription } from '../../../src/contract/system.ts';
import { ConfigurationError } from '../../../src/toolstack/config/problem.ts';
import { loadSystem } from '../../../src/toolstack/config/system.ts';

export const cockpit = join(import.meta.dirname, '..', '..', '..', 'examples', 'cockpit');
/** The cockpit as it once was: its lines do not move when a comment in the example changes. */
const board = join(import.meta.dirname, 'fixtures', 'board');

export const known = {
  platforms: ['covisor,tile-gpu', 'covisor,media-dsp'],
  schedulers: ['round-robin', 'credit'],
  firmwares: ['render', 'infer', 'jpeg', 'vision', 'noop'],
};

export type Edit = readonly [file: string, from: string | RegExp, to: string];

/** Folders of this test file, gone when it ends. */
export class Systems {
  readonly #root = mkdtempSync(join(tmpdir(), 'covisor-config-'));
  #count = 0;

  /** A copy of the board with guests that are only there, and some changes. */
  board(...edits: readonly Edit[]): string {
    return this.#copy(board, edits);
  }

  cockpit(): string {
    return this.#copy(cockpit, []);
  }

  #copy(from: string, edits: readonly Edit[]): string {
    const folder = join(this.#root, String(this.#count++));
    mkdirSync(join(folder, 'guests'), { recursive: true });
    cpSync(join(from, 'system.dts'), join(folder, 'system.dts'));
    cpSync(join(from, 'domains'), join(folder, 'domains'), { recursive: true });
    for (const guest of ['cluster', 'assist', 'media', 'camera'])
      this.write(folder, `guests/${guest}.ts`, '');
    for (const [name, what, to] of edits) {
      const text = readFileSync(join(folder, name), 'utf8');
      const changed = text.replace(what, to);
      if (changed === text) throw new Error(`${String(what)} is not in ${name}`);
      this.write(folder, name, changed);
    }
    return folder;
  }

  write(folder: string, name: string, text: string | Uint8Array): void {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }

  remove(): void {
    rmSync(this.#root, { recursive: true });
  }
}

/** The lines of the refusal, with the folder's name taken out; none when the system was accepted. */
export function refusal(folder: string): string[] {
  const found = attempt(folder);
  return found instanceof ConfigurationError ? found.message.replaceAll(`${folder}/`, '').split('\n') : [];
}

/** The description or the refusal; any other error passes on. */
export function attempt(folder: string): SystemDescription | ConfigurationError {
  try {
    return loadSystem(folder, known);
  } catch (error) {
    if (error instanceof ConfigurationError) return error;
    throw error;
  }
}
