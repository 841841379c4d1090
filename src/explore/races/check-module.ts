import { explore, type Exploration, type ExploreOptions } from './explore.ts';
import { loadScenarios, scenarioNamed } from './load.ts';
import type { ProgramOptions } from './program.ts';
import { showExploration } from './report.ts';

export interface CheckOptions extends ExploreOptions, ProgramOptions {
  /** Only the scenario of this name. */
  readonly scenario?: string;
}

/** What became of a module's scenarios. Plain data: its JSON is the report for tools. */
export interface ModuleCheck {
  readonly module: string;
  readonly explorations: readonly Exploration[];
  /** Every scenario went through without a failure, and no tape was stale. */
  readonly passed: boolean;
}

/**
 * Checks the scenarios that a module exports. Throws a RefusedError, with file and line, where the code cannot be
 * checked, and a RangeError where the options make no sense.
 */
export async function checkModule(path: string, options: CheckOptions = {}): Promise<ModuleCheck> {
  const all = await loadScenarios(path, options);
  if (options.replay !== undefined && options.scenario === undefined && all.length > 1)
    throw new RangeError(`replay: say which scenario of ${path}`);
  const chosen = options.scenario === undefined ? all : [scenarioNamed(all, options.scenario)];
  const explorations = chosen.map((one) => explore(one, options));
  const passed = explorations.every(({ failures, stale }) => failures === 0 && stale === undefined);
  return { module: path, explorations, passed };
}

/** The same for people: failures first, the shortest one at the top. */
export function showModuleCheck({ explorations }: ModuleCheck): string {
  const length = ({ failure }: Exploration): number => failure?.steps.length ?? Infinity;
  const sorted = [...explorations].sort((a, b) => (length(a) === length(b) ? 0 : length(a) - length(b)));
  return sorted.map((one) => showExploration(one)).join('\n\n');
}
