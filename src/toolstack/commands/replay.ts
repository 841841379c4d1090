import { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { showDuration, type Duration, type Instant } from '../../base/units.ts';
import type { TraceEvent } from '../../contract/events.ts';
import { StaleTapeError, replayed } from '../../explore/decisions.ts';
import type { Subject } from '../../explore/subject.ts';
import { readTape, type Tape } from '../../explore/tape.ts';
import { runCompared } from '../../explore/neighbours.ts';
import type { TrialResult, TrialState } from '../../explore/trial.ts';
import { actorTable } from '../../explore/actor-table.ts';
import { failureText, reportOf } from '../failure-files.ts';
import { openSubject } from '../subject.ts';
import { EXIT, type Terminal } from '../terminal.ts';
import { UsageError, parseDuration, parseWhole } from '../usage.ts';

interface Flags {
  readonly until?: string;
  readonly step?: true;
  readonly rows: string;
}

export const replayCommand = (terminal: Terminal, exit: (code: number) => void): Command =>
  new Command('replay')
    .description('Make a failure that covisor explore found happen again, step by step where you like.')
    .argument('<tape>', 'a tape.json or reduced.json that covisor explore wrote')
    .option('--until <moment>', 'stop at a time or a step and print the state: 1.5ms, 120')
    .option('--step', 'go forward and back: n, p, +10, -10, a step, a time, q')
    .option('--rows <number>', 'rows of the table at most', '40')
    .addHelpText(
      'after',
      `
Examples:
  covisor replay out/explore-small/seed-17/reduced.json
  covisor replay out/explore-small/seed-17/reduced.json --until 2ms
  covisor replay out/explore-small/seed-17/reduced.json --step

Exit codes: 1 it failed again, as it should; 3 stale tape: the code no longer asks what the tape answers.`,
    )
    .action(async (path: string, flags: Flags) => exit(await replay(path, flags, terminal)));

async function replay(path: string, flags: Flags, { stdout, stderr }: Terminal): Promise<number> {
  const tape = readTapeFile(path);
  const rows = parseWhole(flags.rows, '--rows', 1, 1_000_000);
  const subject = await openSubject(tape.system, tape.length);
  const player = new Player(subject, tape, rows);
  try {
    if (flags.step === true) return await stepThrough(player, { stdout, stderr });
    if (flags.until !== undefined) {
      stdout.write(await player.stateAt(parseMoment(flags.until)));
      return EXIT.ok;
    }
    const { stale, text } = await player.whole();
    if (stale !== undefined) {
      stderr.write(staleLine(path, stale));
      return EXIT.infrastructure;
    }
    stdout.write(text);
    return EXIT.failed;
  } catch (error) {
    if (!(error instanceof StaleTapeError)) throw error;
    stderr.write(staleLine(path, error.message));
    return EXIT.infrastructure;
  }
}

const staleLine = (path: string, why: string): string =>
  `${path}: stale tape: ${why}; the code has changed since, let covisor explore look again\n`;

/** A step, or a time. */
type Stop = { readonly step: number } | { readonly at: Instant };

function parseMoment(text: string): Stop {
  if (/^\d+$/.test(text)) return { step: Number(text) };
  return { at: parseDuration(text, '--until') as number as Instant };
}

/** Plays a tape from the beginning as often as it is asked to: going back is going forward again, less far. */
class Player {
  readonly #subject: Subject;
  readonly #tape: Tape;
  readonly #rows: number;

  constructor(subject: Subject, tape: Tape, rows: number) {
    this.#subject = subject;
    this.#tape = tape;
    this.#rows = rows;
  }

  get lastStep(): number {
    return this.#tape.expect.step;
  }

  /** The failure, or why it is not the same any more. */
  async whole(): Promise<{ readonly stale: string | undefined; readonly text: string }> {
    const events: TraceEvent[] = [];
    let text = '';
    const result = await this.#run(events, {
      onEnd: (hypervisor) =>
        (text = failureText(this.#tape, events, reportOf(hypervisor, this.#subject, this.#tape), this.#rows)),
    });
    return { stale: this.#stale(result), text };
  }

  /** The state and the last events at a moment, as text. */
  async stateAt(stop: Stop): Promise<string> {
    const events: TraceEvent[] = [];
    let text: string | undefined;
    const result = await this.#run(events, {
      onStep: (state) => {
        const there = 'step' in stop ? state.step >= stop.step : state.now >= stop.at;
        if (there) text = this.#show(state, events);
        return !there;
      },
    });
    return text ?? `it ends before that: step ${result.steps}, ${showDuration(result.length)}\n`;
  }

  #run(
    events: TraceEvent[],
    how: Pick<Parameters<typeof runCompared>[1], 'onStep' | 'onEnd'>,
  ): Promise<TrialResult> {
    const { decisions, plan, faults } = this.#tape;
    return runCompared(this.#subject, {
      oracle: replayed(decisions, true),
      plan,
      faults,
      onEvent: (event) => events.push(event),
      ...how,
    });
  }

  #stale(result: TrialResult): string | undefined {
    const { expect } = this.#tape;
    const { failure } = result;
    if (failure === undefined)
      return `the run holds every law now; on the tape it failed at step ${expect.step}: ${expect.what}`;
    if (failure.law !== expect.law || failure.step !== expect.step)
      return `it fails at step ${failure.step} (${failure.law}: ${failure.what}), on the tape at step ${expect.step} (${expect.law})`;
    if (result.fingerprint !== expect.fingerprint)
      return `it fails as on the tape, and ${result.asked} questions or the events before differ from the ${expect.asked} there`;
    return undefined;
  }

  #show({ step, now, hypervisor }: TrialState, events: readonly TraceEvent[]): string {
    const { coprocs, vcoprocs, domains } = hypervisor.figures();
    const actors = [...domains.map(({ name }) => name), ...coprocs.map(({ id }) => id)];
    const lines = [
      actorTable(events, actors, this.#rows),
      `step ${step} of ${this.lastStep}, ${showDuration(now as number as Duration)} (${now} ns)`,
      ...hypervisor.occupancy().map(({ id, state, owner, sliceLeft }) => {
        const left = sliceLeft === null ? '' : `, ${showDuration(sliceLeft)} of its slice left`;
        return `  ${id}: ${state}, ${owner ?? 'nobody'} has it${left}`;
      }),
      ...domains.map(
        ({ name, state, reason }) => `  ${name}: ${state}${reason === null ? '' : `, ${reason}`}`,
      ),
      ...vcoprocs.map(({ id, state, commands, interrupts }) => {
        const { submitted, ok, failed, cancelled } = commands;
        const { raised, delivered, pending, dropped } = interrupts;
        return (
          `  ${id}: ${state}, commands ${submitted} submitted ${ok} ok ${failed} failed ${cancelled} cancelled, ` +
          `interrupts ${raised} raised ${delivered} delivered ${pending} pending ${dropped} dropped`
        );
      }),
    ];
    return `${lines.join('\n')}\n`;
  }
}

async function stepThrough(player: Player, { stdout }: Terminal): Promise<number> {
  const input = createInterface({ input: process.stdin });
  const show = async (goal: Stop): Promise<number | undefined> => {
    const text = await player.stateAt(goal);
    stdout.write(`${text}${PROMPT}`);
    const step = /^step (\d+) of/m.exec(text)?.[1];
    return step === undefined ? undefined : Number(step);
  };
  let step = (await show({ step: 1 })) ?? 1;
  for await (const line of input) {
    const answer = line.trim();
    if (answer === 'q') break;
    const goal = goalOf(answer, step);
    if (goal === undefined) stdout.write(`not understood\n${PROMPT}`);
    else step = (await show(goal)) ?? step;
  }
  input.close();
  return EXIT.ok;
}

const PROMPT = 'n(ext), p(revious), +N, -N, a step, a time, q(uit): ';

function goalOf(answer: string, step: number): Stop | undefined {
  if (answer === 'n' || answer === '') return { step: step + 1 };
  if (answer === 'p') return { step: Math.max(1, step - 1) };
  if (/^[+-]\d+$/.test(answer)) return { step: Math.max(1, step + Number(answer)) };
  try {
    return parseMoment(answer);
  } catch {
    return undefined;
  }
}

function readTapeFile(path: string): Tape {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch {
    throw new UsageError(`${path} cannot be read; expected a tape that covisor explore wrote`);
  }
  const tape = readTape(text);
  if (tape.kind === 'failed') throw new UsageError(`${path} ${tape.reason}`);
  return tape.value;
}
