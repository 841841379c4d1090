import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import type { FaultReport } from '../../src/contract/report.ts';
import type { Fault } from '../../src/faults/plan.ts';
import { streaming } from '../hostile/support.ts';
import { RUNTIMES, coproc, withRig } from '../rig.ts';

/** On threads nobody is to be late because the machine is busy. */
const gpu0 = (kind: (typeof RUNTIMES)[number]) =>
  coproc('gpu0', {
    timeslice: us(500),
    stopDeadline: ms(kind === 'threads' ? 8000 : 8),
    verifiesMemory: true,
  });

/** Two domains with checksummed work, who go on after a failure; what became of the fault. */
async function fateOf(kind: (typeof RUNTIMES)[number], fault: Fault): Promise<FaultReport> {
  return withRig(kind, { coprocs: [gpu0(kind)], faults: { faults: [fault] } }, async (rig) => {
    for (const name of ['a', 'b'])
      await rig.domain(name, { gpu0: 'stream' }, async (domain) => {
        await streaming(6, { patient: true })(domain);
      });
    await rig.run();
    expect(rig.domains.map(({ report }) => report.reason)).toEqual([null, null]);
    return rig.injector.reports[0]!;
  });
}

describe.each(RUNTIMES)('a fault of a plan happens, %s:', (kind) => {
  const faults: readonly [Fault, readonly string[]][] = [
    [{ fault: 'kill', coproc: 'gpu0', when: { event: 'submit', nth: 3 } }, ['reported', 'recovered']],
    [{ fault: 'kill', coproc: 'gpu0', when: { point: 'step', nth: 4 } }, ['reported']],
    [{ fault: 'fail', coproc: 'gpu0', when: { point: 'save', nth: 1 } }, ['reported', 'recovered']],
    [{ fault: 'exhaust-heap', coproc: 'gpu0', when: { event: 'submit', nth: 2 } }, ['reported', 'recovered']],
    [{ fault: 'stall', coproc: 'gpu0', for: ms(5), when: { event: 'submit', nth: 4 } }, ['recovered']],
    [{ fault: 'runaway-dma', coproc: 'gpu0', count: 1, when: { point: 'dma', nth: 5 } }, ['refused']],
    [{ fault: 'drop-doorbells', coproc: 'gpu0', count: 2, when: { event: 'submit', nth: 3 } }, ['recovered']],
    [{ fault: 'fault-storm', coproc: 'gpu0', count: 9, when: { event: 'submit', nth: 3 } }, ['refused']],
    [
      { fault: 'interrupt-storm', coproc: 'gpu0', count: 5000, when: { event: 'submit', nth: 3 } },
      ['recovered'],
    ],
  ];
  it.each(faults.map(([fault, fate]) => [JSON.stringify(fault), fault, fate] as const))(
    '%s',
    async (_name, fault, fate) => {
      const report = await fateOf(kind, fault);
      expect(report.times).toBeGreaterThan(0);
      expect(fate).toContain(report.became);
    },
    20_000,
  );
});
