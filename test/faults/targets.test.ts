import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import type { FaultReport } from '../../src/contract/report.ts';
import type { Runtime } from '../../src/contract/port.ts';
import type { Fault, Moment } from '../../src/faults/plan.ts';
import { firmwareText, ownFirmware } from '../hostile/support.ts';
import { RUNTIMES, coproc, withRig } from '../rig.ts';

const COMMANDS = 12;
const LINES = [2, 5] as const;
const firmware = ownFirmware({
  rings: firmwareText({
    step: `${LINES.map((line) => `(call $irq (i32.const ${line}))`).join(' ')} (i32.const 1)`,
  }),
});

interface Ran {
  readonly fate: FaultReport;
  /** Interrupts that each guest heard of, by line. */
  readonly heard: Readonly<Record<string, Readonly<Record<number, number>>>>;
  /** Queues on which commands failed, with the reasons, by domain. */
  readonly failed: Readonly<Record<string, readonly string[]>>;
}

/** Two domains with a default queue and two of their own, all of them busy; each command raises both lines. */
async function run(kind: Runtime['kind'], fault: Fault): Promise<Ran> {
  const stopDeadline = ms(kind === 'threads' ? 8000 : 20);
  const coprocs = [coproc('gpu0', { clock: 40_000_000, timeslice: us(300), stopDeadline })];
  return withRig(kind, { coprocs, firmware, faults: { faults: [fault] } }, async (rig) => {
    const heard: Record<string, Record<number, number>> = {};
    const failed: Record<string, string[]> = {};
    for (const name of ['a', 'b'])
      await rig.domain(name, { gpu0: 'rings' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const lines: Record<number, number> = (heard[name] = {});
        const failures: string[] = (failed[name] = []);
        gpu.onInterrupt((line) => (lines[line] = (lines[line] ?? 0) + 1));
        const work = [gpu, gpu.createQueue(), gpu.createQueue()].map(async (queue, number) => {
          for (let round = 0; round < COMMANDS; round++) {
            const { status, reason } = await queue.submit({ op: 1 });
            if (status !== 'ok') failures.push(`${number}: ${reason}`);
          }
        });
        await Promise.all(work);
        // What is told late is told before the domain is over.
        while (LINES.some((line) => (lines[line] ?? 0) < 3 * COMMANDS - failures.length))
          await domain.sleep(ms(1));
      });
    const { domains } = await rig.run();
    expect(domains.map(({ reason }) => reason)).toEqual([null, null]);
    return { fate: rig.injector.reports[0]!, heard, failed };
  });
}

const on = { coproc: 'gpu0', domain: 'a' } as const;
const ALL = 3 * COMMANDS;
const when: Moment = { event: 'submit', nth: 9 };

describe.each(RUNTIMES)('a fault of one queue, %s,', (kind) => {
  it.each([0, 1, 2])('corrupts the ring of queue %i: that queue fails, and no other', async (queue) => {
    const { fate, failed } = await run(kind, { fault: 'corrupt-ring', vcoproc: 'a/gpu0', queue, when });
    expect(failed['b']).toEqual([]);
    // On threads its guest may write the same word before the coprocessor looks: then nothing was wrong for anybody.
    if (kind === 'threads' && fate.became === 'recovered') {
      expect([fate.times, failed['a']]).toEqual([1, []]);
      return;
    }
    expect(fate.became).toBe('refused');
    const which = queue === 0 ? '' : ` ${queue}`;
    expect(new Set(failed['a'])).toEqual(new Set([`${queue}: its command queue${which} is corrupt`]));
  });

  it('does not ring for a queue: it is rung again', async () => {
    const { fate, heard, failed } = await run(kind, {
      fault: 'drop-doorbells',
      ...on,
      queue: 1,
      count: 2,
      when,
    });
    expect([fate.became, fate.times, failed]).toEqual(['recovered', 2, { a: [], b: [] }]);
    expect(heard).toEqual({ a: { 2: ALL, 5: ALL }, b: { 2: ALL, 5: ALL } });
  });

  it('of a queue that there is not never happens', async () => {
    const { fate } = await run(kind, { fault: 'corrupt-ring', vcoproc: 'a/gpu0', queue: 3, when });
    expect(fate.became).toBe('never happened');
  });
});

describe.each(RUNTIMES)('a fault of one interrupt line, %s,', (kind) => {
  it.each([0, 2])(
    'loses interrupts of line %i: they are pending, and told when somebody looks',
    async (line) => {
      const { fate, heard } = await run(kind, { fault: 'lose-interrupts', ...on, line, count: 3, when });
      expect([fate.became, fate.times]).toEqual(['recovered', 1]);
      expect(heard).toEqual({ a: { 2: ALL, 5: ALL }, b: { 2: ALL, 5: ALL } });
    },
  );

  it('doubles interrupts of line 2: its guest hears of it more often, of line 5 it does not', async () => {
    const { fate, heard } = await run(kind, {
      fault: 'duplicate-interrupts',
      ...on,
      line: 2,
      count: 3,
      when,
    });
    expect([fate.became, fate.times]).toEqual(['recovered', 1]);
    expect(heard).toEqual({ a: { 2: ALL + 3, 5: ALL }, b: { 2: ALL, 5: ALL } });
  });

  it('delays interrupts of line 5: they come', async () => {
    const { fate, heard } = await run(kind, {
      fault: 'delay-interrupts',
      ...on,
      line: 5,
      count: 2,
      by: ms(1),
      when,
    });
    expect([fate.became, fate.times]).toEqual(['recovered', 1]);
    expect(heard).toEqual({ a: { 2: ALL, 5: ALL }, b: { 2: ALL, 5: ALL } });
  });
});

describe('any fault of any line, at any moment,', () => {
  const kinds = ['lose-interrupts', 'duplicate-interrupts', 'delay-interrupts'] as const;
  it('costs no command, and no interrupt of anybody', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...kinds),
        fc.constantFrom(0, ...LINES),
        fc.integer({ min: 1, max: 8 }),
        fc.integer({ min: 1, max: 2 * ALL }),
        fc.integer({ min: 0, max: 3000 }),
        async (fault, line, count, nth, by) => {
          const late = fault === 'delay-interrupts' ? { by: us(by) } : {};
          const point: Moment = { point: 'interrupt', nth };
          const { fate, heard, failed } = await run('simulated', {
            fault,
            ...on,
            line,
            count,
            ...late,
            when: point,
          } as Fault);
          expect(['recovered', 'never happened']).toContain(fate.became);
          expect(failed).toEqual({ a: [], b: [] });
          const more = fault === 'duplicate-interrupts' ? count : 0;
          for (const [name, lines] of Object.entries(heard))
            for (const each of LINES) {
              const most = ALL + (name === 'a' && each === line ? more : 0);
              expect(lines[each]).toBeGreaterThanOrEqual(ALL);
              expect(lines[each]).toBeLessThanOrEqual(most);
            }
        },
      ),
      { numRuns: 60, interruptAfterTimeLimit: 50_000, markInterruptAsFailure: true },
    );
  }, 60_000);
});
