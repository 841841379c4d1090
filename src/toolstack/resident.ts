import { writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { catchStrays, type Strays } from './strays.ts';
import { expectedOneOf } from '../base/nearest.ts';
import { between, us } from '../base/units.ts';
import type { TraceEvent } from '../contract/events.ts';
import { coprocId, domainId, vcoprocId } from '../contract/names.ts';
import type { Runtime } from '../contract/port.ts';
import type { DomainDescription, SystemDescription } from '../contract/system.ts';
import type { Injector } from '../faults/injector.ts';
import { targetsOf } from '../faults/targets.ts';
import type { Domain } from '../hypervisor/domain.ts';
import { Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Parts } from '../hypervisor/parts.ts';
import type { SavedDomain } from '../hypervisor/saved.ts';
import { checkPlace, writeCheckpoint, type Checkpoint } from './checkpoint/folder.ts';
import { domainsBefore, goOnFrom } from './checkpoint/resumed-system.ts';
import { sourcesOf } from './checkpoint/sources.ts';
import { refuse } from './config/problem.ts';
import type { Answers, Args, SystemState, Verb } from './control/protocol.ts';
import { DumpKeeper, keepDump } from './dump/keeper.ts';
import { injectInto } from './inject.ts';
import { makeFolder, readAsset, resultPath } from './files.ts';
import { systemFirmware } from './firmware.ts';
import { loadGuest } from './guest-loader.ts';
import { writeWhole } from './sealed-file.ts';
import { knownTo, readDomainFile } from './known.ts';
import { platformsOf, type Platforms } from './platforms.ts';
import { addScheduler, checkScheduling, schedulersOf, type Schedulers } from './scheduling.ts';

/** Events that `dmesg` remembers. */
const LOG_LENGTH = 1000;
/** What belongs in a log; the rest is for those who follow. */
const LOGGED: ReadonlySet<TraceEvent['kind']> = new Set(['log', 'fault', 'recovery', 'domain', 'dump']);

export interface ResidentOptions {
  readonly system: SystemDescription;
  readonly runtime: Runtime;
  readonly seed: number;
  readonly socket: string;
  /** Where domains' files go; nowhere when absent. */
  readonly out?: string;
  /** Where crash dumps go; nowhere when absent. */
  readonly dumps?: string;
  /** What it continues: `system` is its. */
  readonly resume?: Checkpoint;
  readonly onEvent: (event: TraceEvent) => void;
  /** A guest threw where nobody waited, and nobody can say which. */
  readonly onStray?: (error: unknown) => void;
  /** Carries out faults; without one, none can be injected. */
  readonly injector?: Injector;
}

/** What one verb does; throws an error for the person who asked. */
type Verbs = {
  readonly [V in Exclude<Verb, 'events' | 'down'>]: (args: Args<V>) => Promise<Answers[V]> | Answers[V];
};

/** A system that stays: its domains come and go as the toolstack says. */
export class ResidentSystem {
  readonly #options: ResidentOptions;
  readonly #hypervisor: Hypervisor;
  /** The hypervisor's own record: what is added is there for the next change of an algorithm. */
  readonly #schedulers: Schedulers = {};
  /** The hypervisor's own record, too. */
  readonly #platforms: Platforms = {};
  /** Of each coprocessor, under the name in that record; what a scheduler calls itself may be another. */
  readonly #algorithms = new Map<string, string>();
  readonly #log: TraceEvent[] = [];
  readonly #dumps: DumpKeeper;
  /** Of each domain, as a reboot starts it: with what was attached, detached and changed since. */
  readonly #descriptions = new Map<string, DomainDescription>();
  readonly #running = new Set<Promise<void>>();
  /** Creates and reboots under way, the last of each domain. What else ends a domain waits for them. */
  readonly #starting = new Map<string, Promise<unknown>>();
  readonly #strays: Strays;
  #closing = false;

  private constructor(options: ResidentOptions) {
    this.#options = options;
    const { system, runtime, dumps } = options;
    const told = (event: TraceEvent): void => {
      this.#dumps.sink(event);
      if (LOGGED.has(event.kind)) {
        this.#log.push(event);
        if (this.#log.length > LOG_LENGTH) this.#log.shift();
      }
      options.onEvent(event);
    };
    this.#dumps = new DumpKeeper(told, (name, content) => keepDump(dumps ?? '.', name, content));
    const parts: Parts = {
      runtime,
      platforms: this.#platforms,
      schedulers: this.#schedulers,
      firmware: systemFirmware(system, runtime.metered),
      trace: told,
      ...(dumps === undefined ? {} : { crashed: this.#dumps.crashed }),
    };
    this.#hypervisor = new Hypervisor(options.injector?.parts(parts) ?? parts);
    this.#strays = catchStrays(
      () => this.#there(),
      (error) => options.onStray?.(error),
    );
  }

  /** Starts the coprocessors and all domains of the system. Throws a `ConfigurationError`, and nothing runs then. */
  static async start(options: ResidentOptions): Promise<ResidentSystem> {
    const resident = new ResidentSystem(options);
    const { system, resume } = options;
    const domains = system.dom0 === undefined ? system.domains : [system.dom0, ...system.domains];
    const { saved: before, isOver } = domainsBefore(resume);
    const alive = domains.filter((description) => !isOver(description));
    try {
      Object.assign(resident.#platforms, await platformsOf(system));
      Object.assign(resident.#schedulers, await schedulersOf(system));
      checkScheduling(system, alive, resident.#schedulers);
      for (const coproc of system.coprocs) {
        const added = resident.#hypervisor.addCoproc(coproc);
        if (added.kind === 'failed')
          refuse(coproc.position, added.reason, 'expected a coprocessor that this build has');
        resident.#algorithms.set(coproc.id, coproc.scheduler.name);
      }
      if (resume !== undefined) goOnFrom(resume, resident.#hypervisor);
      for (const description of domains) await resident.#create(description, before.get(description.name));
      options.injector?.start(targetsOf(resident.#hypervisor));
    } catch (error) {
      await resident.close();
      throw error;
    }
    return resident;
  }

  /** The verbs of the toolstack, but for those that belong to the connection. */
  readonly verbs: Verbs = {
    info: () => this.#info(),
    state: () => this.#state(),
    dump: () => ({ ...this.#state(), log: [...this.#log] }),
    dumpCoproc: ({ coproc, file }) => {
      const dump = this.#hypervisor.dump(coprocId(coproc));
      if (dump.kind === 'failed') throw new Error(dump.reason);
      writeWhole(file, this.#dumps.seal(dump.value)());
      return null;
    },
    checkpoint: ({ folder, stop }) => this.#checkpoint(folder, stop !== true),
    dmesg: () => [...this.#log],
    create: async ({ file }) => {
      const description = readDomainFile(file, this.#options.system);
      await this.#inTurn(description.name, () => this.#create(description));
      return { domain: description.name };
    },
    destroy: async ({ domain }) => {
      await this.#starting.get(domain);
      await this.#destroy(this.#present(domain));
      return null;
    },
    pause: ({ domain }) => {
      this.#hypervisor.pauseDomain(this.#in(domain, 'running'));
      return null;
    },
    unpause: ({ domain }) => {
      this.#hypervisor.unpauseDomain(this.#in(domain, 'paused'));
      return null;
    },
    reboot: async ({ domain }) => {
      await this.#inTurn(domain, async () => {
        const found = this.#present(domain);
        const description = withParametersOf(found, this.#descriptions.get(domain)!);
        await this.#destroy(found);
        await this.#create(description);
      });
      return null;
    },
    shutdown: async ({ domain }) => {
      const found = this.#in(domain, 'running');
      if (!found.askToShutDown()) await this.#destroy(found);
      return null;
    },
    attach: async ({ domain, coproc, firmware, parameters = {} }) => {
      const found = this.#in(domain, 'running');
      const id = coprocId(coproc);
      this.#knowsFirmware(firmware);
      did(await this.#hypervisor.attach(found, id, firmware, parameters));
      const description = this.#descriptions.get(domain)!;
      const share = { coproc: id, firmware, parameters, position: description.position };
      this.#descriptions.set(domain, { ...description, coprocs: [...description.coprocs, share] });
      return null;
    },
    detach: async ({ domain, coproc }) => {
      const found = this.#present(domain);
      did(await this.#hypervisor.detach(found, coprocId(coproc)));
      this.#hypervisor.forget(found);
      const description = this.#descriptions.get(domain)!;
      const coprocs = description.coprocs.filter((share) => share.coproc !== coproc);
      this.#descriptions.set(domain, { ...description, coprocs });
      return null;
    },
    inject: ({ fault }) => injectInto(this.#hypervisor, this.#injector, fault),
    faults: () => this.#injector.reports,
    reset: async ({ domain, coproc }) => {
      did(await this.#hypervisor.reset(this.#present(domain), coprocId(coproc)));
      return null;
    },
    watchdog: ({ coproc, stopDeadlineUs, resetDeadlineUs, commandTimeoutUs, heartbeatUs }) => {
      const named = Object.entries({
        stopDeadline: stopDeadlineUs,
        resetDeadline: resetDeadlineUs,
        commandTimeout: commandTimeoutUs,
        heartbeat: heartbeatUs,
      }).flatMap(([key, length]) => (length === undefined ? [] : [[key, us(length)] as const]));
      did(this.#hypervisor.watch(coprocId(coproc), Object.fromEntries(named)));
      return null;
    },
    sched: async (args) => {
      if (args.algorithm !== undefined) {
        await addScheduler(this.#schedulers, args.algorithm, { anew: true });
        this.#knowsScheduler(args.algorithm);
      }
      this.#sched(args);
      return null;
    },
  };

  /** Rejects when an invariant breaks. */
  get broken(): Promise<never> {
    const { runtime } = this.#options;
    const never = new Promise<never>(() => {});
    return Promise.race([runtime.drive(never) as Promise<never>, this.#strays.broken]);
  }

  /** Destroys all domains and ends the coprocessors. */
  async close(): Promise<void> {
    this.#closing = true;
    await Promise.all(this.#starting.values());
    await Promise.all(this.#there().map((domain) => this.#destroy(domain)));
    await Promise.all(this.#running);
    this.#hypervisor.close();
    await this.#options.runtime.close();
    this.#strays.release();
  }

  /** One after the other, for each domain: a domain that is being created is not rebooted meanwhile. */
  async #inTurn(name: string, start: () => Promise<void>): Promise<void> {
    if (this.#closing) throw new Error('the hypervisor is going down');
    const before = this.#starting.get(name) ?? Promise.resolve();
    const own = before.then(start);
    // Whoever waits for it does not ask how it went.
    const over: Promise<void> = own
      .catch(() => {})
      .then(() => {
        if (this.#starting.get(name) === over) this.#starting.delete(name);
      });
    this.#starting.set(name, over);
    return own;
  }

  async #destroy(domain: Domain): Promise<void> {
    await this.#hypervisor.destroyDomain(domain);
    this.#hypervisor.forget(domain);
    // Its name may be somebody else's since.
    if (this.#hypervisor.domain(domain.name) === undefined) this.#descriptions.delete(domain.name);
  }

  /** Saves everything into a folder. Domains go on as soon as it is copied; without `goesOn`, they do not. */
  async #checkpoint(folder: string, goesOn: boolean): Promise<Answers['checkpoint']> {
    if (this.#closing) throw new Error('the hypervisor is going down');
    checkPlace(folder);
    const { system, runtime, seed, out, dumps } = this.#options;
    const begun = runtime.timeline.now();
    const outcome = await this.#hypervisor.save(goesOn);
    if (outcome.kind === 'failed') throw new Error(outcome.reason);
    const saved = outcome.value;
    const pausedFor = between(begun, runtime.timeline.now());
    const kernels = saved.domains.map(({ description }) => description.kernel);
    const aside = [folder, out, dumps].filter((path) => path !== undefined);
    const files = sourcesOf(system.folder, kernels, aside);
    const kind = runtime.kind;
    try {
      const bytes = await writeCheckpoint(folder, {
        mode: 'up',
        runtime: kind,
        seed,
        system,
        files,
        results: [],
        input: null,
        saved,
      });
      return { folder, bytes, pausedFor };
    } catch (error) {
      for (const { name, goesOn: waits } of goesOn ? [] : saved.domains) {
        const domain = this.#hypervisor.domain(name);
        if (waits && domain?.state === 'paused') this.#hypervisor.unpauseDomain(domain);
      }
      throw error;
    }
  }

  #sched({ coproc, algorithm, timesliceUs, parameters, domain, domains = {} }: Args<'sched'>): void {
    const id = coprocId(coproc);
    if (domain !== undefined) {
      if (algorithm !== undefined || timesliceUs !== undefined)
        throw new Error('a domain has no algorithm and no slice of its own; change them without a domain');
      did(this.#hypervisor.scheduleDomain(id, this.#present(domain), parameters ?? {}));
      return;
    }
    for (const name of Object.keys(domains)) this.#present(name);
    // Other parameters of the same algorithm are a new one, too.
    const anew = parameters !== undefined || Object.keys(domains).length > 0;
    const wanted = algorithm ?? (anew ? this.#algorithms.get(id) : undefined);
    did(
      this.#hypervisor.schedule(id, {
        ...(wanted === undefined ? {} : { algorithm: wanted }),
        ...(timesliceUs === undefined ? {} : { timeslice: us(timesliceUs) }),
        ...(parameters === undefined ? {} : { parameters }),
        vcoprocs: new Map(
          Object.entries(domains).map(([name, told]) => [vcoprocId(domainId(name), id), told]),
        ),
      }),
    );
    if (wanted !== undefined) this.#algorithms.set(id, wanted);
  }

  async #create(description: DomainDescription, saved?: SavedDomain): Promise<void> {
    const program = await loadGuest(description);
    const before = this.#hypervisor.domain(description.name);
    // One that ended stays to be looked at, until its name is wanted.
    if (before?.over === true) await this.#destroy(before);
    const created = await this.#hypervisor.createDomain(description, program, this.#files(), saved);
    if (created.kind === 'failed')
      return refuse(description.position, created.reason, 'the domain was not created');
    this.#descriptions.set(description.name, description);
    const over = this.#hypervisor.runDomain(created.value).finally(() => this.#running.delete(over));
    this.#running.add(over);
  }

  #files() {
    const { system, out } = this.#options;
    return {
      asset: (path: string) => readAsset(system.folder, path),
      input: undefined,
      write: (domain: DomainDescription['name'], file: string, content: Uint8Array) => {
        const path = resultPath(domain, file);
        if (out === undefined) return path;
        const place = join(out, ...path.split('/'));
        makeFolder(dirname(place));
        writeFileSync(place, content);
        return path;
      },
    };
  }

  #info(): Answers['info'] {
    const { system, runtime, seed, socket } = this.#options;
    const known = knownTo(system.folder);
    return {
      model: system.model,
      folder: system.folder,
      pid: process.pid,
      runtime: runtime.kind,
      seed,
      socket,
      schedulers: Object.keys(this.#schedulers),
      platforms: [...known.platforms],
      firmwares: [...known.firmwares],
    };
  }

  /** Everything, at one instant: nothing happens while it is put together. */
  #state(): SystemState {
    const hypervisor = this.#hypervisor;
    const { coprocs, domains } = hypervisor.figures();
    const occupancy = hypervisor.occupancy();
    return {
      at: this.#options.runtime.timeline.now(),
      model: this.#options.system.model,
      coprocs: coprocs.map((coproc) => ({
        ...coproc,
        now: occupancy.find(({ id }) => id === coproc.id)!,
        watchdogs: hypervisor.watchdogs(coproc.id)!,
      })),
      vcoprocs: hypervisor.vcoprocs
        .filter(({ state }) => state !== 'gone')
        .map(({ report, parameters }) => ({ ...report, parameters })),
      domains: domains
        .filter(({ state }) => state !== 'destroyed')
        .map((domain) => ({ ...domain, memory: this.#descriptions.get(domain.name)?.memory ?? 0 })),
    };
  }

  #there(): Domain[] {
    const named = [...this.#descriptions.keys()].map((name) => this.#hypervisor.domain(name));
    return named.filter((domain) => domain !== undefined && domain.state !== 'destroyed') as Domain[];
  }

  #present(name: string): Domain {
    const there = this.#there();
    const domain = there.find((candidate) => candidate.name === name);
    if (domain !== undefined) return domain;
    throw new Error(
      `no domain ${name}; ${expectedOneOf(
        name,
        there.map((other) => other.name),
      )}`,
    );
  }

  #in(name: string, state: Domain['state']): Domain {
    const domain = this.#present(name);
    if (domain.state !== state) throw new Error(`domain ${name} is ${domain.state}; expected it ${state}`);
    return domain;
  }

  get #injector(): Injector {
    const { injector } = this.#options;
    if (injector !== undefined) return injector;
    throw new Error('this system takes no faults; start it with covisor up --faults');
  }

  #knowsScheduler(name: string): void {
    const known = Object.keys(this.#schedulers);
    if (!known.includes(name)) throw new Error(`no scheduler ${name}; ${expectedOneOf(name, known)}`);
  }

  #knowsFirmware(name: string): void {
    const known = [...knownTo(this.#options.system.folder).firmwares];
    if (!name.endsWith('.wasm') && !known.includes(name))
      throw new Error(`no firmware ${name}; ${expectedOneOf(name, known)}`);
  }
}

/** A domain's description with the parameters that its vcoprocs have now. */
function withParametersOf(domain: Domain, description: DomainDescription): DomainDescription {
  const coprocs = description.coprocs.map((share) => {
    const vcoproc = domain.vcoprocs.find(({ id }) => id === share.coproc);
    return vcoproc === undefined ? share : { ...share, parameters: vcoproc.parameters };
  });
  return { ...description, coprocs };
}

function did(outcome: { readonly kind: 'ok' } | { readonly kind: 'failed'; readonly reason: string }): void {
  if (outcome.kind === 'failed') throw new Error(outcome.reason);
}
