import { createHash } from 'node:crypto';
import { readFileSync, readdirSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { shown } from '../files.ts';
import { UsageError } from '../usage.ts';

/** Folders below a system's that are not its own. */
const ASIDE: ReadonlySet<string> = new Set(['node_modules', 'out']);

interface Source {
  readonly path: string;
  readonly sha256: string;
}

/**
 * The files that a system is made of: all below its folder but hidden ones and those of `aside`, and `more`. A guest's
 * program may import and read whatever it finds there.
 */
export function sourcesOf(folder: string, more: readonly string[], aside: readonly string[]): Source[] {
  const without = aside.map((path) => resolve(path));
  const paths = new Set(more.map((path) => resolve(path)));
  const look = (below: string): void => {
    for (const entry of readdirSync(below, { withFileTypes: true })) {
      const path = join(below, entry.name);
      if (entry.name.startsWith('.') || without.some((other) => `${path}${sep}`.startsWith(`${other}${sep}`)))
        continue;
      if (entry.isFile()) paths.add(path);
      else if (entry.isDirectory() && !ASIDE.has(entry.name)) look(path);
    }
  };
  look(folder);
  return [...paths].sort().flatMap((path) => {
    const sha256 = sumOf(path);
    return sha256 === undefined ? [] : [{ path, sha256 }];
  });
}

/** Throws a `UsageError` that names the first file that is not as it was. */
export function checkSources(sources: readonly Source[]): void {
  for (const { path, sha256 } of sources) {
    const now = sumOf(path);
    if (now === sha256) continue;
    const what = now === undefined ? 'is gone' : 'has changed';
    throw new UsageError(
      `${shown(path)} ${what} since the checkpoint; put it back as it was, or start the system anew`,
    );
  }
}

function sumOf(path: string): string | undefined {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch {
    return undefined;
  }
}
