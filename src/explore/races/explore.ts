import { seededRandom } from '../../base/random.ts';
import type { CheckedScenario } from './load.ts';
import { Execution } from './execution.ts';
import { storyOf, type Story } from './story.ts';
import type { Search } from './search/search.ts';
import { DepthFirst } from './search/depth-first.ts';
import { Priorities } from './search/priorities.ts';
import { RandomWalk } from './search/random-walk.ts';
import { Reduction } from './search/reduction.ts';
import { Replay } from './search/replay.ts';
import { shrink } from './shrink.ts';
import { fingerprint, played, readTape, tapeOf } from './tape.ts';

/** The ways through the orders of a scenario. */
export const strategies = {
  /** Every order that matters, once. */
  reduction: (threads: number) => new Reduction(threads),
  /** Every order. */
  'depth-first': (_threads, { preemptionBound = Infinity }) => new DepthFirst(preemptionBound),
  /** Random orders: a sampler, for what is too big for the others. */
  'random-walk': (_threads, { seed = 1 }) => new RandomWalk(seededRandom(seed)),
  /** Random priorities: a sampler with a known chance for bugs of a few orderings. */
  priorities: (_threads, { seed = 1, bugDepth = 3 }) => new Priorities(seededRandom(seed), bugDepth),
} satisfies Record<string, (threads: number, options: ExploreOptions) => Search>;
export type Strategy = keyof typeof strategies;

export interface ExploreOptions {
  /** Default: reduction. */
  readonly strategy?: Strategy;
  /** Runs after which the search stops, complete or not. Default: 1,000,000. */
  readonly maxRuns?: number;
  /** Steps of one run after which a thread is said to spin. Default: 2000. */
  readonly maxSteps?: number;
  /** Look for data races. Default: true. */
  readonly races?: boolean;
  /** Go on after a failure, and report the first. Default: false. */
  readonly keepGoing?: boolean;
  /** Depth-first search only: most switches away from a thread that could go on. */
  readonly preemptionBound?: number;
  readonly seed?: number;
  /** Priorities only: how many orderings a bug takes. */
  readonly bugDepth?: number;
  /** Runs that reducing a failure may take. Default: 20,000. */
  readonly shrinkEffort?: number;
  /** A tape, as a report prints it: only this order runs. */
  readonly replay?: string;
  /** Asked now and then with the runs so far: say false to stop. */
  readonly onProgress?: (runs: number) => boolean;
}

export interface Exploration {
  readonly scenario: string;
  readonly strategy: Strategy | 'replay';
  /** Orders that ran to their end. */
  readonly runs: number;
  /** Orders that were given up, as others had covered them. */
  readonly redundant: number;
  readonly steps: number;
  /** Every order that matters was seen, up to the first failure. */
  readonly complete: boolean;
  /** How often each outcome came out. Under the reduction the counts say nothing, the set does. */
  readonly outcomes: Readonly<Record<string, number>>;
  readonly failures: number;
  /** The first failure, reduced. */
  readonly failure: Story | undefined;
  /** The tape that was to be replayed does not fit the code any more, from this step on. */
  readonly stale: number | undefined;
}

const PROGRESS_EVERY = 4096;

/** Runs the threads of a scenario in every order that matters, or in as many as the options allow. */
export function explore(checked: CheckedScenario, options: ExploreOptions = {}): Exploration {
  const { maxRuns = 1_000_000, maxSteps = 2000, races = true, keepGoing = false } = options;
  const execution = new Execution(checked.scenario, checked.program.conductor, { races, maxSteps });
  if (options.replay !== undefined) return replayed(checked, execution, options.replay);
  const strategy = options.strategy ?? 'reduction';
  const search: Search = strategies[strategy](execution.threads.length, options);
  const outcomes = new Map<string, number>();
  let [runs, redundant, steps, failures] = [0, 0, 0, 0];
  let first: number[] | undefined;
  let complete = false;
  for (;;) {
    const went = search.next(execution);
    if (went === 'exhausted') {
      complete = true;
      break;
    }
    steps += execution.length;
    if (went === 'redundant') redundant++;
    else {
      runs++;
      if (execution.failure === undefined || execution.failure.kind === 'outcome')
        outcomes.set(execution.outcome, (outcomes.get(execution.outcome) ?? 0) + 1);
      if (execution.failure !== undefined) {
        failures++;
        first ??= played(execution);
        if (!keepGoing) break;
      }
    }
    if (runs + redundant >= maxRuns) break;
    if ((runs + redundant) % PROGRESS_EVERY === 0 && options.onProgress?.(runs) === false) break;
  }
  return {
    scenario: checked.name,
    strategy,
    runs,
    redundant,
    steps,
    complete,
    outcomes: Object.fromEntries([...outcomes].sort(([a], [b]) => (a < b ? -1 : 1))),
    failures,
    failure:
      first === undefined ? undefined : reduced(checked, execution, first, options.shrinkEffort ?? 20_000),
    stale: undefined,
  };
}

function reduced(checked: CheckedScenario, execution: Execution, choices: number[], effort: number): Story {
  const found = shrink(execution, choices, effort);
  return storyOf(checked, execution, found);
}

function replayed(checked: CheckedScenario, execution: Execution, word: string): Exploration {
  const tape = readTape(word);
  if (tape === undefined)
    throw new RangeError(
      `replay ${word}: not a tape; expected the word that a report ends with, like a3b2a1.1f4c09d2`,
    );
  const replay = new Replay(tape.choices);
  replay.next(execution);
  const { keys } = tapeOf(execution);
  const stale = replay.strayed >= 0 || fingerprint(keys) !== tape.fingerprint;
  const failed = execution.failure !== undefined;
  const steps = execution.length;
  const outcomes = failed ? {} : { [execution.outcome]: 1 };
  return {
    scenario: checked.name,
    strategy: 'replay',
    runs: 1,
    redundant: 0,
    steps,
    complete: false,
    outcomes,
    failures: failed ? 1 : 0,
    failure:
      failed && !stale
        ? storyOf(checked, execution, { choices: tape.choices, preemptions: undefined, fewest: false })
        : undefined,
    stale: stale ? Math.max(0, replay.strayed) : undefined,
  };
}
