import { createHash } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Runtime } from '../../contract/port.ts';
import type { GuestFile } from '../../contract/guest.ts';
import type { SystemDescription } from '../../contract/system.ts';
import type { SavedDomain, SavedSystem } from '../../hypervisor/saved.ts';
import { checkWritable, makeFolder, shown } from '../files.ts';
import { readSealed, sealInBackground, unseal, writeWhole, type SealedKind } from '../sealed-file.ts';
import { UsageError } from '../usage.ts';
import { version } from '../version.ts';

// A checkpoint is a folder: `system`, a `domain-N` for each domain and, last, `manifest` with the SHA-256 of the others.
// It is written beside its place and renamed when it is whole; what is found in its place is an earlier one or nothing.

const VERSION = 3;
/** The largest value in a file, in bytes: what one buffer holds. */
const MOST = 2 ** 31;
const MANIFEST: SealedKind = { tag: 'CKPT', name: 'checkpoint', version: VERSION, most: 16 * 1024 * 1024 };
const SYSTEM: SealedKind = { tag: 'CKSY', name: 'checkpoint', version: VERSION, most: MOST };
const DOMAIN: SealedKind = { tag: 'CKDO', name: 'checkpoint', version: VERSION, most: MOST };
const MANIFEST_FILE = 'manifest';
const SYSTEM_FILE = 'system';

/** A whole system at rest, and what it takes to go on. */
export interface Checkpoint {
  /** Whether it ran to its end or stayed. */
  readonly mode: 'run' | 'up';
  readonly runtime: Runtime['kind'];
  readonly seed: number;
  readonly system: SystemDescription;
  /** What the system was made of, with the SHA-256 of each. */
  readonly files: readonly { readonly path: string; readonly sha256: string }[];
  /** Result files that are kept until the end of a run. */
  readonly results: readonly { readonly path: string; readonly content: Uint8Array }[];
  readonly input: (GuestFile & { readonly kind: string }) | null;
  readonly saved: SavedSystem;
}

interface Manifest {
  readonly covisor: string;
  readonly files: readonly { readonly name: string; readonly sha256: string }[];
}

/** Refuses a place that cannot be written, or holds something else. Changes nothing. */
export function checkPlace(folder: string): void {
  // It is made beside its place.
  checkWritable(dirname(folder), 'checkpoint');
  if (!existsSync(folder)) return;
  const isFolder = statSync(folder).isDirectory();
  if (isFolder && (readdirSync(folder).length === 0 || existsSync(join(folder, MANIFEST_FILE)))) return;
  throw new UsageError(
    `${shown(folder)} holds what is no checkpoint; expected a new or empty folder, or an earlier checkpoint`,
  );
}

/** Writes a checkpoint, whole or not at all. Returns its size in bytes. */
export async function writeCheckpoint(
  folder: string,
  { system, saved, ...rest }: Checkpoint,
): Promise<number> {
  checkPlace(folder);
  const part = join(dirname(folder), `.${basename(folder)}.part`);
  const before = join(dirname(folder), `.${basename(folder)}.before`);
  rmSync(part, { recursive: true, force: true });
  makeFolder(part, 0o700);
  let size = 0;
  const files: { name: string; sha256: string }[] = [];
  const put = async (name: string, kind: SealedKind, value: unknown): Promise<void> => {
    const content = await sealInBackground(kind, value);
    size += content.length;
    files.push({ name, sha256: sha256(content) });
    writeWhole(join(part, name), content);
  };
  try {
    const { domains, ...others } = saved;
    // As JSON: it tells what is absent from what is nothing.
    await put(SYSTEM_FILE, SYSTEM, { ...rest, system: JSON.stringify(system), saved: others });
    for (const [place, { description, ...domain }] of domains.entries())
      await put(`domain-${place}`, DOMAIN, { ...domain, description: JSON.stringify(description) });
    const manifest: Manifest = { covisor: version(), files: [...files] };
    await put(MANIFEST_FILE, MANIFEST, manifest);
    rmSync(before, { recursive: true, force: true });
    if (existsSync(folder)) renameSync(folder, before);
    renameSync(part, folder);
    rmSync(before, { recursive: true, force: true });
    return size;
  } catch (error) {
    rmSync(part, { recursive: true, force: true });
    throw error;
  }
}

/** Reads a checkpoint. Throws a `UsageError` of one line for whatever is none, or is not whole. */
export function readCheckpoint(folder: string): Checkpoint {
  const { files } = readSealed(MANIFEST, join(folder, MANIFEST_FILE)) as Manifest;
  const contents = new Map(files.map(({ name, sha256: sum }) => [name, readListed(folder, name, sum)]));
  const value = (kind: SealedKind, name: string): Record<string, unknown> => {
    const content = contents.get(name);
    if (content === undefined)
      throw new UsageError(`${shown(folder)} has no ${name}; expected a whole checkpoint`);
    return unseal(kind, content, join(folder, name)) as Record<string, unknown>;
  };
  const { system, saved, ...rest } = value(SYSTEM, SYSTEM_FILE);
  const domains = files
    .filter(({ name }) => name !== SYSTEM_FILE)
    .map(({ name }) => {
      const { description, ...domain } = value(DOMAIN, name);
      return { ...domain, description: JSON.parse(String(description)) as unknown } as SavedDomain;
    });
  return {
    ...(rest as unknown as Omit<Checkpoint, 'system' | 'saved'>),
    system: JSON.parse(String(system)) as SystemDescription,
    saved: { ...(saved as Omit<SavedSystem, 'domains'>), domains },
  };
}

function readListed(folder: string, name: string, sum: string): Buffer {
  const path = join(folder, basename(name));
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch {
    throw new UsageError(`${shown(path)} cannot be read; expected a whole checkpoint`);
  }
  if (sha256(content) !== sum)
    throw new UsageError(
      `${shown(path)} is torn or damaged, or is another checkpoint's; expected it as it was written`,
    );
  return content;
}

const sha256 = (content: Uint8Array): string => createHash('sha256').update(content).digest('hex');
