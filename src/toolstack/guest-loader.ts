import { readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { firstLineOf, placeOf } from '../base/said.ts';
import type { GuestProgram } from '../contract/guest.ts';
import type { DomainDescription } from '../contract/system.ts';
import { refuse } from './config/problem.ts';
import { loadDefault } from '../runtime/threads/module.ts';

/** Loads the guest program of a domain: the default export of its kernel. Throws a `ConfigurationError`. */
export async function loadGuest({ name, kernel, position }: DomainDescription): Promise<GuestProgram> {
  let program: Partial<GuestProgram> | undefined | null;
  try {
    program = (await loadDefault(kernel)) as Partial<GuestProgram> | undefined | null;
  } catch (error) {
    const place = placeOf(error, kernel) ?? (await firstMistake(kernel));
    return refuse(
      position,
      `the guest program ${kernel} of ${name} cannot be loaded: ${firstLineOf(error)}${place === undefined ? '' : ` at ${place}`}`,
      'expected a module that loads',
    );
  }
  if (typeof program?.main !== 'function') {
    return refuse(
      position,
      `the guest program ${kernel} of ${name} is not one`,
      'expected a default export with a function main(domain)',
    );
  }
  return program as GuestProgram;
}

/** Where a program does not parse, if it is this one: Node keeps that to itself. */
async function firstMistake(file: string): Promise<string | undefined> {
  const { default: ts } = await import('typescript');
  const { diagnostics = [] } = ts.transpileModule(readFileSync(file, 'utf8'), {
    reportDiagnostics: true,
    fileName: file,
    compilerOptions: { allowJs: true },
  });
  const [first] = diagnostics;
  if (first?.file === undefined || first.start === undefined) return undefined;
  const { line, character } = first.file.getLineAndCharacterOfPosition(first.start);
  return `${basename(file)}:${line + 1}:${character + 1}`;
}
