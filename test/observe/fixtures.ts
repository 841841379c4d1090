import type { Random } from '../../src/base/random.ts';
import { seededRandom } from '../../src/base/random.ts';
import { bytes, instant, ms, ns } from '../../src/base/units.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import type { CoprocId, VcoprocId } from '../../src/contract/names.ts';
import { coprocId, domainId, vcoprocId } from '../../src/contract/names.ts';
import type {
  CoprocReport,
  DomainReport,
  RunReport,
  Spread,
  VcoprocReport,
} from '../../src/contract/report.ts';
import type { CoprocState } from '../../src/contract/states.ts';

export interface SyntheticRun {
  readonly report: RunReport;
  readonly trace: TraceEvent[];
}

interface SyntheticOptions {
  readonly seed?: number;
  /** World switches per coprocessor; about 7 + 3 x commands events each. */
  readonly slices?: number;
  readonly commandsPerSlice?: number;
  /** Domains by the coprocessor that they share. */
  readonly shared?: Readonly<Record<string, readonly string[]>>;
}

const COCKPIT = { gpu0: ['cluster', 'assist'], dsp0: ['media', 'camera'] };

/** A made-up run whose trace and figures agree with each other and obey the laws. */
export function syntheticRun(options: SyntheticOptions = {}): SyntheticRun {
  const random = seededRandom(options.seed ?? 1);
  const shared = Object.entries(options.shared ?? COCKPIT);
  const parts = shared.map(([coproc, domains]) =>
    coprocRun(random, coprocId(coproc), domains, options.slices ?? 120, options.commandsPerSlice ?? 3),
  );
  const wall = Math.max(...parts.map((part) => part.end));
  const names = [...new Set(shared.flatMap(([, domains]) => domains))];
  const trace = parts.flatMap((part) => part.trace);
  for (const name of names) {
    trace.push({ at: instant(0), kind: 'domain', domain: domainId(name), state: 'running', reason: null });
    trace.push({
      at: instant(wall),
      kind: 'domain',
      domain: domainId(name),
      state: 'finished',
      reason: null,
    });
  }
  trace.sort((a, b) => a.at - b.at);
  const report: RunReport = {
    schemaVersion: 1,
    system: 'examples/cockpit',
    model: 'Covisor cockpit board',
    runtime: 'simulated',
    seed: options.seed ?? 1,
    wall: ns(wall),
    ok: true,
    violations: [],
    coprocs: parts.map((part) => ({
      ...part.coproc,
      idle: ns(part.coproc.idle + wall - part.end),
      wall: ns(wall),
    })),
    vcoprocs: parts.flatMap((part) => part.vcoprocs),
    domains: names.map(domainReport),
    prediction: {
      board: parts.map(({ coproc: { id } }) => ({
        coproc: id,
        clock: 800_000_000,
        switchBandwidth: 4e9,
        dmaBandwidth: 8e9,
        interruptLatency: ns(2000),
      })),
      work: parts.flatMap(({ vcoprocs }) =>
        vcoprocs.map(({ id, commands, wait }) => ({
          vcoproc: id,
          perSecond: commands.ok / (wall / 1e9),
          latency: wait,
        })),
      ),
    },
    report: 'report.html',
  };
  return { report, trace };
}

function domainReport(name: string): DomainReport {
  return {
    name: domainId(name),
    state: 'finished',
    reason: null,
    results: [{ what: 'frames', ok: true, detail: '12 of 12 frames bit-identical' }],
    files: [`${name}/frame-0.png`, `${name}/table.txt`],
  };
}

interface CoprocRun {
  readonly trace: TraceEvent[];
  readonly end: number;
  readonly coproc: CoprocReport;
  readonly vcoprocs: VcoprocReport[];
}

function coprocRun(
  random: Random,
  coproc: CoprocId,
  domains: readonly string[],
  slices: number,
  commandsPerSlice: number,
): CoprocRun {
  const trace: TraceEvent[] = [];
  const vcoprocs = domains.map((name) => vcoprocId(domainId(name), coproc));
  const spent = { running: 0, switching: 0, idle: 0, faulted: 0 };
  const time = new Map<VcoprocId, number>(vcoprocs.map((vcoproc) => [vcoproc, 0]));
  const sliceCount = new Map<VcoprocId, number>();
  const commands = new Map<VcoprocId, number>();
  const faults = new Map<VcoprocId, string[]>();
  const costs: number[] = [];
  let denials = 0;
  let resets = 0;
  let now = 0;
  const stay = (
    state: CoprocState,
    vcoproc: VcoprocId | null,
    length: number,
    account: keyof typeof spent,
  ): void => {
    trace.push({ at: instant(now), kind: 'coproc', coproc, state, vcoproc });
    spent[account] += length;
    now += length;
  };
  for (const vcoproc of vcoprocs) trace.push({ at: instant(0), kind: 'vcoproc', vcoproc, state: 'waiting' });
  stay('idle', null, 400_000, 'idle');

  let previous: VcoprocId | null = null;
  for (let slice = 0; slice < slices; slice++) {
    const vcoproc = vcoprocs[slice % vcoprocs.length]!;
    const began = now;
    if (previous !== null) {
      if (random.below(9) === 0) {
        const retryAfter = ns(100_000 + random.below(200_000));
        trace.push({ at: instant(now), kind: 'denied', coproc, vcoproc: previous, retryAfter });
        denials++;
        stay('denySwitch', previous, retryAfter, 'switching');
      }
      stay('saving', previous, 60_000 + random.below(60_000), 'switching');
      trace.push({ at: instant(now), kind: 'vcoproc', vcoproc: previous, state: 'waiting' });
    }
    stay('loading', vcoproc, 80_000 + random.below(50_000), 'switching');
    costs.push(now - began);
    trace.push({
      at: instant(now),
      kind: 'switch',
      coproc,
      from: previous,
      to: vcoproc,
      cost: ns(now - began),
      saved: bytes(4096),
      loaded: bytes(65536),
    });
    trace.push({ at: instant(now), kind: 'vcoproc', vcoproc, state: 'running' });
    const length = 1_200_000 + random.below(900_000);
    const start = now;
    stay('running', vcoproc, length, 'running');
    time.set(vcoproc, time.get(vcoproc)! + length);
    sliceCount.set(vcoproc, (sliceCount.get(vcoproc) ?? 0) + 1);
    for (let command = 0; command < commandsPerSlice; command++) {
      const at = start + Math.floor((length * (command + 1)) / (commandsPerSlice + 1));
      trace.push({ at: instant(start), kind: 'submit', vcoproc, op: 1 + command });
      trace.push({
        at: instant(at),
        kind: 'complete',
        vcoproc,
        status: 'ok',
        reason: null,
        latency: ns(at - start),
      });
      trace.push({ at: instant(at), kind: 'interrupt', vcoproc, number: 1 });
    }
    commands.set(vcoproc, (commands.get(vcoproc) ?? 0) + commandsPerSlice);
    previous = vcoproc;
    if (slice % 47 === 46) {
      const what = 'the firmware did not stop within 40 ms';
      trace.push({ at: instant(now), kind: 'fault', coproc, vcoproc, what, reset: true });
      faults.set(vcoproc, [...(faults.get(vcoproc) ?? []), what]);
      resets++;
      stay('faulted', vcoproc, 900_000, 'faulted');
      trace.push({ at: instant(now), kind: 'vcoproc', vcoproc, state: 'waiting' });
      previous = null;
    }
    if (random.below(12) === 0) {
      if (previous !== null) {
        stay('saving', previous, 70_000, 'switching');
        trace.push({ at: instant(now), kind: 'vcoproc', vcoproc: previous, state: 'sleeping' });
        previous = null;
      }
      stay('idle', null, 300_000 + random.below(2_000_000), 'idle');
    }
  }
  stay('idle', null, 200_000, 'idle');
  return {
    trace,
    end: now,
    coproc: {
      id: coproc,
      platform: String(coproc).replace(/\d+$/, ''),
      scheduler: 'round-robin',
      timeslice: ms(2),
      running: ns(spent.running),
      switching: ns(spent.switching),
      idle: ns(spent.idle),
      faulted: ns(spent.faulted),
      wall: ns(now),
      switches: costs.length,
      denials,
      resets,
      vcoprocResets: 0,
      isolated: 0,
      outOfService: null,
      switchCost: spread(costs),
      iotlb: { hits: 9000, misses: costs.length },
      faults: [],
    },
    vcoprocs: vcoprocs.map((id) => {
      const count = commands.get(id) ?? 0;
      return {
        id,
        domain: domainId(id.split('/')[0]!),
        coproc,
        firmware: id.split('/')[0]!,
        sha256: 'ab'.repeat(32),
        state: 'gone',
        time: ns(time.get(id)!),
        slices: sliceCount.get(id) ?? 0,
        overrun: ns(120_000),
        wait: { count: 60, p50: ms(2.1), p99: ms(4.4), max: ms(5) },
        commands: { submitted: count, ok: count, failed: 0, cancelled: 0 },
        interrupts: { raised: count, delivered: count, pending: 0, dropped: 0 },
        resets: { guilty: 0, innocent: 0 },
        faults: faults.get(id) ?? [],
        earlierFaults: 0,
      };
    }),
  };
}

function spread(lengths: readonly number[]): Spread {
  const sorted = [...lengths].sort((a, b) => a - b);
  const at = (part: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0;
  return { count: sorted.length, p50: ns(at(0.5)), p99: ns(at(0.99)), max: ns(at(1)) };
}
