import { messageOf } from '../../base/said.ts';
import type { Execution } from './execution.ts';
import type { Traced, Value } from './value.ts';
import type { Failure } from './failure.ts';
import type { CheckedScenario } from './load.ts';
import { KIND, isWrite, operationName } from './operation.ts';
import { Replay } from './search/replay.ts';
import type { Shrunk } from './shrink.ts';
import { showTape, tapeOf, type Tape } from './tape.ts';

/** One step of a failing order, as a person reads it. */
export interface StoryStep {
  readonly thread: string;
  readonly operation: string;
  readonly file: string;
  readonly line: number;
  /** The expression in the source. */
  readonly source: string;
  readonly inside: string;
  /** Address in the shared memory of the scenario, and bytes: what two steps have in common. */
  readonly address: number;
  readonly bytes: number;
  /** What was read, written, or changed: `0`, `= 1`, `0 -> 1`. */
  readonly value: string;
}

/** A failing order with everything that is needed to understand and to repeat it. Plain data. */
export interface Story {
  readonly module: string;
  readonly scenario: string;
  readonly kind: 'race' | 'lost wake-up' | 'deadlock' | 'exception' | 'check' | 'outcome' | 'stuck';
  /** One line: what went wrong, where. */
  readonly what: string;
  readonly threads: readonly string[];
  readonly steps: readonly StoryStep[];
  /** Of a data race: the two steps, by index. */
  readonly race: readonly [number, number] | undefined;
  /** Switches away from a thread that could go on; undefined in a replay. */
  readonly preemptions: number | undefined;
  /** No order with fewer preemptions fails like this. */
  readonly fewest: boolean;
  readonly tape: Tape;
  /** One line that repeats it. */
  readonly replay: string;
}

/** Runs the order once more, with values, and tells it. */
export function storyOf(
  checked: CheckedScenario,
  execution: Execution,
  {
    choices,
    preemptions,
    fewest,
  }: Omit<Shrunk, 'preemptions'> & { readonly preemptions: number | undefined },
): Story {
  const traced: Traced[] = [];
  execution.traced = traced;
  new Replay(choices).next(execution);
  execution.traced = undefined;
  const failure = execution.failure!;
  const steps = traced.map((values, step) => stepOf(execution, step, values));
  const tape = tapeOf(execution);
  return {
    module: checked.module,
    scenario: checked.name,
    kind: kindOf(failure),
    what: describe(failure, execution, steps),
    threads: execution.names,
    steps,
    race: failure.kind === 'race' ? [failure.first, failure.second] : undefined,
    preemptions,
    fewest,
    tape,
    replay: `covisor races ${quoted(checked.module)} --scenario ${quoted(checked.name)} --replay ${showTape(tape)}`,
  };
}

const quoted = (text: string): string =>
  /^[\w./:-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;

function stepOf({ log, conductor, names }: Execution, step: number, { before, after }: Traced): StoryStep {
  const site = conductor.sites[log[step]!.site]!;
  const kind = log[step]!.kind;
  return {
    thread: names[log[step]!.thread]!,
    operation: operationName(kind),
    file: site.file,
    line: site.line,
    source: site.text,
    inside: site.inside,
    address: log[step]!.address,
    bytes: log[step]!.bytes,
    value: valueOf(kind, log[step]!.bytes, before, after),
  };
}

function valueOf(kind: number, bytes: number, before: Value, after: Value): string {
  if (bytes > 8) return `${bytes} bytes`;
  if (kind === KIND.notify || kind === KIND.timeout || before === undefined) return '';
  // A race stops its second step before it is done.
  if (isWrite(kind) && after === undefined) return '';
  if (!isWrite(kind)) return String(before);
  if (kind === KIND.write || kind === KIND.store) return `= ${String(after)}`;
  return before === after ? `${String(before)}, unchanged` : `${String(before)} -> ${String(after)}`;
}

function kindOf(failure: Failure): Story['kind'] {
  if (failure.kind !== 'deadlock') return failure.kind;
  return failure.blocked.some(({ changed }) => changed) ? 'lost wake-up' : 'deadlock';
}

function describe(failure: Failure, execution: Execution, steps: readonly StoryStep[]): string {
  const { names, conductor } = execution;
  const place = (site: number): string => `${conductor.sites[site]!.file}:${conductor.sites[site]!.line}`;
  switch (failure.kind) {
    case 'race': {
      const [first, second] = [steps[failure.first]!, steps[failure.second]!];
      const side = (step: StoryStep): string =>
        `${step.thread} ${step.operation} at ${step.file}:${step.line}`;
      return `data race: ${side(first)} and ${side(second)} touch the same memory, and nothing orders them`;
    }
    case 'deadlock':
      return failure.blocked
        .map(({ thread, site, asleep, changed }) => {
          if (!asleep) return `${names[thread]} spins at ${place(site)} on what nobody changes any more`;
          const cause = changed ? 'its word was changed, and nobody woke it' : 'nobody is left to wake it';
          return `${names[thread]} sleeps for ever at ${place(site)}: ${cause}`;
        })
        .join('; ');
    case 'exception':
      return `${names[failure.thread]} threw: ${messageOf(failure.error)}`;
    case 'check':
      return `the check at the end failed: ${messageOf(failure.error)}`;
    case 'outcome':
      return `outcome "${failure.outcome}" is forbidden`;
    case 'stuck':
      return (
        `${names[failure.thread]} made no end in ${failure.steps} steps, at ${place(failure.site)}; ` +
        'put pause() into a loop that waits, or raise the limit of steps'
      );
  }
}
