import { messageOf } from '../base/said.ts';
import type { Outcome } from '../base/outcome.ts';
import { NO_TIME, START, showDuration, us, type Duration, type Instant } from '../base/units.ts';
import type { TraceEvent } from '../contract/events.ts';
import type { Runtime } from '../contract/port.ts';
import type { RunReport } from '../contract/report.ts';
import { drawPlan } from '../faults/draw.ts';
import { Injector, type FaultTargets } from '../faults/injector.ts';
import { NO_FAULTS, showFault, type Fault, type FaultPlan } from '../faults/plan.ts';
import { targetsOf } from '../faults/targets.ts';
import type { Domain } from '../hypervisor/domain.ts';
import { Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Parts } from '../hypervisor/parts.ts';
import { RecycledMemory } from '../memory/recycled-memory.ts';
import { SimulatedRuntime, StalledError } from '../runtime/simulated/runtime.ts';
import { checkedPlatform } from './checked-platform.ts';
import { checkedSchedulers } from './checked-scheduler.ts';
import { contextModel } from './context-model.ts';
import { BrokenLawError, mix, type Decision, type DecisionOracle } from './decisions.ts';
import { Excuses } from './excuses.ts';
import { Fingerprint } from './fingerprint.ts';
import { IsolationLaws } from './isolation-laws.ts';
import { CUT_OFF, Marks } from './marks.ts';
import { PolicyLaws } from './policy-laws.ts';
import { StepLaws, losesContexts } from './step-laws.ts';
import type { BuiltSystem, RunView, Subject } from './subject.ts';
import { unfinished } from './unfinished.ts';

const LEADS: readonly Duration[] = [NO_TIME, us(5), us(20)];

export interface Failure {
  /** Which law, or what kind of end. */
  readonly law: string;
  readonly what: string;
  readonly step: number;
  readonly at: Instant;
}

export interface TrialResult {
  readonly failure: Failure | undefined;
  readonly steps: number;
  readonly events: number;
  readonly length: Duration;
  /** The same for two runs that did the same. */
  readonly fingerprint: number;
  readonly asked: number;
  readonly decisions: readonly Decision[];
  /** The faults that happened, in words. */
  readonly faults: readonly string[];
  /** How often each interesting situation arose. */
  readonly marks: ReadonlyMap<string, number>;
}

export interface TrialOptions {
  readonly oracle: DecisionOracle;
  readonly plan?: FaultPlan;
  /** Faults that the oracle may add. */
  readonly faults?: number;
  readonly onEvent?: (event: TraceEvent) => void;
  /** Called after each step; says whether to go on. */
  readonly onStep?: (state: TrialState) => boolean;
  /** Called once, when the run is over or has failed. */
  readonly onEnd?: (hypervisor: Hypervisor) => void;
}

/** A run, stopped between two steps. */
export interface TrialState {
  readonly step: number;
  readonly now: Instant;
  readonly hypervisor: Hypervisor;
  readonly domains: readonly Domain[];
}

class StoppedError extends Error {}

const recycled = new RecycledMemory();

/** Runs a subject once under virtual time with this oracle's choices and holds it to every law. */
export async function runTrial(subject: Subject, options: TrialOptions): Promise<TrialResult> {
  const trial = new Trial(subject, options);
  return trial.run();
}

class Trial implements RunView {
  readonly #subject: Subject;
  readonly #options: TrialOptions;
  readonly #memory = recycled.lease();
  readonly #fingerprint = new Fingerprint();
  readonly #laws = new StepLaws();
  #policies: PolicyLaws | undefined;
  #isolation: IsolationLaws | undefined;
  readonly #marks = new Marks();
  readonly #faults: string[] = [];
  readonly #losses = new Map<string, number>();
  readonly #excuses = new Excuses();
  /** Domains that the fault plan destroyed or crashed. */
  readonly #hit = new Set<string>();
  readonly #domains: Domain[] = [];
  #system: BuiltSystem | undefined;
  #runtime: SimulatedRuntime | undefined;
  #hypervisor: Hypervisor | undefined;
  /** Domains are being created. */
  #creating = true;
  #failure: Failure | undefined;
  #steps = 0;

  constructor(subject: Subject, options: TrialOptions) {
    this.#subject = subject;
    this.#options = options;
  }

  async run(): Promise<TrialResult> {
    // A promise of the hypervisor that nobody awaits may break, too.
    const onBroken = (error: unknown): void => this.#fail(error);
    process.on('unhandledRejection', onBroken);
    try {
      await this.#run();
    } catch (error) {
      if (!(error instanceof StoppedError)) this.#fail(error);
    } finally {
      await this.#close();
      process.off('unhandledRejection', onBroken);
    }
    const { oracle } = this.#options;
    if (oracle.stale !== undefined) throw oracle.stale;
    return {
      failure: this.#failure,
      steps: this.#steps,
      events: this.#fingerprint.events,
      length: this.now as number as Duration,
      fingerprint: mix(this.#fingerprint.hash, oracle.hash),
      asked: oracle.asked,
      decisions: oracle.decisions,
      faults: this.#faults,
      marks: this.#marks.counts,
    };
  }

  async #run(): Promise<void> {
    const { oracle, plan = NO_FAULTS, faults = 0 } = this.#options;
    const system = this.#subject.build(oracle, this);
    this.#system = system;
    this.#policies = new PolicyLaws(system);
    this.#isolation = new IsolationLaws(system);
    const vcoprocs = system.domains.flatMap(({ description }) =>
      description.coprocs.map(({ coproc }) => `${description.name}/${coproc}`),
    );
    const surface = {
      coprocs: system.coprocs.map(({ id }) => id),
      domains: system.domains.map(({ description }) => description.name),
      vcoprocs,
    };
    const drawn = drawPlan(oracle, surface, faults);
    const injector = new Injector(
      { faults: [...plan.faults, ...drawn.faults] },
      { onFault: (fault) => this.#onFault(fault) },
    );
    const simulated = new SimulatedRuntime(0, {
      oracle,
      lead: LEADS[oracle.choose('lead', LEADS.length)]!,
      witness: contextModel(this.#memory),
      memory: this.#memory,
      onStep: () => this.#onStep(),
    });
    this.#runtime = simulated;
    const parts = injector.parts({
      runtime: simulated,
      platforms: Object.fromEntries(
        Object.entries(this.#subject.platforms).map(([name, platform]) => [name, checkedPlatform(platform)]),
      ),
      schedulers: checkedSchedulers(
        this.#subject.schedulers,
        () => this.#excuses.any || this.#faults.length > 0,
      ),
      firmware: (name) => this.#subject.firmware(name),
      trace: (event) => this.#onEvent(event),
    });
    const watched: Parts = { ...parts, runtime: this.#watched(parts.runtime) };
    const hypervisor = this.#subject.hypervisor?.(watched) ?? new Hypervisor(watched);
    this.#hypervisor = hypervisor;
    // Under virtual time from the beginning: a coprocessor that cannot be started is gone a moment later.
    await simulated.drive(this.#live(hypervisor, system, injector));
    hypervisor.close();
    this.#atTheEnd(hypervisor);
  }

  /** Creates all that there is, and runs it to its end. */
  async #live(hypervisor: Hypervisor, system: BuiltSystem, injector: Injector): Promise<void> {
    for (const description of system.coprocs) await this.#create(() => hypervisor.addCoproc(description));
    for (const { description, program, files } of system.domains) {
      const domain = await this.#create(() => hypervisor.createDomain(description, program, files));
      if (domain !== undefined) this.#domains.push(domain);
    }
    for (const { description, program, files } of system.refused) {
      const created = await hypervisor.createDomain(description, program, files);
      const asked = description.coprocs.map(({ coproc }) => JSON.stringify(coproc)).join(', ');
      if (created.kind === 'ok')
        throw new BrokenLawError(
          'a name is looked up exactly',
          `domain ${description.name} was given ${asked}, which there is not`,
        );
    }
    this.#creating = false;
    const running = this.#domains.map((domain) => hypervisor.runDomain(domain));
    const targets = targetsOf(hypervisor);
    injector.start({ ...targets, domain: (name, what) => this.#toDomain(targets, name, what) });
    await Promise.all(running);
  }

  /**
   * What fails of the fault plan is asked for again: nothing of it was kept. Gives nothing when that is in vain because
   * a coprocessor is out of service.
   */
  async #create<T>(create: () => Outcome<T> | Promise<Outcome<T>>): Promise<T | undefined> {
    for (;;) {
      const before = this.#faults.length;
      const created = await create();
      if (created.kind === 'ok') return created.value;
      if (this.#faults.length > before) continue;
      if (this.#policies?.outOfService === true) return undefined;
      throw new BrokenLawError('what failed leaves nothing behind', created.reason);
    }
  }

  async #close(): Promise<void> {
    if (this.#hypervisor !== undefined) this.#options.onEnd?.(this.#hypervisor);
    try {
      this.#hypervisor?.close();
    } catch (error) {
      this.#fail(error);
    }
    await this.#runtime?.close();
    // A run that broke may have left somebody at work in its memory.
    if (this.#failure === undefined) this.#memory.end();
  }

  // ---- what the run does

  #watched(runtime: Runtime): Runtime {
    return {
      kind: runtime.kind,
      random: runtime.random,
      memory: runtime.memory,
      metered: runtime.metered,
      lead: runtime.lead,
      timeline: runtime.timeline,
      startCoprocessor: (spec, platform, listener) => {
        this.#laws.started(spec.id, spec.channel);
        return runtime.startCoprocessor(spec, platform, listener);
      },
      drive: (finished) => runtime.drive(finished),
      close: () => runtime.close(),
    };
  }

  #onEvent(event: TraceEvent): void {
    this.#fingerprint.add(event);
    this.#options.onEvent?.(event);
    this.#marks.onEvent(event);
    if (losesContexts(event)) this.#losses.set(event.coproc, this.losses(event.coproc) + 1);
    try {
      this.#laws.onEvent(event);
      this.#policies?.onEvent(event);
      this.#isolation?.onEvent(event);
    } catch (error) {
      // Not thrown: whoever told of the event might take it for its own.
      this.#fail(error);
    }
  }

  #onStep(): void {
    this.#steps++;
    const { now } = this;
    if (this.#failure !== undefined) throw new StoppedError();
    const hypervisor = this.#hypervisor!;
    const { bound } = this.#system!;
    this.#laws.onStep(hypervisor, this.#runtime!, this.#excuses.bells);
    this.#isolation!.onStep(hypervisor, now);
    if (now > bound.length)
      throw new BrokenLawError(
        'healthy parts converge',
        `not over after ${showDuration(now as number as Duration)}: ${unfinished(this.#domains)}`,
      );
    if (this.#steps > bound.steps)
      throw new BrokenLawError('healthy parts converge', `not over after ${bound.steps} steps`);
    const { onStep } = this.#options;
    if (onStep === undefined) return;
    const goOn = onStep({ step: this.#steps, now, hypervisor, domains: this.#domains });
    if (!goOn) throw new StoppedError();
  }

  #onFault(fault: Fault): void {
    this.#faults.push(showFault(fault));
    this.#marks.note(`injected: ${fault.fault}`);
    const { coproc } = fault as { coproc?: string };
    if (coproc !== undefined) this.#marks.note(`${fault.fault} while ${this.#marks.coproc(coproc)}`);
    // Who asks for a domain asks again, and has lost nothing.
    const again =
      this.#creating && fault.fault === 'fail' && !('point' in fault.when && fault.when.point === 'start');
    if (!again) this.#excuses.onFault(fault);
  }

  #toDomain(targets: FaultTargets, name: string, what: 'crash' | 'destroy' | 'pause' | 'unpause'): boolean {
    if (!targets.domain(name, what)) return false;
    this.#marks.note(`${what} of a domain`);
    if (what === 'crash' || what === 'destroy') this.#hit.add(name);
    return true;
  }

  // ---- what a checking guest may know

  losses(coproc: string): number {
    return this.#losses.get(coproc) ?? 0;
  }

  disturbed(coproc: string, domain: string): boolean {
    return this.#excuses.disturbed(coproc) || this.#policies?.outlawed(domain) === true;
  }

  disturb(coproc: string): void {
    this.#excuses.disturb(coproc);
  }

  strays(coproc: string): number {
    return this.#excuses.strays(coproc);
  }

  cutOff(): void {
    this.#marks.note(CUT_OFF);
  }

  broken(law: string, what: string): void {
    this.#fail(new BrokenLawError(law, what));
  }

  // ---- the end

  #atTheEnd(hypervisor: Hypervisor): void {
    const figures = hypervisor.figures();
    const report: RunReport = {
      schemaVersion: 1,
      system: this.#subject.name,
      model: this.#subject.model,
      runtime: 'simulated',
      seed: 0,
      wall: Math.max(...figures.coprocs.map(({ wall }) => wall)) as Duration,
      ok: true,
      violations: [],
      ...figures,
      report: null,
    };
    const [violation] = this.#subject.laws(report);
    if (violation !== undefined) throw new BrokenLawError('the figures of a run add up', violation);
    for (const domain of this.#domains) this.#ended(domain);
    for (const { id, state, coproc, domain, faults } of figures.vcoprocs) {
      if (faults.length > 0 && !this.disturbed(coproc, domain))
        throw new BrokenLawError(
          'only the guilty pay',
          `${id} is ${state} for ${faults.join('; ')}, and nothing was done to ${coproc}`,
        );
    }
  }

  /**
   * A domain that nothing was done to has done its work, and has done it right. So has one that was made late only, if it
   * has finished and no command of it failed.
   */
  #ended(domain: Domain): void {
    const late = domain.vcoprocs.some(({ id }) => this.disturbed(id, domain.name));
    if (this.#hit.has(domain.name) || (late && this.#excuses.spoilt(domain, (id) => this.losses(id)))) {
      this.#marks.note('a domain is let off its results, for what was done to it');
      return;
    }
    this.#marks.note('a domain is held to its results');
    domain.verify();
    const { name, state, reason, results } = domain.report;
    if (state !== 'finished')
      throw new BrokenLawError('healthy parts converge', `domain ${name} ${state}: ${reason}`);
    const wrong = results.find(({ ok }) => !ok);
    if (wrong !== undefined)
      throw new BrokenLawError('results are right', `domain ${name}: ${wrong.what}: ${wrong.detail}`);
  }

  #fail(error: unknown): void {
    if (this.#failure !== undefined) return;
    const law =
      error instanceof BrokenLawError
        ? error.law
        : error instanceof StalledError
          ? 'healthy parts converge'
          : 'no invariant of the code breaks';
    const message = messageOf(error);
    const what = error instanceof StalledError ? `${message}: ${unfinished(this.#domains)}` : message;
    this.#failure = { law, what, step: this.#steps, at: this.now };
  }

  get now(): Instant {
    return this.#runtime?.timeline.now() ?? START;
  }
}
