import { pathToFileURL } from 'node:url';
import type { GuestProgram } from '../contract/guest.ts';
import type { DomainDescription } from '../contract/system.ts';
import { refuse } from './config/problem.ts';

/** Compiled, Node loads TypeScript guests only with the help of tsx; from source, a loader is there already. */
const compiled = import.meta.url.endsWith('.js');

interface Exports {
  readonly default?: (Partial<GuestProgram> & Exports) | undefined;
}

/** Loads the guest program of a domain: the default export of its kernel. Throws a `ConfigurationError`. */
export async function loadGuest({ name, kernel, position }: DomainDescription): Promise<GuestProgram> {
  let module: Exports;
  try {
    module = (await load(kernel)) as Exports;
  } catch (error) {
    const [line] = String(error instanceof Error ? error.message : error).split('\n');
    return refuse(
      position,
      `the guest program ${kernel} of ${name} cannot be loaded: ${line}`,
      'expected a module that loads',
    );
  }
  // TypeScript below no package.json with "type": "module" comes as CommonJS: its exports are the default.
  const program = module.default?.default ?? module.default;
  if (typeof program?.main !== 'function') {
    return refuse(
      position,
      `the guest program ${kernel} of ${name} is not one`,
      'expected a default export with a function main(domain)',
    );
  }
  return program as GuestProgram;
}

async function load(kernel: string): Promise<unknown> {
  const url = pathToFileURL(kernel).href;
  if (!compiled || !kernel.endsWith('.ts')) return import(url);
  const { tsImport } = await import('tsx/esm/api').catch(() => {
    throw new Error('it is TypeScript and tsx is not installed; run npm i tsx, or compile it');
  });
  return tsImport(url, import.meta.url);
}
