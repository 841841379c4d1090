import { afterEach, describe, expect, it, test } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import type { Runtime } from '../../src/contract/port.ts';
import type { Fault } from '../../src/faults/plan.ts';
import type { GuestCoproc, GuestDomain, GuestQueue } from '../../src/contract/guest.ts';
import { STREAM_BYTES, checksum, streamPattern } from '../hostile/support.ts';
import { PLATFORMS, coproc, withRig, type Rig } from '../rig.ts';
import { Books } from './books.ts';

// Each step of what a hypervisor does fails at its first call, then at its second, and so on, until a whole run has
// no such call left. However that goes, nothing stays behind, and what failed works when it is tried again.

const SAID = 'failed by the fault plan';
const SHARES = { gpu0: 'stream', dsp0: 'stream' };

const coprocs = (kind: Runtime['kind']) =>
  (['gpu0', 'dsp0'] as const).map((id) =>
    coproc(id, {
      compatible: id === 'gpu0' ? PLATFORMS.gpu : PLATFORMS.dsp,
      clock: 20_000_000,
      timeslice: us(300),
      stopDeadline: ms(kind === 'threads' ? 8000 : 20),
    }),
  );

/** A queue of its own; there may be no memory for it at first. */
function queueOf(device: GuestCoproc): GuestQueue {
  try {
    return device.createQueue();
  } catch (error) {
    expect(String(error)).toContain(SAID);
    return device.createQueue();
  }
}

/**
 * Checksummed work on both coprocessors, on queues that come and go. A command that fails is tried once more; a wrong
 * result is a crash.
 */
const work =
  (rounds: number) =>
  async (domain: GuestDomain): Promise<void> => {
    await Promise.all(
      Object.keys(SHARES).map(async (id) => {
        const device = domain.coproc(id);
        const buffer = domain.memory.allocate(STREAM_BYTES);
        const iova = device.map(buffer, 'read-write');
        for (let round = 1; round <= rounds; round++) {
          for (let attempt = 0; attempt < 2; attempt++) {
            const queue = queueOf(device);
            const { status, results } = await queue.submit({ op: 3, args: [iova, STREAM_BYTES, round] });
            await queue.destroy();
            if (status !== 'ok') continue;
            const pattern = streamPattern(STREAM_BYTES, round);
            if (results[0] !== checksum(pattern) || !Buffer.from(buffer.bytes).equals(pattern))
              throw new Error(`round ${round}: wrong result`);
            break;
          }
        }
      }),
    );
  };

/** Creates a domain; when that fails, says why, and the second attempt must do. */
async function created(rig: Rig, name: string, rounds: number): Promise<string | undefined> {
  const first = await rig.domain(name, SHARES, work(rounds));
  if (first.kind === 'ok') return undefined;
  expect(rig.hypervisor.domain(name)).toBeUndefined();
  expect((await rig.domain(name, SHARES, work(rounds))).kind).toBe('ok');
  return first.reason;
}

/** One run with these faults. Says whether the last one happened. */
async function run(kind: Runtime['kind'], ...faults: Fault[]): Promise<boolean> {
  const books = new Books();
  return withRig(kind, { coprocs: [], faults: { faults }, schedulers: books.schedulers }, async (rig) => {
    const start = rig.runtime.startCoprocessor.bind(rig.runtime);
    rig.runtime.startCoprocessor = (spec, ...others) => books.port(spec.id, start(spec, ...others));
    for (const description of coprocs(kind)) {
      const added = rig.hypervisor.addCoproc(description);
      if (added.kind === 'ok') continue;
      expect(added.reason).toContain(SAID);
      expect(rig.hypervisor.addCoproc(description).kind).toBe('ok');
    }
    await rig.run(async () => {
      const reasons = [await created(rig, 'a', 3), await created(rig, 'b', 3)];
      for (const reason of reasons) expect(reason ?? SAID).toContain(SAID);
      await Promise.all(rig.domains.map((domain) => rig.hypervisor.runDomain(domain)));
      // Whatever happened: a new domain works. The last of all calls may be one of its own.
      expect((await created(rig, 'again', 1)) ?? SAID).toContain(SAID);
      await rig.hypervisor.runDomain(rig.domains.at(-1)!);
    });
    const { vcoprocs, domains } = rig.hypervisor.figures();
    expect(domains.map(({ state, reason }) => reason ?? state)).toEqual(domains.map(() => 'finished'));
    expect(vcoprocs.filter(({ state }) => state !== 'gone')).toEqual([]);
    const last = vcoprocs.filter(({ domain }) => domain === 'again');
    for (const { commands } of last) expect(commands.ok).toBe(1);
    expect(books.open).toEqual([]);
    const reports = rig.injector.reports;
    return reports.at(-1)!.times > 0;
  });
}

const KILL: Fault = { fault: 'kill', coproc: 'gpu0', when: { event: 'submit', nth: 4 } };
const failing = (point: string, nth: number, coprocOf?: string): Fault =>
  ({ fault: 'fail', ...(coprocOf === undefined ? {} : { coproc: coprocOf }), when: { point, nth } }) as Fault;

describe('in simulation, every call of a step fails once:', () => {
  it.each([
    ['domain-create: memory', (nth: number) => [failing('allocate', nth)]],
    ['domain-create: firmware', (nth: number) => [failing('firmware', nth)]],
    ['attach: to the scheduler', (nth: number) => [failing('admit', nth)]],
    ['attach: to the coprocessor', (nth: number) => [failing('attach', nth)]],
    ['queue-create', (nth: number) => [failing('queue-create', nth)]],
    ['switch: quiesce', (nth: number) => [failing('quiesce', nth, 'gpu0')]],
    ['switch: save', (nth: number) => [failing('save', nth, 'gpu0')]],
    ['switch: load', (nth: number) => [failing('load', nth, 'dsp0')]],
    ['reset: start', (nth: number) => [KILL, failing('start', nth)]],
    ['reset: attach', (nth: number) => [KILL, failing('attach', nth)]],
  ] as const)(
    '%s',
    async (_step, plan) => {
      let calls = 0;
      while (await run('simulated', ...plan(calls + 1))) calls++;
      expect(calls).toBeGreaterThan(1);
    },
    30_000,
  );
});

test('a queue that cannot be had while its coprocessor comes back says so, and the next one is served', async () => {
  const kill: Fault = { fault: 'kill', coproc: 'gpu0', when: { event: 'submit', nth: 1, plus: us(20) } };
  const faults = [kill, failing('queue-create', 1)];
  await withRig('simulated', { coprocs: [coproc('gpu0')], faults: { faults } }, async (rig) => {
    const ends: string[] = [];
    await rig.domain('a', { gpu0: 'spin' }, async (domain) => {
      const gpu = domain.coproc('gpu0');
      // The first fails as its coprocessor dies, the second is had at that moment.
      const queues = [() => gpu, () => gpu.createQueue(), () => gpu.createQueue()];
      for (const queue of queues) {
        const { status, reason } = await queue().submit({ op: 4, args: [100_000] });
        ends.push(reason ?? status);
      }
    });
    await rig.run();
    expect(ends).toEqual(['coprocessor reset', `its command queue 1 was not created: ${SAID}`, 'ok']);
  });
});

describe('on threads:', () => {
  it.each([
    ['domain-create: memory', [failing('allocate', 12)]],
    ['queue-create', [failing('queue-create', 2)]],
    ['attach: to the coprocessor', [failing('attach', 3)]],
    ['switch: save', [failing('save', 2, 'gpu0')]],
    ['reset: start', [KILL, failing('start', 3)]],
  ] as const)('%s', async (_step, plan) => expect(await run('threads', ...plan)).toBe(true), 30_000);
});

afterEach(() => {
  // No thread outlives its run.
  expect(process.getActiveResourcesInfo().filter((name) => name === 'Worker')).toEqual([]);
});
