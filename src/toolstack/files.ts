import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, posix, relative, resolve, sep } from 'node:path';
import { GuestError, type GuestFile } from '../contract/guest.ts';
import type { DomainId } from '../contract/names.ts';
import { UsageError } from './usage.ts';

/** What a finished run leaves; its presence says that a folder is a run's output and may be replaced. */
export const RUN_FILE = 'run.json';

/** Reads a file below `folder` on behalf of a guest. */
export function readAsset(folder: string, path: string): Uint8Array {
  const file = resolve(folder, path);
  if (relative(folder, file).startsWith('..'))
    throw new GuestError(`${path} is outside of the system's folder`);
  try {
    return new Uint8Array(readFileSync(file));
  } catch {
    throw new GuestError(`${path} cannot be read; expected a file below ${folder}`);
  }
}

/** The results of a run, kept until it is over: writing them must not cost the domains time. */
export class ResultFiles {
  readonly #files = new Map<string, Uint8Array>();

  /** Keeps a domain's file; returns its path below the output folder. Throws a `GuestError` for a name that is none. */
  add(domain: DomainId, file: string, content: Uint8Array): string {
    const path = posix.normalize(file);
    if (
      path === '.' ||
      path.startsWith('..') ||
      posix.isAbsolute(path) ||
      path.includes('\0') ||
      path.includes('\\')
    ) {
      throw new GuestError(`a result file cannot be named ${JSON.stringify(file)}`);
    }
    const below = `${domain}/${path}`;
    this.#files.set(below, content.slice());
    return below;
  }

  get all(): ReadonlyMap<string, Uint8Array> {
    return this.#files;
  }
}

/** Refuses an output folder that holds anything but an earlier run's output. Changes nothing yet. */
export function checkOutput(folder: string): void {
  if (!existsSync(folder)) return;
  let entries: string[];
  try {
    entries = readdirSync(folder);
  } catch {
    throw new UsageError(`${folder} is not a folder; expected a new or empty one for --out`);
  }
  if (entries.length > 0 && !entries.includes(RUN_FILE)) {
    throw new UsageError(
      `${folder} holds other files; expected an empty folder or an earlier run's for --out`,
    );
  }
}

/** Replaces the output folder by these files. */
export function writeOutput(folder: string, files: ReadonlyMap<string, Uint8Array | string>): void {
  rmSync(folder, { recursive: true, force: true });
  for (const [path, content] of files) {
    const file = join(folder, ...path.split('/'));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
}

const SIGNATURES: readonly { kind: string; bytes: readonly number[] }[] = [
  { kind: 'image/png', bytes: [0x89, 0x50, 0x4e, 0x47] },
  { kind: 'image/jpeg', bytes: [0xff, 0xd8, 0xff] },
];

/** Reads a user's own file; its kind comes from its first bytes. Throws a `UsageError`. */
export function readInput(path: string): GuestFile & { readonly kind: string } {
  let bytes: Uint8Array;
  try {
    bytes = new Uint8Array(readFileSync(path));
  } catch {
    throw new UsageError(`--input ${path} cannot be read; expected a picture`);
  }
  const kind = SIGNATURES.find((signature) => signature.bytes.every((byte, at) => bytes[at] === byte))?.kind;
  if (kind === undefined)
    throw new UsageError(`--input ${path} is neither PNG nor JPEG; expected one of image/png, image/jpeg`);
  return { name: basename(path), bytes, kind };
}

/** A path as a person would type it from here. */
export function shown(path: string): string {
  const short = relative(process.cwd(), path);
  return short === '' ? '.' : short.startsWith(`..${sep}..${sep}`) ? path : short;
}
