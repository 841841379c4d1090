import { Command, Option } from 'commander';
import { basename, join, resolve } from 'node:path';
import type { Runtime } from '../../contract/port.ts';
import { failed, type Outcome } from '../../base/outcome.ts';
import { expectedOneOf } from '../../base/nearest.ts';
import type { RunReport } from '../../contract/report.ts';
import type { SystemDescription } from '../../contract/system.ts';
import type { Hypervisor } from '../../hypervisor/hypervisor.ts';
import { liveView } from '../../observe/live.ts';
import { liveSnapshot, type LiveSnapshot } from '../../observe/live-snapshot.ts';
import { printable } from '../../observe/printable.ts';
import { reportPage } from '../../observe/report-page/report-page.ts';
import { summary, verdict } from '../../observe/summary.ts';
import { everyMilliseconds } from '../../runtime/threads/ticker.ts';
import { checkPlace, writeCheckpoint, type Checkpoint } from '../checkpoint/folder.ts';
import { resumedSystem } from '../checkpoint/resumed-system.ts';
import { EXIT, forShell, type Terminal } from '../terminal.ts';
import { showPosition } from '../config/problem.ts';
import { checkPlan, readPlanFile, withVerification } from '../fault-plan.ts';
import { REPORT_FILE, RUN_FILE, TRACE_FILE, checkOutput, readInput, shown, writeOutput } from '../files.ts';
import { pinOption } from '../cores.ts';
import { readSystem } from '../known.ts';
import { runSystem, type RunOptions, type RunResult } from '../run.ts';
import { UsageError, once, parseDuration, parseWhole } from '../usage.ts';

/** What a run prints and writes, whether it begins or goes on. */
export interface Outputs {
  readonly for?: string;
  readonly out?: string;
  readonly json?: true;
  readonly quiet?: true;
  readonly files: boolean;
  readonly dumps: boolean;
}

interface Flags extends Outputs {
  readonly runtime: Runtime['kind'];
  readonly seed: string;
  readonly input?: string;
  readonly checkpoint?: string;
  readonly checkpointAt?: string;
  readonly faults?: string;
  readonly pin?: true;
}

const LIVE_MS = 100;
/** What ends a run early, with its results. */
const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

export const runCommand = (terminal: Terminal, exit: (code: number) => void): Command =>
  new Command('run')
    .description(
      'Run a system until its domains are over, show it at work and leave its results in a folder.',
    )
    .argument('<system>', 'a folder with system.dts and domains/*.cfg')
    .argument('[domains...]', 'run only these domains')
    .addOption(
      new Option('--runtime <kind>', 'real threads, or deterministic under virtual time')
        .choices(['threads', 'simulated'])
        .default('threads'),
    )
    .option('--seed <number>', 'seed of all chance', '1')
    .addOption(pinOption())
    .option('--for <length>', 'end the domains after this long, as in 500ms, 2s, 1min')
    .option('--input <file>', 'a picture of your own, for the domains that take its kind', once('--input'))
    .option(
      '--faults <plan>',
      'carry out a fault plan, as YAML or JSON (see covisor list-faults)',
      once('--faults'),
    )
    .option('--out <folder>', 'where the results go (default: out/<system>)')
    .option('--checkpoint <folder>', 'where --checkpoint-at saves the whole system, for covisor resume')
    .option('--checkpoint-at <length>', 'save it after this long, and go on')
    .option('--no-files', 'write no files')
    .option('--no-dumps', 'write no crash dumps')
    .option('--json', 'print the run as one JSON document (its schema: covisor schema)')
    .option('--quiet', 'print nothing but errors and --json')
    .addHelpText(
      'after',
      `
Examples:
  covisor run examples/cockpit
  covisor run examples/cockpit cluster assist --runtime simulated --seed 7
  covisor run examples/cockpit --input photo.png --out /tmp/mine
  covisor run examples/cockpit --json --quiet | jq '.vcoprocs[] | {id, time}'`,
    )
    .action(async (folder: string, names: string[], flags: Flags) => {
      exit(await run(folder, names, flags, terminal));
    });

async function run(
  folder: string,
  names: readonly string[],
  flags: Flags,
  terminal: Terminal,
): Promise<number> {
  const seed = parseWhole(flags.seed, '--seed', -(2 ** 31), 2 ** 31 - 1);
  const plan = flags.faults === undefined ? undefined : readPlanFile(flags.faults);
  const described = readSystem(folder);
  if (plan !== undefined) checkPlan(plan, described);
  const system = plan === undefined ? described : withVerification(described, plan);
  const input = flags.input === undefined ? undefined : readInput(flags.input);
  checkNames(system, names, input?.kind);
  if (flags.pin && flags.runtime !== 'threads')
    throw new UsageError(`--pin: a ${flags.runtime} run has no threads to hold; leave it out`);
  if ((flags.checkpoint === undefined) !== (flags.checkpointAt === undefined))
    throw new UsageError('--checkpoint and --checkpoint-at belong together; give both or none');
  const checkpoint = flags.checkpoint === undefined ? undefined : resolve(flags.checkpoint);
  if (checkpoint !== undefined) checkPlace(checkpoint);
  const at =
    flags.checkpointAt === undefined ? undefined : parseDuration(flags.checkpointAt, '--checkpoint-at');
  if (!flags.quiet)
    for (const { what, ...position } of system.warnings)
      terminal.stderr.write(`${showPosition(position)}: ${what}\n`);

  const told: { checkpoint: Outcome<Checkpoint> } = { checkpoint: failed('the run was over before') };
  const options: RunOptions = {
    system,
    runtime: flags.runtime,
    seed,
    ...(names.length > 0 ? { domains: names } : {}),
    ...(input === undefined ? {} : { input }),
    ...(plan === undefined ? {} : { faults: plan }),
    pin: flags.pin === true,
    ...(at === undefined ? {} : { checkpoint: { at, taken: (outcome) => (told.checkpoint = outcome) } }),
  };
  const code = await conduct(options, flags, terminal, replayLine(folder, names, flags));
  if (checkpoint === undefined) return code;
  const taken = told.checkpoint;
  if (taken.kind === 'failed') {
    terminal.stderr.write(`no checkpoint: ${taken.reason}\n`);
    return EXIT.usage;
  }
  await writeCheckpoint(checkpoint, taken.value);
  return code;
}

/** Goes on with a run that was saved, to its end. */
export async function resumeRun(checkpoint: Checkpoint, flags: Outputs, terminal: Terminal): Promise<number> {
  const system = resumedSystem(checkpoint);
  const { runtime, seed, input } = checkpoint;
  const options: RunOptions = {
    system,
    runtime,
    seed,
    resume: checkpoint,
    ...(input === null ? {} : { input }),
  };
  return conduct(options, flags, terminal, undefined);
}

/** Runs, shows and writes. `replay`: the command that does the same again, if there is one. */
async function conduct(
  options: RunOptions,
  flags: Outputs,
  { stdout, stderr }: Terminal,
  replay: string | undefined,
): Promise<number> {
  const length = flags.for === undefined ? undefined : parseDuration(flags.for, '--for');
  const out = flags.files ? resolve(flags.out ?? join('out', basename(options.system.folder))) : undefined;
  if (out !== undefined) checkOutput(out);
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort();
  for (const signal of SIGNALS) process.once(signal, interrupt);
  try {
    const result = await runSystem({
      ...options,
      interrupted: interruption.signal,
      dumps: out !== undefined && flags.dumps,
      ...(length === undefined ? {} : { length }),
      ...(flags.quiet ? {} : { watch: (hypervisor, runtime) => watch(hypervisor, runtime, stderr) }),
    });
    const report: RunReport = { ...result.report, report: out === undefined ? null : REPORT_FILE };
    const written = out === undefined ? [] : writeResults(out, report, result);
    if (flags.json) stdout.write(`${JSON.stringify(report, null, 2)}\n`);
    if (!flags.quiet) {
      const stream = flags.json ? stderr : stdout;
      stream.write(summary(report, { width: stream.columns ?? 160, color: colorful(stream), written }));
    }
    for (const { fault, became } of report.faults ?? [])
      if (became === 'never happened') stderr.write(`warning: never happened: ${printable(fault)}\n`);
    if (interruption.signal.aborted) return EXIT.interrupted;
    if (report.ok) return EXIT.ok;
    if (flags.quiet) stderr.write(`${failures(report)}\n`);
    if (options.runtime === 'simulated' && replay !== undefined) stderr.write(`replay: ${replay}\n`);
    return EXIT.failed;
  } finally {
    for (const signal of SIGNALS) process.off(signal, interrupt);
  }
}

/** A line that says what failed, and one for each domain that crashed, result that is wrong and law that is broken. */
function failures(report: RunReport): string {
  const ofDomains = report.domains.flatMap(({ name, reason, results }) => [
    ...(reason === null ? [] : [`${name}: ${reason}`]),
    ...results.flatMap(({ ok, what, detail }) => (ok ? [] : [`${name}: ${what}: ${detail}`])),
  ]);
  const lines = [...ofDomains, ...report.violations].map(printable);
  return [verdict(report), ...lines].map((line) => `covisor: ${line}`).join('\n');
}

/** The command that does the same again, for a shell. */
function replayLine(folder: string, names: readonly string[], flags: Flags): string {
  const options = (['runtime', 'seed', 'for', 'input', 'faults'] as const).flatMap((name) => {
    const value = flags[name];
    return value === undefined ? [] : [`--${name}`, value];
  });
  return forShell('covisor', 'run', folder, ...names, ...options);
}

function checkNames(system: SystemDescription, names: readonly string[], kind: string | undefined): void {
  const known = system.domains.map(({ name }) => name as string);
  for (const name of names) {
    if (!known.includes(name))
      throw new UsageError(`no domain ${name} in ${shown(system.folder)}; ${expectedOneOf(name, known)}`);
  }
  const runs = names.length === 0 ? known : names;
  const takers = system.domains.filter(
    ({ name, takes }) => runs.includes(name) && kind !== undefined && takes.includes(kind),
  );
  if (kind !== undefined && takers.length === 0) {
    const kinds = [
      ...new Set(system.domains.filter(({ name }) => runs.includes(name)).flatMap(({ takes }) => takes)),
    ];
    throw new UsageError(
      `no domain that runs takes ${kind}; ${kinds.length === 0 ? 'none takes any --input' : `expected one of ${kinds.join(', ')}`}`,
    );
  }
}

/** Shows the run a few times a second of real time, whatever its own time does. */
function watch(hypervisor: Hypervisor, runtime: Runtime, stream: NodeJS.WriteStream): () => void {
  const view = liveView({ stream, interactive: stream.isTTY === true, color: colorful(stream) });
  let before: LiveSnapshot | undefined;
  const update = (): void => {
    const now = hypervisor.occupancy();
    before = liveSnapshot(
      runtime.timeline.now(),
      hypervisor.figures(),
      ({ id }) => now.find((coproc) => coproc.id === id) ?? { state: 'idle', owner: null, sliceLeft: null },
      before,
    );
    view.update(before);
  };
  const stop = everyMilliseconds(LIVE_MS, update);
  return () => {
    stop();
    update();
    view.end();
    stream.write('the domains are over, checking their results\n');
  };
}

/** Writes the domains' files, the figures, the trace and the page that shows them. Returns what a person may open. */
function writeResults(out: string, report: RunReport, { files, trace, dumps }: RunResult): string[] {
  // The figures first: they say which files are the run's, should writing the others fail.
  const figures = `${JSON.stringify(report, null, 2)}\n`;
  const all = new Map<string, Uint8Array | string>([[RUN_FILE, figures], ...files.all]);
  const endsAt = trace.endsAt();
  const pictures = [...files.all]
    .filter(([path]) => path.endsWith('.png'))
    .map(([path, png]) => ({ domain: path.slice(0, path.indexOf('/')), file: path, png }));
  all.set(
    REPORT_FILE,
    reportPage({
      report,
      trace: trace.events(),
      pictures,
      losses: trace.losses(),
      ...(endsAt === undefined ? {} : { traceEndsAt: endsAt }),
    }),
  );
  all.set(TRACE_FILE, trace.tape());
  for (const [name, content] of dumps) all.set(name, content());
  writeOutput(out, all);
  const folders = [...new Set([...files.all.keys()].map((path) => path.slice(0, path.indexOf('/') + 1)))];
  return [REPORT_FILE, RUN_FILE, TRACE_FILE, ...dumps.keys(), ...folders].map(
    (path) => `${shown(out)}/${path}`,
  );
}

const colorful = (stream: NodeJS.WriteStream): boolean =>
  stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '';
