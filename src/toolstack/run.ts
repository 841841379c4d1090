import { after, START, type Duration } from '../base/units.ts';
import type { Outcome } from '../base/outcome.ts';
import { GuestError, type GuestFile, type GuestProgram } from '../contract/guest.ts';
import type { TraceEvent } from '../contract/events.ts';
import type { Runtime } from '../contract/port.ts';
import type { FaultReport, RunReport } from '../contract/report.ts';
import type { DomainDescription, SystemDescription } from '../contract/system.ts';
import { Injector } from '../faults/injector.ts';
import type { FaultPlan } from '../faults/plan.ts';
import { targetsOf } from '../faults/targets.ts';
import type { Domain } from '../hypervisor/domain.ts';
import { Hypervisor, type Figures } from '../hypervisor/hypervisor.ts';
import type { Parts } from '../hypervisor/parts.ts';
import { traceCollector, type TraceCollector } from '../observe/collector.ts';
import { checkLaws } from '../observe/laws.ts';
import { Forecast } from '../observe/prediction.ts';
import { SimulatedRuntime, StalledError } from '../runtime/simulated/runtime.ts';
import { ThreadsRuntime } from '../runtime/threads/runtime.ts';
import type { Checkpoint } from './checkpoint/folder.ts';
import { domainsBefore, goOnFrom } from './checkpoint/resumed-system.ts';
import { sourcesOf } from './checkpoint/sources.ts';
import { refuse } from './config/problem.ts';
import { takeCores } from './cores.ts';
import { DumpKeeper } from './dump/keeper.ts';
import { ResultFiles, readAsset } from './files.ts';
import { systemFirmware } from './firmware.ts';
import { loadGuest } from './guest-loader.ts';
import { platformsOf } from './platforms.ts';
import { checkScheduling, schedulersOf } from './scheduling.ts';
import { catchStrays } from './strays.ts';

export interface RunOptions {
  readonly system: SystemDescription;
  readonly runtime: Runtime['kind'];
  readonly seed: number;
  /** Only these domains; all when absent. */
  readonly domains?: readonly string[];
  /** Domains that are still at work after this long are destroyed. */
  readonly length?: Duration;
  readonly input?: GuestFile & { readonly kind: string };
  /** Sees the hypervisor at work, once it runs. Returns what to do when the run is over. */
  readonly watch?: (hypervisor: Hypervisor, runtime: Runtime) => () => void;
  /** Called when the run is asked to end early. */
  readonly interrupted?: AbortSignal;
  readonly onEvent?: (event: TraceEvent) => void;
  /** Whether what crashes leaves a dump. */
  readonly dumps?: boolean;
  readonly faults?: FaultPlan;
  /** Whether threads are held on cores of their own. */
  readonly pin?: boolean;
  /** Saves the run after this long, once; `taken` is told what there is to write, or why there is nothing. */
  readonly checkpoint?: {
    readonly at: Duration;
    taken(checkpoint: Outcome<Checkpoint>): void;
  };
  /** What the run continues: `system` is its. */
  readonly resume?: Checkpoint;
}

export interface RunResult {
  /** Without `report`, which is known only once the page is written. */
  readonly report: RunReport;
  readonly trace: TraceCollector;
  readonly files: ResultFiles;
  /** Crash dumps by name. */
  readonly dumps: ReadonlyMap<string, () => Buffer>;
}

/** Runs a system from its first domain's start to its last one's end. Throws a `ConfigurationError` for a system that cannot start. */
export async function runSystem(options: RunOptions): Promise<RunResult> {
  const { system, seed } = options;
  const chosen = chooseDomains(options);
  // Guests first: what cannot be loaded must not leave anything half started.
  const guests: { description: DomainDescription; program: GuestProgram }[] = [];
  const { saved: before, isOver } = domainsBefore(options.resume);
  for (const description of chosen)
    guests.push({ description, program: isOver(description) ? NOTHING : await loadGuest(description) });
  const platforms = await platformsOf(system);
  const schedulers = await schedulersOf(system);
  checkScheduling(
    system,
    chosen.filter((description) => !isOver(description)),
    schedulers,
  );

  const injector = options.faults === undefined ? undefined : new Injector(options.faults);
  const start = options.resume?.saved.at ?? START;
  const runtime: Runtime =
    options.runtime === 'threads'
      ? new ThreadsRuntime(seed, start, options.pin ? takeCores() : undefined)
      : new SimulatedRuntime(seed, { start });
  const trace = traceCollector();
  const forecast = options.runtime === 'simulated' ? new Forecast() : undefined;
  const files = new ResultFiles(options.resume?.results);
  const dumps = new Map<string, () => Buffer>();
  const keeper = new DumpKeeper(trace.sink, (name, content) => {
    dumps.set(name, content);
    return name;
  });
  const parts: Parts = {
    runtime,
    platforms,
    schedulers,
    firmware: systemFirmware(system, runtime.metered),
    trace: (event) => {
      trace.sink(event);
      forecast?.sink(event);
      if (options.dumps === true) keeper.sink(event);
      options.onEvent?.(event);
    },
    ...(options.dumps === true ? { crashed: keeper.crashed } : {}),
  };
  const hypervisor = new Hypervisor(injector?.parts(parts) ?? parts);
  try {
    for (const coproc of system.coprocs) {
      const added = hypervisor.addCoproc(coproc);
      if (added.kind === 'failed')
        refuse(coproc.position, added.reason, 'expected a coprocessor that this build has');
    }
    if (options.resume !== undefined) goOnFrom(options.resume, hypervisor);
    const domains: Domain[] = [];
    for (const { description, program } of guests) {
      const created = await hypervisor.createDomain(
        description,
        program,
        domainFiles(options, description, files),
        before.get(description.name),
      );
      if (created.kind === 'failed')
        return refuse(
          description.position,
          created.reason,
          'the domain was not created, nor was anything started',
        );
      domains.push(created.value);
    }
    injector?.start(targetsOf(hypervisor));
    const unwatch = options.watch?.(hypervisor, runtime);
    saveLater(options, runtime, hypervisor, files);
    await untilOver(options, runtime, hypervisor, domains, () => injector?.stop());
    unwatch?.();
    hypervisor.close();
    // The figures as they were when the last domain ended: checking results is not the coprocessors' time.
    const { coprocs, vcoprocs } = hypervisor.figures();
    for (const domain of domains) domain.verify();
    const figures: Figures = { coprocs, vcoprocs, domains: hypervisor.figures().domains };
    return { report: judge(options, figures, injector?.reports, forecast), trace, files, dumps };
  } finally {
    hypervisor.close();
    await runtime.close();
  }
}

/** The program of a domain that is over. */
const NOTHING: GuestProgram = { main: () => Promise.resolve() };

function saveLater(
  { checkpoint, system, seed, input }: RunOptions,
  { kind, timeline }: Runtime,
  hypervisor: Hypervisor,
  files: ResultFiles,
): void {
  if (checkpoint === undefined) return;
  timeline.at(after(timeline.now(), checkpoint.at), () => {
    void hypervisor.save().then((outcome) => {
      if (outcome.kind === 'failed') return checkpoint.taken(outcome);
      const saved = outcome.value;
      const kernels = saved.domains.map(({ description }) => description.kernel);
      const results = [...files.all].map(([path, content]) => ({ path, content }));
      const sources = sourcesOf(system.folder, kernels, []);
      const value = {
        mode: 'run',
        runtime: kind,
        seed,
        system,
        files: sources,
        results,
        input: input ?? null,
        saved,
      } as const;
      checkpoint.taken({ kind: 'ok', value });
    });
  });
}

/** Runs all domains; a domain that waits for what never comes crashes, it does not hang the run. */
async function untilOver(
  options: RunOptions,
  runtime: Runtime,
  hypervisor: Hypervisor,
  domains: readonly Domain[],
  onEnd: () => void,
): Promise<void> {
  const end = (): void => {
    onEnd();
    for (const domain of domains) if (domain.state === 'running') void hypervisor.destroyDomain(domain);
  };
  options.interrupted?.addEventListener('abort', end);
  const cancel =
    options.length === undefined
      ? undefined
      : runtime.timeline.at(after(runtime.timeline.now(), options.length), end);
  const finished = Promise.all(domains.map((domain) => hypervisor.runDomain(domain))).then(() => cancel?.());
  if (options.interrupted?.aborted === true) end();
  // Whose it is when nobody can say, a run that finds all in order must not pass over it.
  const strays = catchStrays(
    () => domains,
    (error, running) => running.forEach((domain) => domain.crash(error)),
  );
  try {
    for (;;) {
      try {
        return await runtime.drive(Promise.race([finished, strays.broken]));
      } catch (error) {
        if (!(error instanceof StalledError)) throw error;
        const stuck = domains.filter((domain) => domain.state === 'running');
        if (stuck.length === 0) throw error;
        for (const domain of stuck)
          domain.crash(new GuestError('it waits for something that nothing will bring'));
      }
    }
  } finally {
    strays.release();
  }
}

function chooseDomains({ system, domains }: RunOptions): readonly DomainDescription[] {
  const all = system.dom0 === undefined ? system.domains : [system.dom0, ...system.domains];
  return domains === undefined
    ? all
    : all.filter(({ name }) => domains.includes(name) || name === system.dom0?.name);
}

function domainFiles({ system, input }: RunOptions, { takes }: DomainDescription, files: ResultFiles) {
  return {
    asset: (path: string) => readAsset(system.folder, path),
    write: files.add.bind(files),
    input: input !== undefined && takes.includes(input.kind) ? input : undefined,
  };
}

function judge(
  { system, runtime, seed, length }: RunOptions,
  { coprocs, vcoprocs, domains }: Figures,
  faults: readonly FaultReport[] | undefined,
  forecast: Forecast | undefined,
): RunReport {
  const wall = coprocs.reduce<Duration>(
    (longest, { wall }) => (wall > longest ? wall : longest),
    START as number as Duration,
  );
  const report: RunReport = {
    schemaVersion: 1,
    system: system.folder,
    model: system.model,
    runtime,
    seed,
    wall,
    ok: false,
    violations: [],
    coprocs,
    vcoprocs,
    domains,
    ...(faults === undefined ? {} : { faults }),
    ...(forecast === undefined ? {} : { prediction: forecast.of(system.coprocs, { vcoprocs, wall }) }),
    report: null,
  };
  const violations = checkLaws(report);
  const over = domains.every(
    ({ state }) => state === 'finished' || (state === 'destroyed' && length !== undefined),
  );
  const verdicts = domains.every(({ results }) => results.every(({ ok }) => ok));
  const asAsked = coprocs.every(({ faults }) => faults.length === 0);
  return { ...report, ok: over && verdicts && asAsked && violations.length === 0, violations };
}
