import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import type { Runtime } from '../../src/contract/port.ts';
import type { Completion, GuestDomain } from '../../src/contract/guest.ts';
import { coproc, RUNTIMES, withRig } from '../rig.ts';

// A coprocessor dies, and the n-th piece of memory that its recovery takes is not there.

const NEVER = { fault: 'kill', coproc: 'gpu0', when: { event: 'no such event', nth: 1 } } as const;
/** The spin firmware's operation that takes so many steps. */
const COUNT = 4;

/** What the commands of `hit` became after the death, what was out of service, and whether memory failed at all. */
async function recovery(kind: Runtime['kind'], nth: number) {
  const coprocs = ['gpu0', 'gpu1'].map((id) =>
    coproc(id, { timeslice: ms(1), stopDeadline: ms(kind === 'threads' ? 8000 : 20) }),
  );
  return withRig(kind, { coprocs, faults: { faults: [NEVER] } }, async (rig) => {
    const heard: Completion[] = [];
    let underWay = false;
    await rig.domain('hit', { gpu0: 'spin', gpu1: 'spin' }, async (domain: GuestDomain) => {
      const device = domain.coproc('gpu0');
      const killed = device.submit({ op: COUNT, args: [1 << 30] });
      underWay = true;
      heard.push(await killed);
      heard.push(await device.submit({ op: COUNT, args: [10] }));
      // The other coprocessor is none of this one's business.
      heard.push(await domain.coproc('gpu1').submit({ op: COUNT, args: [10] }));
    });
    const report = await rig.run(async () => {
      while (!underWay || rig.hypervisor.occupancy()[0]?.state !== 'running') await rig.after(us(100));
      rig.injector.inject({ fault: 'fail', when: { point: 'allocate', nth } });
      rig.injector.inject({ fault: 'kill', coproc: 'gpu0', when: { at: us(1) } });
    });
    const [, short] = rig.injector.reports;
    expect(report.domains.map(({ state }) => state)).toEqual(['finished']);
    const { outOfService } = report.coprocs[0]!;
    return { failed: short!.times > 0, heard, outOfService };
  });
}

describe.each(RUNTIMES)('memory that is not there when a coprocessor recovers, %s', (kind) => {
  it('costs its vcoproc the coprocessor, or the coprocessor its service, and both say why', async () => {
    const outcomes = new Set<string>();
    // A thread takes long to start: there, one of each.
    for (let nth = 1; ; nth += kind === 'threads' ? 3 : 1) {
      const { failed, heard, outOfService } = await recovery(kind, nth);
      expect(heard.map(({ status }) => status)).toEqual(['failed', failed ? 'failed' : 'ok', 'ok']);
      if (!failed) break;
      const reason = heard[1]!.reason!;
      if (outOfService === null) expect(reason).toMatch(/^no memory for hit\/gpu0 after a reset: /);
      else expect(reason).toMatch(/^gpu0 is out of service: .*and no memory for its successor: /);
      outcomes.add(outOfService === null ? 'isolated' : 'out of service');
    }
    expect([...outcomes]).toEqual(['isolated', 'out of service']);
  }, 60_000);
});
