import { expectedOneOf } from '../../base/nearest.ts';
import { Program, type ProgramOptions } from './program.ts';
import { RefusedError } from './operation.ts';
import type { Scenario } from './scenario.ts';

/** A scenario whose module, and all that it imports, were rewritten. */
export interface CheckedScenario {
  readonly name: string;
  readonly scenario: Scenario;
  readonly program: Program;
  /** The module, as it was named. */
  readonly module: string;
}

/**
 * Reads a module (TypeScript or JavaScript) that exports `scenarios`, a record of {@link Scenario}s by name, and
 * rewrites it with all that it imports by relative paths. Throws a {@link RefusedError} where that cannot be done.
 */
export async function loadScenarios(path: string, options?: ProgramOptions): Promise<CheckedScenario[]> {
  const program = await Program.load(path, options);
  const scenarios = program.exports['scenarios'];
  if (typeof scenarios !== 'object' || scenarios === null || Object.keys(scenarios).length === 0)
    throw new RefusedError(
      path,
      1,
      'exports no scenarios; export const scenarios = { name: { setup, threads } }',
    );
  return Object.entries(scenarios).map(([name, one]: [string, unknown]) => {
    if (!isScenario(one))
      throw new RefusedError(
        path,
        1,
        `scenario "${name}" needs setup, a function, and threads, an object of functions`,
      );
    return { name, scenario: one, program, module: path };
  });
}

/** One of them, by its name. */
export function scenarioNamed(all: readonly CheckedScenario[], name: string): CheckedScenario {
  const found = all.find((one) => one.name === name);
  if (found === undefined)
    throw new RangeError(
      `scenario "${name}": ${expectedOneOf(
        name,
        all.map((one) => one.name),
      )}`,
    );
  return found;
}

function isScenario(value: unknown): value is Scenario {
  if (typeof value !== 'object' || value === null) return false;
  const { setup, threads } = value as Partial<Scenario>;
  return (
    typeof setup === 'function' &&
    typeof threads === 'object' &&
    Object.keys(threads).length > 0 &&
    Object.values(threads).every((thread) => typeof thread === 'function')
  );
}
