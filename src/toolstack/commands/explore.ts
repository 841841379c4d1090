import { Command } from 'commander';
import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { messageOf } from '../../base/said.ts';
import { START, showDuration, toSeconds, type Duration } from '../../base/units.ts';
import { runCampaign } from '../../explore/campaign.ts';
import { replayed } from '../../explore/decisions.ts';
import { CUT_OFF } from '../../explore/marks.ts';
import { RECORDS, RecordFile, readRecords, type RunRecord } from '../../explore/records.ts';
import { shrink } from '../../explore/shrink.ts';
import type { Subject } from '../../explore/subject.ts';
import { tapeOf, type Tape } from '../../explore/tape.ts';
import { runCompared } from '../../explore/neighbours.ts';
import type { Failure } from '../../explore/trial.ts';
import { NO_FAULTS } from '../../faults/plan.ts';
import { newEpoch, threadClock } from '../../runtime/threads/clock.ts';
import { everyMilliseconds } from '../../runtime/threads/ticker.ts';
import { readPlanFile } from '../fault-plan.ts';
import { writeFailure } from '../failure-files.ts';
import { checkWritable, makeFolder, shown } from '../files.ts';
import { SMALL, openSubject } from '../subject.ts';
import { EXIT, forShell, type Terminal } from '../terminal.ts';
import { UsageError, parseDuration, parseWhole } from '../usage.ts';

interface Flags {
  readonly seeds: string;
  readonly jobs?: string;
  readonly timeLimit?: string;
  readonly virtualTime: string;
  readonly faults?: string;
  readonly randomFaults: string;
  readonly bail: string;
  readonly out?: string;
  readonly resume?: true;
  readonly guard: string;
  readonly json?: true;
  readonly quiet?: true;
}

const SUBJECT = new URL(`../subject${import.meta.url.endsWith('.js') ? '.js' : '.ts'}`, import.meta.url);
const PROGRESS_MS = 500;
/** How often it is looked whether the campaign is to end. */
const LIMIT_MS = 50;
const MOST_SHRINKING_RUNS = 600;
/** What is found is made small for as long as it took to find it, or for this long. */
const SHRINKING_MS = 30_000;

export const exploreCommand = (terminal: Terminal, exit: (code: number) => void): Command =>
  new Command('explore')
    .description(
      'Run a system under virtual time, many times over, with chance and faults, and hold it to every law.',
    )
    .argument(
      '<system>',
      `a folder with system.dts and domains/*.cfg, or ${SMALL}: the built-in random guests`,
    )
    .option('--seeds <A..B>', 'which seeds', '1..1000')
    .option('--jobs <number>', 'workers (default: one per processor)')
    .option('--time-limit <length>', 'end after this long, as in 30s, 8h; runs under way are given up')
    .option('--virtual-time <length>', "when a folder's domains are over, in the time of a run", '1s')
    .option('--faults <plan>', 'a fault plan, as YAML or JSON, carried out in every run')
    .option('--random-faults <number>', 'faults that each run may draw besides', '4')
    .option('--bail <number>', 'stop after so many different failures', '1')
    .option('--out <folder>', 'where records and failures go (default: out/explore-<system>)')
    .option('--resume', 'go on where the records in --out end')
    .option('--guard <number>', 'run every so-manieth seed twice and compare', '64')
    .option('--json', 'print the result as one JSON document')
    .option('--quiet', 'print no progress')
    .addHelpText(
      'after',
      `
Examples:
  covisor explore small --seeds 1..100000
  covisor explore examples/cockpit --seeds 1..20 --time-limit 5min
  covisor explore small --seeds 1..5000 --faults plan.yaml --random-faults 0

A failure prints one line that replays it. Exit codes: 0 every law holds, 1 a law is broken, 130 interrupted.`,
    )
    .action(async (system: string, flags: Flags) => exit(await explore(system, flags, terminal)));

interface Found {
  readonly signature: string;
  readonly record: RunRecord & { readonly failure: Failure };
  times: number;
}

async function explore(system: string, flags: Flags, { stdout, stderr }: Terminal): Promise<number> {
  const { first, last } = parseSeeds(flags.seeds);
  const jobs = flags.jobs === undefined ? availableParallelism() : parseWhole(flags.jobs, '--jobs', 1, 256);
  const bail = parseWhole(flags.bail, '--bail', 1, 1_000_000);
  const faults = parseWhole(flags.randomFaults, '--random-faults', 0, 64);
  const guardEvery = parseWhole(flags.guard, '--guard', 1, 2 ** 31);
  const limit = flags.timeLimit === undefined ? undefined : parseDuration(flags.timeLimit, '--time-limit');
  const length = parseDuration(flags.virtualTime, '--virtual-time');
  const plan = flags.faults === undefined ? NO_FAULTS : readPlanFile(flags.faults);
  // Opened here first: what is wrong with it is said once and at once.
  const subject = await openSubject(system, length);
  const out = outFolder(flags.out, system, stderr);
  const earlier = flags.resume ? readRecords(out) : new Map<number, RunRecord>();

  const tally = new Tally();
  for (const [seed, record] of earlier) if (seed >= first && seed <= last) tally.add(record);
  const file = new RecordFile(out);
  const clock = threadClock(newEpoch(START));
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort();
  process.once('SIGINT', interrupt);
  const enough = new AbortController();
  const stopWatching = everyMilliseconds(LIMIT_MS, () => {
    if (interruption.signal.aborted || (limit !== undefined && clock() >= (limit as number))) enough.abort();
  });
  const progress = (): string => tally.line(clock() as number as Duration, last - first + 1);
  const interactive = stderr.isTTY === true && !flags.quiet;
  const stopTicking = interactive
    ? everyMilliseconds(PROGRESS_MS, () => void stderr.write(`\r\u001b[K${progress()}`))
    : () => {};
  try {
    await runCampaign({
      subjectModule: SUBJECT.href,
      system,
      length,
      plan,
      faults,
      guardEvery,
      seeds: missing(first, last, earlier),
      jobs: Math.min(jobs, last - first + 1),
      signal: enough.signal,
      onRecord: (record) => {
        file.append(record);
        tally.add(record);
        return tally.found.size < bail;
      },
    });
  } finally {
    stopTicking();
    stopWatching();
    file.close();
    process.off('SIGINT', interrupt);
  }
  const took = clock() as number as Duration;
  if (interactive) stderr.write('\r\u001b[K');
  if (!flags.quiet) stderr.write(`${progress()}\n`);
  const failures: { law: string; what: string; times: number; seed: number; replay: string }[] = [];
  const shrinkUntil = took + Math.max(took, SHRINKING_MS * 1e6);
  for (const [at, { record, times }] of [...tally.found.values()].entries()) {
    if (interactive) stderr.write(`\r\u001b[Kmaking failure ${at + 1} of ${tally.found.size} small`);
    const replay = await explain(
      subject,
      { system, length, plan, faults },
      record,
      join(out, `seed-${record.seed}`),
      () => clock() > shrinkUntil,
    );
    failures.push({ law: record.failure.law, what: record.failure.what, times, seed: record.seed, replay });
  }
  if (interactive) stderr.write('\r\u001b[K');
  const marks = Object.fromEntries([...tally.marks].sort(([a], [b]) => (a < b ? -1 : 1)));
  if (flags.json) {
    const { runs, steps, events, length } = tally;
    stdout.write(
      `${JSON.stringify({ schemaVersion: 1, system, runs, steps, events, length, took, marks, failures }, null, 2)}\n`,
    );
  } else {
    for (const { law, what, times, replay } of failures)
      stdout.write(`FAILED ${law}: ${what}\n  in ${times} of ${tally.runs} runs; replay with\n  ${replay}\n`);
    if (failures.length === 0)
      stdout.write(`${tally.runs} runs, every law holds; ${tally.marks.size} situations seen\n`);
    if (tally.cutOff > 0)
      stdout.write(
        `in ${tally.cutOff} of ${tally.runs} runs ${CUT_OFF}, and what it verifies at its end was not checked; give --virtual-time more than ${showDuration(length)}\n`,
      );
    if (!flags.quiet) {
      stderr.write('situations, and how often:\n');
      for (const [mark, times] of Object.entries(marks))
        stderr.write(`  ${String(times).padStart(9)}  ${mark}\n`);
    }
  }
  if (failures.length > 0) return EXIT.failed;
  return interruption.signal.aborted ? EXIT.interrupted : EXIT.ok;
}

/** Runs a failure again, shrinks it and writes all about it. Returns the line that replays it. */
async function explain(
  subject: Subject,
  run: Pick<Tape, 'system' | 'length' | 'plan' | 'faults'>,
  { seed, decisions, failure }: RunRecord & { readonly failure: Failure },
  folder: string,
  enough: () => boolean,
): Promise<string> {
  const { plan, faults } = run;
  const again = await runCompared(subject, { oracle: replayed(decisions ?? [], false), plan, faults });
  const result = { ...again, failure: again.failure ?? failure };
  const shrunk =
    again.failure === undefined
      ? { result }
      : await shrink(subject, result, { plan, faults }, MOST_SHRINKING_RUNS, enough);
  const whole = tapeOf({ ...run, system: resolvedSystem(run.system), seed }, result);
  const reduced = tapeOf({ ...run, system: resolvedSystem(run.system), seed }, shrunk.result);
  return forShell('covisor', 'replay', shown(await writeFailure(folder, subject, whole, reduced)));
}

const resolvedSystem = (system: string): string => (system === SMALL ? system : resolve(system));

/** In which words about one and the same bug differ: numbers, and hashes. */
const DIFFERS = /\b(?=[a-f]*\d)[0-9a-f]{6,}\b|\d+/g;

/** What a campaign has seen so far. */
class Tally {
  runs = 0;
  steps = 0;
  events = 0;
  length = 0;
  /** Runs in which a domain was ended before it was through. */
  cutOff = 0;
  readonly marks = new Map<string, number>();
  readonly found = new Map<string, Found>();

  add(record: RunRecord): void {
    this.runs++;
    this.steps += record.steps;
    this.events += record.events;
    this.length += record.length;
    if (CUT_OFF in record.marks) this.cutOff++;
    for (const [mark, times] of Object.entries(record.marks))
      this.marks.set(mark, (this.marks.get(mark) ?? 0) + times);
    const { failure } = record;
    if (failure === null) return;
    const signature = `${failure.law}: ${failure.what.replaceAll(DIFFERS, '#').replaceAll(/\b[a-d]\//g, '')}`;
    const found = this.found.get(signature);
    if (found === undefined)
      this.found.set(signature, { signature, record: { ...record, failure }, times: 1 });
    else found.times++;
  }

  line(elapsed: Duration, of: number): string {
    const rate = this.runs / Math.max(toSeconds(elapsed), 0.001);
    const ratio = this.length / Math.max(elapsed, 1);
    return (
      `${this.runs} of ${of} runs, ${rate.toFixed(0)}/s, ${this.steps} steps, ` +
      `virtual ${showDuration(this.length as Duration)} (${ratio.toFixed(2)} x real time), ` +
      `${this.marks.size} situations, ${this.found.size} failures`
    );
  }
}

function* missing(first: number, last: number, earlier: ReadonlyMap<number, RunRecord>): Generator<number> {
  for (let seed = first; seed <= last; seed++) if (!earlier.has(seed)) yield seed;
}

function parseSeeds(text: string): { first: number; last: number } {
  const match = /^(\d+)(?:\.\.(\d+))?$/.exec(text);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || last < first || last >= 2 ** 31)
    throw new UsageError(`--seeds ${text}: expected A..B with A at most B, as in 1..1000`);
  return { first, last };
}

/** Refuses a folder with things in it of which none is a campaign's. */
function checkRecords(folder: string): void {
  const found = existsSync(folder) ? readdirSync(folder) : [];
  if (found.length > 0 && !found.some((name) => name.startsWith(RECORDS)))
    throw new UsageError(
      `${shown(folder)} holds ${found[0]}, which no campaign wrote there; expected an empty folder or an earlier campaign's for --out`,
    );
}

/** The folder for records. Where nothing can be written, a new one of the machine's own. */
function outFolder(wanted: string | undefined, system: string, stderr: NodeJS.WriteStream): string {
  const out = resolve(wanted ?? join('out', `explore-${basename(resolve(system))}`));
  try {
    checkWritable(out, '--out');
    checkRecords(out);
    makeFolder(out);
    return out;
  } catch (error) {
    if (wanted !== undefined) throw error;
    const other = mkdtempSync(join(tmpdir(), 'covisor-explore-'));
    stderr.write(`${messageOf(error)}; records go to ${other} instead\n`);
    return other;
  }
}
