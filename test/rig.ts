import { expect } from 'vitest';
import type { Outcome } from '../src/base/outcome.ts';
import { NO_TIME, START, after, bytes, mib, ms, us, type Duration, type Instant } from '../src/base/units.ts';
import type { TraceEvent } from '../src/contract/events.ts';
import type { FirmwareImage } from '../src/contract/firmware.ts';
import type { GuestDomain, GuestFile } from '../src/contract/guest.ts';
import { coprocId, domainId } from '../src/contract/names.ts';
import type { Platform } from '../src/contract/platform.ts';
import type { Runtime } from '../src/contract/port.ts';
import type { RunReport } from '../src/contract/report.ts';
import type { SchedulerFactory } from '../src/contract/scheduler.ts';
import type { CoprocDescription, DomainDescription } from '../src/contract/system.ts';
import { firmwareLibrary } from '../src/firmware/library.ts';
import { Injector } from '../src/faults/injector.ts';
import { NO_FAULTS, type FaultPlan } from '../src/faults/plan.ts';
import { targetsOf } from '../src/faults/targets.ts';
import type { Domain } from '../src/hypervisor/domain.ts';
import { Hypervisor } from '../src/hypervisor/hypervisor.ts';
import type { Parts } from '../src/hypervisor/parts.ts';
import type { SavedDomain } from '../src/hypervisor/saved.ts';
import { checkLaws } from '../src/observe/laws.ts';
import { platforms } from '../src/platforms/index.ts';
import { SimulatedRuntime } from '../src/runtime/simulated/runtime.ts';
import { ThreadsRuntime } from '../src/runtime/threads/runtime.ts';
import { schedulers } from '../src/schedulers/index.ts';

/** Both runtimes: what holds must hold on each. */
export const RUNTIMES = ['simulated', 'threads'] as const;

/** Both platforms, as a test names them. */
export const PLATFORMS = { gpu: 'covisor,tile-gpu', dsp: 'covisor,media-dsp' } as const;

const nowhere = { file: 'test', line: 1, column: 1 };

/** A coprocessor for a test: the tile GPU with slices of 1 ms, unless told otherwise. */
export function coproc(id: string, settings: Partial<Omit<CoprocDescription, 'id'>> = {}): CoprocDescription {
  return {
    id: coprocId(id),
    path: `/soc/${id}`,
    compatible: PLATFORMS.gpu,
    scheduler: { name: 'round-robin', parameters: {} },
    timeslice: ms(1),
    stopDeadline: ms(400),
    commandTimeout: ms(9000),
    resetDeadline: ms(200),
    recovery: { onFault: 'isolate', restarts: { most: 1000, within: ms(1000) } },
    denyRetryLimit: undefined,
    localMemory: mib(1),
    clock: 800_000_000,
    registers: { base: 0, size: bytes(4096) },
    interrupts: [32],
    streamId: 1,
    costs: { switchBandwidth: 4e9, dmaBandwidth: 8e9, interruptLatency: us(2) },
    position: nowhere,
    ...settings,
  };
}

export interface RigOptions {
  readonly coprocs?: readonly CoprocDescription[];
  readonly seed?: number;
  readonly faults?: FaultPlan;
  /** How long ahead the end of a slice is told, in simulation. */
  readonly lead?: Duration;
  /** When its time begins. */
  readonly start?: Instant;
  readonly platforms?: Readonly<Record<string, Platform>>;
  readonly schedulers?: Readonly<Record<string, { readonly create: SchedulerFactory }>>;
  /** Firmware of the test's own, by name, beside the library's. */
  readonly firmware?: (name: string, metered: boolean) => Outcome<FirmwareImage> | undefined;
}

export type Main = (domain: GuestDomain) => Promise<void>;

/** A hypervisor with coprocessors, for tests: domains are functions. Close it, or use {@link withRig}. */
export class Rig {
  readonly runtime: Runtime;
  /** Carries out the plan, from the run's first moment. */
  readonly injector: Injector;
  readonly hypervisor: Hypervisor;
  readonly trace: TraceEvent[] = [];
  /** Result files by path: `domain/file`. */
  readonly files = new Map<string, Uint8Array>();
  readonly domains: Domain[] = [];

  constructor(kind: Runtime['kind'], options: RigOptions = {}) {
    this.injector = new Injector(options.faults ?? NO_FAULTS);
    this.runtime =
      kind === 'threads'
        ? new ThreadsRuntime(options.seed ?? 1, options.start)
        : new SimulatedRuntime(options.seed ?? 1, {
            start: options.start ?? START,
            lead: options.lead ?? NO_TIME,
          });
    const { metered } = this.runtime;
    const library = firmwareLibrary();
    const parts: Parts = {
      runtime: this.runtime,
      platforms: options.platforms ?? platforms,
      schedulers: options.schedulers ?? schedulers,
      firmware: (name) => options.firmware?.(name, metered) ?? library.load(name, { metered }),
      trace: (event) => void this.trace.push(event),
    };
    this.hypervisor = new Hypervisor(this.injector.parts(parts));
    for (const description of options.coprocs ?? [coproc('gpu0')]) {
      const added = this.hypervisor.addCoproc(description);
      if (added.kind === 'failed') throw new Error(added.reason);
    }
  }

  /** Creates a domain: `shares` names the firmware for each coprocessor. It starts with `run`. */
  async domain(
    name: string,
    shares: Readonly<Record<string, string>>,
    main: Main,
    settings: {
      memory?: number;
      input?: GuestFile;
      parameters?: Readonly<Record<string, number | string>>;
      /** The domain that it continues. */
      saved?: SavedDomain;
    } = {},
  ): Promise<Outcome<Domain>> {
    const description: DomainDescription = {
      name: domainId(name),
      memory: mib(settings.memory ?? 8),
      kernel: 'test',
      coprocs: Object.entries(shares).map(([id, firmware]) => ({
        coproc: coprocId(id),
        firmware,
        parameters: settings.parameters ?? {},
        position: nowhere,
      })),
      extra: '',
      takes: [],
      position: nowhere,
    };
    const created = await this.hypervisor.createDomain(
      description,
      { main },
      {
        asset: () => new Uint8Array(),
        input: settings.input,
        write: (domain, file, content) => {
          this.files.set(`${domain}/${file}`, content);
          return `${domain}/${file}`;
        },
      },
      settings.saved,
    );
    if (created.kind === 'ok') this.domains.push(created.value);
    return created;
  }

  /** Runs all domains to their end, then checks every law on the figures. */
  async run(meanwhile?: () => Promise<void>): Promise<RunReport> {
    const all = this.domains.map((domain) => this.hypervisor.runDomain(domain));
    this.injector.start(targetsOf(this.hypervisor));
    if (meanwhile !== undefined) all.push(meanwhile());
    await this.runtime.drive(Promise.all(all).then(() => undefined));
    this.hypervisor.close();
    const report = this.report();
    expect(checkLaws(report)).toEqual([]);
    return report;
  }

  report(): RunReport {
    const figures = this.hypervisor.figures();
    return {
      schemaVersion: 1,
      system: 'test',
      model: 'test',
      runtime: this.runtime.kind,
      seed: 1,
      wall: Math.max(...figures.coprocs.map(({ wall }) => wall)) as Duration,
      ok: true,
      violations: [],
      ...figures,
      report: null,
    };
  }

  /** Resolves after `length` of the run's own time. */
  after(length: Duration): Promise<void> {
    return new Promise((resolve) => {
      this.runtime.timeline.at(after(this.runtime.timeline.now(), length), resolve);
    });
  }

  async close(): Promise<void> {
    this.hypervisor.close();
    await this.runtime.close();
  }
}

/** Builds a rig, hands it over and closes it whatever happens. */
export async function withRig<T>(
  kind: Runtime['kind'],
  options: RigOptions,
  use: (rig: Rig) => Promise<T>,
): Promise<T> {
  const rig = new Rig(kind, options);
  try {
    return await use(rig);
  } finally {
    await rig.close();
  }
}
