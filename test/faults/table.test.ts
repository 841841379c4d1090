import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import { FAULTS } from '../../src/faults/kinds.ts';
import type { Fault, FaultKind, Moment } from '../../src/faults/plan.ts';
import type { GuestDomain } from '../../src/contract/guest.ts';
import { RECOVERY, type RecoveryStep } from '../../src/contract/recovery.ts';
import { STREAM_BYTES, checksum, streamPattern } from '../hostile/support.ts';
import { coproc, withRig } from '../rig.ts';

const doc = readFileSync(fileURLToPath(new URL('../../docs/faults.md', import.meta.url)), 'utf8');
const rows = new Map(
  doc
    .slice(doc.indexOf('## What, and what you see of it'))
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map(([, name = '', target, settings = '', what, becomes, seen]) => [
      name.replaceAll('`', ''),
      { target, settings: settings.replaceAll('` `', ', ').replaceAll('`', ''), what, becomes, seen },
    ]),
);

describe('the table of docs/faults.md', () => {
  it('has a row for each fault, and says of it what list-faults says', () => {
    const listed = Object.entries(FAULTS).map(([name, { target, settings, what, becomes, seen }]) => [
      name,
      { target, settings, what, becomes: becomes.join(', '), seen },
    ]);
    expect(Object.fromEntries(rows)).toEqual(Object.fromEntries(listed));
  });
});

const SETTINGS: Partial<Record<FaultKind, object>> = {
  stall: { for: ms(1) },
  slow: { times: 3, for: ms(2) },
  'lose-interrupts': { count: 2 },
  'duplicate-interrupts': { count: 3 },
  'delay-interrupts': { count: 3, by: ms(1) },
  'drop-doorbells': { count: 2 },
  'deny-switches': { count: 2, retry: us(100) },
  'runaway-dma': { count: 1 },
  'interrupt-storm': { count: 3000 },
  'fault-storm': { count: 50 },
  'flip-bit': { bit: 0.4 },
  truncate: { keep: 0.1 },
  'pause-domain': { for: ms(2) },
  'late-timers': { by: ms(1), for: ms(3) },
};
const TARGETS = { coproc: { coproc: 'gpu0' }, vcoproc: { vcoproc: 'a/gpu0' }, domain: { domain: 'a' } };

function faultAt(fault: FaultKind, when: Moment): Fault {
  const { target } = FAULTS[fault];
  const on = target === 'call' ? { coproc: 'gpu0' } : target === 'everybody' ? {} : TARGETS[target];
  return { fault, ...SETTINGS[fault], ...on, when } as Fault;
}

const gpu0 = coproc('gpu0', {
  clock: 40_000_000,
  timeslice: us(400),
  stopDeadline: ms(10),
  verifiesMemory: true,
  recovery: RECOVERY,
});

/** Checksummed work that counts what it lost; a wrong result is a crash. */
const counting =
  (lost: string[]) =>
  async (domain: GuestDomain): Promise<void> => {
    const gpu = domain.coproc('gpu0');
    const buffer = domain.memory.allocate(STREAM_BYTES);
    const iova = gpu.map(buffer, 'read-write');
    for (let round = 1; round <= 12; round++) {
      const { status, reason, results } = await gpu.submit({ op: 3, args: [iova, STREAM_BYTES, round] });
      if (status !== 'ok') lost.push(`${domain.name}: ${reason}`);
      else if (results[0] !== checksum(streamPattern(STREAM_BYTES, round)))
        throw new Error(`round ${round}: a wrong result that nobody reported`);
      else if (!Buffer.from(buffer.bytes).equals(streamPattern(STREAM_BYTES, round)))
        throw new Error(`round ${round}: wrong bytes that nobody reported`);
    }
  };

describe('nothing is wrong silently:', () => {
  const kinds = Object.keys(FAULTS) as FaultKind[];
  it.each(kinds)('%s ends as the table says', async (kind) => {
    const moments: Moment[] =
      kind === 'fail'
        ? ['start', 'attach', 'save', 'load', 'quiesce', 'dma'].map((point) => ({ point, nth: 2 }) as Moment)
        : [1, 3, 7, 12, 20].map((nth) => ({ event: 'submit', nth, plus: us(37 * nth) }));
    let happened = 0;
    for (const when of moments) {
      const lost: string[] = [];
      const plan = { faults: [faultAt(kind, when)] };
      await withRig('simulated', { coprocs: [gpu0], faults: plan }, async (rig) => {
        for (const name of ['a', 'b']) await rig.domain(name, { gpu0: 'stream' }, counting(lost));
        await rig.run();
        const [report] = rig.injector.reports;
        if (report!.times === 0) {
          expect(lost).toEqual([]);
          return;
        }
        happened++;
        expect(FAULTS[kind].becomes, JSON.stringify([report, lost])).toContain(report!.became);
        // Whoever lost something was told, and the account says so.
        if (report!.became === 'recovered') expect(lost).toEqual([]);
        for (const { report: end } of rig.domains) expect(end.reason ?? '').not.toContain('nobody reported');
      });
    }
    expect(happened).toBeGreaterThan(0);
  });

  it('one that never happened says so', async () => {
    const plan = { faults: [faultAt('kill', { event: 'submit', nth: 5000 })] };
    await withRig('simulated', { coprocs: [gpu0], faults: plan }, async (rig) => {
      await rig.domain('a', { gpu0: 'stream' }, counting([]));
      await rig.run();
      expect(rig.injector.reports).toMatchObject([{ became: 'never happened', times: 0, at: null }]);
    });
  });
});

describe('with the policy that is the default', () => {
  const ENDED: RecoveryStep[] = ['reset-vcoproc', 'reset-coproc', 'restarted', 'renewed'];
  const TAKEN_OUT: RecoveryStep[] = ['reset-vcoproc', 'renewed'];
  const costs: readonly [FaultKind, object, readonly RecoveryStep[]][] = [
    ['kill', {}, ['restarted']],
    ['exhaust-heap', {}, ['restarted']],
    ['hang', {}, ENDED],
    ['stall', { for: ms(20) }, TAKEN_OUT],
    ['stall', { for: ms(400) }, ENDED],
    ['slow', { times: 1000, for: ms(100) }, ENDED],
    ['trap', {}, ['renewed']],
    ['hang-firmware', {}, ENDED],
    ['deny-switches', { count: 120, retry: us(100) }, TAKEN_OUT],
    ['corrupt-ring', {}, []],
    ['flip-bit', { bit: 0 }, ['isolated']],
    ['truncate', { keep: 0.01 }, ['isolated']],
  ];

  /** One fault, or some, while two domains keep two queues each busy; how it was dealt with, and what failed. */
  async function dealtWith(...faults: Fault[]): Promise<{ steps: RecoveryStep[]; failures: string[] }> {
    return withRig('simulated', { coprocs: [gpu0], faults: { faults } }, async (rig) => {
      const failures: string[] = [];
      for (const name of ['a', 'b'])
        await rig.domain(name, { gpu0: 'spin' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          const queues = [gpu, gpu.createQueue()];
          for (let round = 1; round <= 16; round++) {
            const all = await Promise.all(queues.map((queue) => queue.submit({ op: 4, args: [600] })));
            for (const [queue, { status, reason }] of all.entries())
              if (status !== 'ok') failures.push(`${name} ${queue}: ${reason}`);
          }
        });
      const report = await rig.run();
      expect(report.domains.map(({ reason }) => reason)).toEqual([null, null]);
      return {
        steps: rig.trace.flatMap((event) => (event.kind === 'recovery' ? [event.step] : [])),
        failures,
      };
    });
  }

  it.each(costs)('%s %o takes the steps %j', async (kind, settings, expected) => {
    const { target } = FAULTS[kind];
    const on = target === 'coproc' ? TARGETS.coproc : TARGETS.vcoproc;
    const fault = {
      fault: kind,
      ...settings,
      ...on,
      when: { event: 'submit', nth: 8, plus: us(100) },
    } as Fault;
    const { steps, failures } = await dealtWith(fault);
    expect(steps).toEqual(expected);
    const losers = new Set(failures.map((failure) => failure[0]));
    expect(losers.size).toBe(1);
    const queues = new Set(failures.map((failure) => failure.slice(0, 3)));
    // Of a context that is isolated nothing goes on, of any other its second queue does.
    expect(queues.size).toBe(steps.includes('isolated') ? 2 : 1);
    if (kind === 'corrupt-ring') expect(failures.length).toBeGreaterThan(2);
  });

  it('who traps three times is banned, and nobody else loses anything', async () => {
    const trap = (nth: number): Fault => ({
      fault: 'trap',
      coproc: 'gpu0',
      domain: 'a',
      when: { event: 'submit', nth },
    });
    const { steps, failures } = await dealtWith(trap(8), trap(16), trap(24));
    expect(steps).toEqual(['renewed', 'renewed', 'banned']);
    expect(failures.filter((failure) => failure.startsWith('b'))).toEqual([]);
  });
});
