import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

/** Compiled, Node loads TypeScript only with the help of tsx; from source, a loader is there already. */
const compiled = import.meta.url.endsWith('.js');

interface Exports {
  readonly default?: unknown;
}

/**
 * The default export of a user's module, JavaScript or TypeScript. Rejects with whatever it throws. `anew`: as the
 * file is now, though it was loaded before; what it imports is not read again, and what it was stays in memory.
 */
export async function loadDefault(file: string, { anew = false } = {}): Promise<unknown> {
  const { default: found } = (await load(file, anew ? `?${digest(file)}` : '')) as Exports;
  // TypeScript below no package.json with "type": "module" comes as CommonJS: its exports are the default.
  const inner = typeof found === 'object' && found !== null ? (found as Exports).default : undefined;
  return inner ?? found;
}

const digest = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

async function load(file: string, version: string): Promise<unknown> {
  const url = pathToFileURL(file).href + version;
  if (!compiled || !file.endsWith('.ts')) return import(url);
  const { tsImport } = await import('tsx/esm/api').catch(() => {
    throw new Error('it is TypeScript and tsx is not installed; run npm i tsx, or compile it');
  });
  return tsImport(url, import.meta.url);
}
