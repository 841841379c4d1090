import { readdirSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '../../src/base/random.ts';
import { after, bytes, mib, ms, ns, us, type Duration, type Instant } from '../../src/base/units.ts';
import type { GuestDomain } from '../../src/contract/guest.ts';
import { coprocId, domainId } from '../../src/contract/names.ts';
import type { CoprocessorPort, Runtime } from '../../src/contract/port.ts';
import type { CoprocDescription } from '../../src/contract/system.ts';
import type * as covisor from '../../src/index.ts';
import { checkLaws } from '../../src/observe/laws.ts';

/** The package as its users have it: from sources, each thread would spend its start on compiling them. */
export const built = async (): Promise<typeof covisor> =>
  (await import(new URL('../../dist/src/index.js', import.meta.url).href)) as typeof covisor;

const COPROCS = { gpu0: 'covisor,tile-gpu', dsp0: 'covisor,media-dsp' } as const;
const DOMAINS = ['red', 'green', 'blue', 'grey'];
/** The stream firmware's operation that fills guest memory with noise and sums it up. */
const FILL = 3;
const FILL_BYTES = 16 * 1024;
/** A coprocessor is killed at most so long after it is back. */
const LONGEST_LIFE = ms(12);
/** What memory may grow by between the first tenth and the end, in bytes: a channel that is kept for each death is more. */
const leak = (kills: number): number => 12 * 2 ** 20 + kills * 1024;
const nowhere = { file: 'soak', line: 1, column: 1 };

/** Random kills of threads at random moments, under four domains with checksummed work on two coprocessors. */
export async function kills(seed: number, count = 10_000): Promise<object> {
  const users = await built();
  const figures = await killing(users, new users.ThreadsRuntime(seed), seed, count);
  // How long a restart takes says nothing where others have the cores.
  const quiet = loadavg()[0]! < 2 * cpus().length;
  if (quiet && figures.recovery.median >= 100)
    throw new Error(
      `kills, seed ${seed}: the median recovery is not below 100 ms: ${JSON.stringify(figures)}`,
    );
  return figures;
}

/** The soak itself, with `covisor` from wherever, on either runtime. */
export async function killing(
  { createHypervisor, gpu, dsp, roundRobin }: typeof covisor,
  runtime: Runtime,
  seed: number,
  count: number,
) {
  const ports = new Map<string, CoprocessorPort>();
  const start = runtime.startCoprocessor.bind(runtime);
  runtime.startCoprocessor = (spec, platform, listener) => {
    const port = start(spec, platform, listener);
    ports.set(spec.id, port);
    return port;
  };
  const back = new Map<string, () => void>();
  const hypervisor = createHypervisor({
    runtime,
    schedulers: { 'round-robin': roundRobin },
    platforms: [gpu, dsp],
    trace: (event) => {
      if (event.kind === 'coproc' && event.state !== 'faulted') back.get(event.coproc)?.();
    },
  });
  for (const [id, compatible] of Object.entries(COPROCS))
    must(hypervisor.addCoproc(description(id, compatible)));

  let on = true;
  const heard = { ok: 0, failed: 0, cancelled: 0 };
  let wrong = 0;
  const main = async (domain: GuestDomain): Promise<void> => {
    await Promise.all(
      Object.keys(COPROCS).map(async (id) => {
        const device = domain.coproc(id);
        const buffer = domain.memory.allocate(FILL_BYTES);
        const iova = device.map(buffer, 'read-write');
        for (let round = 1; on; round++) {
          const { status, results } = await device.submit({ op: FILL, args: [iova, FILL_BYTES, round] });
          heard[status]++;
          if (status === 'ok' && results[0] !== checksum(buffer.bytes)) wrong++;
          if (status === 'ok' && buffer.bytes[0] !== firstByte(round)) wrong++;
        }
      }),
    );
  };
  const domains = [];
  for (const name of DOMAINS)
    domains.push(must(await hypervisor.createDomain(domainOf(name), { main }, files)));

  const recoveries: number[] = [];
  const killer = killerOf(runtime, ports, back, recoveries);
  let early = footprint();
  const random = seededRandom(seed);
  const kill = async (): Promise<void> => {
    let begun = 0;
    const one = async (id: string, draw: typeof random): Promise<void> => {
      while (begun < count) {
        if (++begun === Math.ceil(count / 10)) early = footprint();
        await pause(runtime, ns(draw.unit() * LONGEST_LIFE));
        await killer(id);
      }
    };
    await Promise.all(Object.keys(COPROCS).map((id) => one(id, random.of(id))));
    on = false;
  };
  await runtime.drive(
    Promise.all([...domains.map((domain) => hypervisor.runDomain(domain)), kill()]).then(() => {}),
  );
  const late = footprint();
  hypervisor.close();
  const report = hypervisor.figures();
  await runtime.close();

  const totals = report.vcoprocs.map(({ commands }) => commands);
  const sum = (of: 'submitted' | 'ok' | 'failed' | 'cancelled'): number =>
    totals.reduce((total, each) => total + each[of], 0);
  const wall = Math.max(...report.coprocs.map((each) => each.wall)) as Duration;
  const head = {
    schemaVersion: 1,
    system: 'soak',
    model: 'soak',
    runtime: runtime.kind,
    seed,
    wall,
  } as const;
  const violations = checkLaws({ ...head, ok: true, violations: [], report: null, ...report });
  const sorted = recoveries.toSorted((a, b) => a - b);
  const at = (part: number): number => Math.round(sorted[Math.floor((sorted.length - 1) * part)]! * 10) / 10;
  const grown = late.memory - early.memory;
  const figures = {
    kills: recoveries.length,
    commands: { submitted: sum('submitted'), ...heard },
    wrong,
    recovery: { median: at(0.5), p99: at(0.99), max: at(1) },
    grownMiB: Math.round(grown / 2 ** 20),
    threads: [early.threads, late.threads],
    handles: [early.handles, late.handles],
    seconds: Math.round(wall / 1e9),
  };
  const answered = heard.ok + heard.failed + heard.cancelled;
  const once = answered === sum('submitted') && heard.ok === sum('ok') && heard.failed === sum('failed');
  const crashed = report.domains.filter(({ state }) => state !== 'finished');
  // A thread more or less is one that starts or ends at this moment.
  const leaks =
    grown > leak(recoveries.length) || late.threads > early.threads + 2 || late.handles > early.handles + 4;
  if (!once || wrong > 0 || violations.length > 0 || crashed.length > 0 || leaks || heard.ok === 0)
    throw new Error(`kills, seed ${seed}: ${JSON.stringify({ ...figures, violations, crashed, leaks })}`);
  return figures;
}

/** Kills a coprocessor; resolves when its successor is there, and notes how long that took, in milliseconds. */
function killerOf(
  { timeline }: Runtime,
  ports: ReadonlyMap<string, CoprocessorPort>,
  back: Map<string, () => void>,
  recoveries: number[],
): (id: string) => Promise<void> {
  return (id) => {
    const killed: Instant = timeline.now();
    return new Promise((resolve) => {
      let down = false;
      const port = ports.get(id);
      back.set(id, () => {
        // What it said before it died is no news of its successor.
        down ||= ports.get(id) !== port;
        if (!down) return;
        back.delete(id);
        recoveries.push((timeline.now() - killed) / 1e6);
        resolve();
      });
      port?.kill('killed by the soak');
    });
  };
}

const pause = ({ timeline }: Runtime, length: Duration): Promise<void> =>
  new Promise((resolve) => timeline.at(after(timeline.now(), length), resolve));

/** What the process has now, once it is rid of what nobody needs. */
function footprint(): { memory: number; threads: number; handles: number } {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  // What the first finds dead may let go of shared memory, which only the second gives back.
  gc();
  gc();
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return {
    // Shared memory is among array buffers only.
    memory: heapUsed + external + arrayBuffers,
    threads: readdirSync('/proc/self/task').length,
    handles: process.getActiveResourcesInfo().length,
  };
}

/** FNV-1a, as the firmware computes it. */
function checksum(content: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of content) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash | 0;
}

/** The first byte that the firmware fills with: one turn of xorshift32. */
function firstByte(round: number): number {
  let noise = round;
  noise ^= noise << 13;
  noise ^= noise >>> 17;
  noise ^= noise << 5;
  return noise & 0xff;
}

const description = (id: string, compatible: string): CoprocDescription => ({
  id: coprocId(id),
  path: `/soc/${id}`,
  compatible,
  scheduler: { name: 'round-robin', parameters: {} },
  timeslice: ms(1),
  // Nobody is to be late because the machine is busy.
  stopDeadline: ms(20_000),
  commandTimeout: ms(60_000),
  denyRetryLimit: undefined,
  localMemory: mib(1),
  // These deaths are nobody's fault, and all of them are wanted.
  recovery: { restarts: { most: Infinity, within: ms(1) } },
  clock: 500_000_000,
  registers: { base: 0, size: bytes(4096) },
  interrupts: [32],
  streamId: 1,
  costs: { switchBandwidth: 4e9, dmaBandwidth: 8e9, interruptLatency: us(2) },
  position: nowhere,
});

const domainOf = (name: string) => ({
  name: domainId(name),
  memory: mib(1),
  kernel: 'soak',
  coprocs: Object.keys(COPROCS).map((id) => ({
    coproc: coprocId(id),
    firmware: 'stream',
    parameters: {},
    position: nowhere,
  })),
  extra: '',
  takes: [],
  position: nowhere,
});

const files = { asset: () => new Uint8Array(), input: undefined, write: () => '' };

function must<T>(
  outcome: { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'failed'; readonly reason: string },
): T {
  if (outcome.kind === 'failed') throw new Error(outcome.reason);
  return outcome.value;
}
