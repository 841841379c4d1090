import { seededRandom } from '../../src/base/random.ts';
import { after, bytes, kib, mib, ms, us, type Duration } from '../../src/base/units.ts';
import type { GuestDomain } from '../../src/contract/guest.ts';
import { coprocId, domainId, vcoprocId } from '../../src/contract/names.ts';
import type { SchedulerParameters } from '../../src/contract/scheduler.ts';
import { firmwareLibrary } from '../../src/firmware/library.ts';
import { Hypervisor } from '../../src/hypervisor/hypervisor.ts';
import type { Domain } from '../../src/hypervisor/domain.ts';
import { checkLaws } from '../../src/observe/laws.ts';
import { platforms } from '../../src/platforms/index.ts';
import { SimulatedRuntime } from '../../src/runtime/simulated/runtime.ts';
import { schedulers } from '../../src/schedulers/index.ts';

const GPU0 = coprocId('gpu0');
const NAMES = ['red', 'green', 'blue'].map(domainId);
/** The spin firmware's operation that takes so many steps. */
const COUNT = 4;
const nowhere = { file: 'soak', line: 1, column: 1 };

/** Algorithms with what they are told of each of three domains. */
const ALGORITHMS: readonly (readonly [string, readonly SchedulerParameters[]])[] = [
  ['round-robin', [{}, {}, {}]],
  ['credit', [{ weight: 256 }, { weight: 512, cap: 30 }, { weight: 1024 }]],
  ['fair', [{ weight: 100 }, { weight: 200 }, { weight: 400 }]],
  ['fixed-share', [{}, { slots: 2 }, {}]],
  ['equal-share', [{}, {}, {}]],
  ['best-effort', [{}, {}, {}]],
  ['priority', [{}, {}, {}]],
  ['arinc653', [{ windows: '0:20000' }, { windows: '30000:20000' }, { windows: '60000:20000' }]],
  [
    'edf',
    [
      { period: 50_000, budget: 3000 },
      { period: 60_000, budget: 3000 },
      { period: 80_000, budget: 3000 },
    ],
  ],
];

/** Changes of the algorithm at random moments of three busy domains' run, in virtual time; then weights of 1:2:4. */
export async function changes(seed: number, count = 1000): Promise<object> {
  const runtime = new SimulatedRuntime(seed);
  const library = firmwareLibrary();
  const hypervisor = new Hypervisor({
    runtime,
    platforms,
    schedulers,
    firmware: (name) => library.load(name, { metered: true }),
    trace: () => {},
  });
  must(hypervisor.addCoproc(coproc));
  const random = seededRandom(seed);
  const wait = (length: Duration): Promise<void> =>
    new Promise((resolve) => runtime.timeline.at(after(runtime.timeline.now(), length), resolve));
  let on = true;
  const statuses = new Map<string, number>();
  const busy = (steps: number) => async (domain: GuestDomain) => {
    const one = async (): Promise<void> => {
      while (on) {
        const { status } = await domain.coproc('gpu0').submit({ op: COUNT, args: [steps] });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    await Promise.all([one(), one()]);
  };
  const domains: Domain[] = [];
  for (const [n, name] of NAMES.entries())
    domains.push(
      must(await hypervisor.createDomain(description(name), { main: busy(400 * (n + 1) ** 2) }, none)),
    );

  const use = (algorithm: string, told: readonly SchedulerParameters[]): void => {
    const vcoprocs = new Map(NAMES.map((name, n) => [vcoprocId(name, GPU0), told[n]!]));
    must(hypervisor.schedule(GPU0, { algorithm, vcoprocs, parameters: {} }));
  };
  const times = (): number[] => hypervisor.vcoprocs.map(({ report }) => report.time);
  let shares: number[] = [];
  const meddle = async (): Promise<void> => {
    for (let change = 0; change < count; change++) {
      await wait(us(1 + random.below(3000)));
      use(...ALGORITHMS[random.below(ALGORITHMS.length)]!);
    }
    use('fair', [{ weight: 100 }, { weight: 200 }, { weight: 400 }]);
    const before = times();
    await wait(ms(1000));
    const had = times().map((time, n) => time - before[n]!);
    shares = had.map((time) => time / had.reduce((sum, each) => sum + each, 0));
    on = false;
    // No window or budget keeps anybody from its last commands.
    use('round-robin', [{}, {}, {}]);
  };
  const runs = domains.map((domain) => hypervisor.runDomain(domain));
  await runtime.drive(Promise.all([...runs, meddle()]).then(() => undefined));
  hypervisor.close();
  const figures = hypervisor.figures();
  await runtime.close();

  const commands = figures.vcoprocs.map((vcoproc) => vcoproc.commands);
  const submitted = commands.reduce((sum, each) => sum + each.submitted, 0);
  const ok = commands.reduce((sum, each) => sum + each.ok, 0);
  const wall = Math.max(...figures.coprocs.map((each) => each.wall)) as Duration;
  const head = { schemaVersion: 1, system: 'soak', model: 'soak', runtime: 'simulated', seed, wall } as const;
  const violations = checkLaws({ ...head, ok: true, violations: [], report: null, ...figures });
  const heard = [...statuses.values()].reduce((sum, each) => sum + each, 0);
  const found = { changes: count, submitted, ok, heard, shares: shares.map((share) => share.toFixed(4)) };
  const off = shares.map((share, n) => Math.abs(share - 2 ** n / 7));
  if (ok !== submitted || heard !== submitted || violations.length > 0 || off.some((by) => by > 0.01))
    throw new Error(`changes, seed ${seed}: ${JSON.stringify({ ...found, violations })}`);
  return { ...found, virtualSeconds: wall / 1e9 };
}

const coproc = {
  id: GPU0,
  path: '/soc/gpu0',
  compatible: 'covisor,tile-gpu',
  scheduler: { name: 'round-robin', parameters: {} },
  timeslice: ms(1),
  stopDeadline: ms(20),
  commandTimeout: ms(9000),
  denyRetryLimit: undefined,
  localMemory: kib(64),
  clock: 40_000_000,
  registers: { base: 0, size: bytes(4096) },
  interrupts: [32],
  streamId: 1,
  costs: { switchBandwidth: 4e9, dmaBandwidth: 8e9, interruptLatency: us(2) },
  position: nowhere,
};

const description = (name: ReturnType<typeof domainId>) => ({
  name,
  memory: mib(1),
  kernel: 'soak',
  coprocs: [{ coproc: GPU0, firmware: 'spin', parameters: {}, position: nowhere }],
  extra: '',
  takes: [],
  position: nowhere,
});

const none = { asset: () => new Uint8Array(), input: undefined, write: () => '' };

function must<T>(
  outcome: { readonly kind: 'ok'; readonly value: T } | { readonly kind: 'failed'; readonly reason: string },
): T {
  if (outcome.kind === 'failed') throw new Error(outcome.reason);
  return outcome.value;
}
