import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, posix, relative, resolve, sep } from 'node:path';
import { GuestError, type GuestFile } from '../contract/guest.ts';
import type { DomainId } from '../contract/names.ts';
import { runReportSchema } from '../observe/json-schema.ts';
import { isFolder } from './config/source.ts';
import { UsageError } from './usage.ts';

/** The figures of a run. They name the files that it wrote, which the next run may replace. */
export const RUN_FILE = 'run.json';
export const REPORT_FILE = 'report.html';
export const TRACE_FILE = 'trace.jsonl';
const OWN_FILES = [RUN_FILE, REPORT_FILE, TRACE_FILE];

/** Name of a crash dump among the files of a run. */
export const dumpName = (coproc: string, count: number): string => `crash-${coproc}-${count}.dump`;
const isDumpName = (file: string): boolean => /^crash-[^/]+-\d+\.dump$/.test(file);

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

/** Path of a domain's result file below the output folder. Throws a `GuestError` for a name that is none. */
export function resultPath(domain: DomainId, file: string): string {
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
  return `${domain}/${path}`;
}

/** The results of a run, kept until it is over: writing them must not cost the domains time. */
export class ResultFiles {
  readonly #files = new Map<string, Uint8Array>();

  /** Begins with what another run kept. */
  constructor(before: readonly { readonly path: string; readonly content: Uint8Array }[] = []) {
    for (const { path, content } of before) this.#files.set(path, content);
  }

  /** Keeps a domain's file; returns its path below the output folder. Throws a `GuestError` for a name that is none. */
  add(domain: DomainId, file: string, content: Uint8Array): string {
    const below = resultPath(domain, file);
    this.#files.set(below, content.slice());
    return below;
  }

  get all(): ReadonlyMap<string, Uint8Array> {
    return this.#files;
  }
}

/** Makes a folder, and those above it that are not there. */
export function makeFolder(folder: string, mode?: number): void {
  if (isFolder(folder)) return;
  makeFolder(dirname(folder), mode);
  // One by one: Node 20 never returns from `recursive` where the system says that a folder is not there which is.
  try {
    mkdirSync(folder, mode);
  } catch (error) {
    // Somebody else may have been faster; what is no folder is in the way.
    if (!isFolder(folder)) throw error;
  }
}

/** Refuses a folder in which nothing can be written, by trying. Leaves nothing. `option` is what asked for it. */
export function checkWritable(folder: string, option: string): void {
  const above = existing(folder);
  if (!statSync(above).isDirectory())
    throw new UsageError(`${shown(above)} is not a folder; expected a new or empty one for ${option}`);
  try {
    rmdirSync(mkdtempSync(join(above, '.covisor-')));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(
      `${option} ${shown(folder)}: it cannot be written (${code}); expected a folder that can`,
    );
  }
}

/** Refuses an output folder that cannot be written, or holds what no earlier run wrote. Changes nothing yet. */
export function checkOutput(folder: string): void {
  checkWritable(folder, '--out');
  if (!existsSync(folder)) return;
  const found = filesBelow(folder);
  const earlier = earlierRun(folder);
  const stranger = found.find((file) => !earlier.has(file) && !(earlier.size > 0 && isDumpName(file)));
  if (stranger !== undefined) {
    throw new UsageError(
      `${shown(folder)} holds ${stranger}, which no run wrote there; expected an empty folder or an earlier run's for --out`,
    );
  }
}

/** The path itself, or the nearest folder above that is there. */
function existing(path: string): string {
  return existsSync(path) ? path : existing(dirname(path));
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => relative(folder, join(entry.parentPath ?? entry.path, entry.name)).replaceAll(sep, '/'));
}

/** Paths of the files that the run whose figures lie in `folder` wrote; none when there was no run. */
function earlierRun(folder: string): ReadonlySet<string> {
  try {
    const report = runReportSchema.parse(JSON.parse(readFileSync(join(folder, RUN_FILE), 'utf8')));
    return new Set([...OWN_FILES, ...report.domains.flatMap(({ files }) => files)]);
  } catch {
    return new Set();
  }
}

/** Replaces what is in the output folder by these files. */
export function writeOutput(folder: string, files: ReadonlyMap<string, Uint8Array | string>): void {
  makeFolder(folder);
  for (const entry of readdirSync(folder)) rmSync(join(folder, entry), { recursive: true, force: true });
  for (const [path, content] of files) {
    const file = join(folder, ...path.split('/'));
    makeFolder(dirname(file));
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
