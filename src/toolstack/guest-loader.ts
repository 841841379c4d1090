import { firstLineOf } from '../base/said.ts';
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
    return refuse(
      position,
      `the guest program ${kernel} of ${name} cannot be loaded: ${firstLineOf(error)}`,
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
