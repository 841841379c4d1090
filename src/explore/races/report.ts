import type { Exploration } from './explore.ts';
import type { Story, StoryStep } from './story.ts';

const WIDEST_CELL = 44;

/** A failing order as a table: one column per thread, one line per step, time going down. */
export function showStory(story: Story): string {
  const { threads, steps, race } = story;
  const cells = steps.map((step) => cellOf(step));
  const widths = threads.map((name) =>
    Math.max(name.length, ...cells.map((cell, at) => (steps[at]!.thread === name ? cell.length : 0))),
  );
  const last = String(steps.length).length;
  const line = (number: string, mark: string, values: readonly string[], source: string): string =>
    `${number.padStart(last)} ${mark} ${values.map((value, at) => value.padEnd(widths[at]!)).join('  ')}  ${source}`.trimEnd();
  const lines = [
    `${story.scenario}: ${story.kind}`,
    story.what,
    '',
    line('', ' ', threads, 'source'),
    ...steps.map((step, at) =>
      line(
        String(at + 1),
        race?.includes(at) === true ? '*' : ' ',
        threads.map((name) => (name === step.thread ? cells[at]! : '')),
        placeOf(step),
      ),
    ),
  ];
  if (race !== undefined) lines.push('', ...sideBySide(steps[race[0]]!, steps[race[1]]!));
  if (story.preemptions !== undefined) {
    const many = story.preemptions === 1 ? '1 preemption' : `${story.preemptions} preemptions`;
    lines.push(
      '',
      `${steps.length} steps, ${many}${story.fewest ? ': no order with fewer fails like this' : ''}`,
    );
  }
  lines.push('', `replay: ${story.replay}`);
  return lines.join('\n');
}

function cellOf({ operation, value, source }: StoryStep): string {
  const text = `${operation} ${source.replace(/^Atomics\.\w+/, '')}${value === '' ? '' : `  ${value}`}`;
  return text.length <= WIDEST_CELL ? text : `${text.slice(0, WIDEST_CELL - value.length - 3)}…  ${value}`;
}

const placeOf = ({ file, line, inside }: StoryStep): string => `${file}:${line} ${inside}`;

/** The two accesses of a race. */
function sideBySide(first: StoryStep, second: StoryStep): string[] {
  const rows: [string, (step: StoryStep) => string][] = [
    ['thread', ({ thread }) => thread],
    ['access', ({ operation, source }) => `${operation}: ${source}`],
    ['value', ({ value }) => value],
    ['bytes', ({ address, bytes }) => `${address} to ${address + bytes - 1}`],
    ['at', (step) => placeOf(step)],
  ];
  const width = Math.max(...rows.map(([, cell]) => cell(first).length));
  return rows.map(([name, cell]) => `* ${name.padEnd(6)}  ${cell(first).padEnd(width)}  |  ${cell(second)}`);
}

/** What one exploration found, in one line, and its failure below. */
export function showExploration(found: Exploration): string {
  if (found.stale !== undefined)
    return `${found.scenario}: stale tape: step ${found.stale + 1} is not what it was; the code has moved since it was recorded`;
  const runs = `${found.runs.toLocaleString('en')} ${found.runs === 1 ? 'order' : 'orders'}`;
  if (found.failure !== undefined) return `${showStory(found.failure)}\n(found after ${runs})`;
  const how = found.complete ? 'all that matter' : 'a sample; nothing is proved';
  const outcomes = Object.keys(found.outcomes).filter((outcome) => outcome !== '');
  const list = outcomes.length === 0 ? '' : `; outcomes: ${outcomes.join(', ')}`;
  return `${found.scenario}: no failure in ${runs} (${how})${list}`;
}
