import { describe, expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import type { GuestDomain } from '../../src/contract/guest.ts';
import { tape } from '../../src/observe/trace-tape.ts';
import { coproc, PLATFORMS, RUNTIMES, withRig, type Main, type Rig } from '../rig.ts';
import { run } from './window.ts';

type Kind = (typeof RUNTIMES)[number];

const [CHECKSUM, COPY, FILL] = [1, 2, 3];

/** Random work on guest memory, with pauses; every figure that comes of it is logged. */
async function subject(domain: GuestDomain): Promise<void> {
  const { random } = domain;
  const stream = domain.coproc('gpu0');
  const [from, to] = [domain.memory.allocate(8192), domain.memory.allocate(8192)];
  const [fromAt, toAt] = [stream.map(from, 'read-write'), stream.map(to, 'write')];
  for (let round = 0; round < 6; round++) {
    const size = 256 + random.below(7000);
    stream.registers.write(0x40, size);
    const filled = run(stream, FILL, fromAt, size, random.bits());
    const copied = run(stream, COPY, fromAt, toAt, size);
    domain.log(`round ${round}: ${(await filled)[0]} ${(await copied)[0]} ${stream.registers.read(0x40)}`);
    domain.write(`round-${round}`, to.bytes.slice(0, size));
    await domain.sleep(us(1 + random.below(300)));
    domain.log(`again: ${(await run(stream, CHECKSUM, fromAt, size))[0]}`);
  }
  await Promise.all([stream.unmap(fromAt), stream.unmap(toAt)]);
}

/** What a domain may be up to; each ends badly, in its own way. */
const HOSTILE: Readonly<Record<string, Main>> = {
  'never returns': async (domain) => void (await domain.coproc('cp').submit({ op: 1 })),
  traps: async (domain) => void (await domain.coproc('cp').submit({ op: 2 })),
  'reaches for memory that is not its own': async (domain) => {
    for (let at = 0; at < 0x80_0000; at += 0x8_1000) await domain.coproc('cp').submit({ op: 8, args: [at] });
  },
  'keeps the coprocessor and denies': async (domain) => {
    await domain.coproc('cp').submit({ op: 5, args: [50, 2000] });
  },
  'floods with commands and interrupts': async (domain) => {
    const vcoproc = domain.coproc('cp');
    await Promise.all(Array.from({ length: 150 }, () => vcoproc.submit({ op: 11, args: [9, 3] })));
  },
  'writes rubbish to every register and crashes': async (domain) => {
    for (let at = -64; at < 5000; at++) domain.coproc('cp').registers.write(at, domain.random.bits());
    await domain.sleep(us(20));
    throw new Error('enough');
  },
};

/** Runs the subject beside a neighbour, if any, and hands over what can be seen of the subject. */
async function beside(kind: Kind, neighbour?: { readonly on: string; readonly main: Main }) {
  const stopDeadline = ms(kind === 'threads' ? 800 : 10);
  const gpu = coproc('gpu0', { timeslice: us(100), stopDeadline });
  const dsp = coproc('dsp0', { compatible: PLATFORMS.dsp, stopDeadline });
  const coprocs = neighbour?.on === 'dsp0' ? [gpu, dsp] : [gpu];
  return withRig(kind, { coprocs }, async (rig) => {
    if (neighbour !== undefined) {
      const { on, main } = neighbour;
      const renamed = (domain: GuestDomain): GuestDomain => ({ ...domain, coproc: () => domain.coproc(on) });
      await rig.domain('neighbour', { [on]: 'spin' }, (domain) => main(renamed(domain)));
    }
    await rig.domain('subject', { gpu0: 'stream' }, subject);
    const report = await rig.run();
    return {
      tape: tape(ownEvents(rig.trace)),
      data: dataOf(rig),
      report: report.vcoprocs.find(({ domain }) => domain === 'subject'),
    };
  });
}

/** The events of the subject and of its coprocessor, until the subject is gone. */
function ownEvents(trace: readonly TraceEvent[]): TraceEvent[] {
  const own = trace.filter(
    (event) =>
      ('domain' in event && event.domain === 'subject') ||
      ('vcoproc' in event && event.vcoproc === 'subject/gpu0') ||
      ('coproc' in event && event.coproc === 'gpu0'),
  );
  const gone = own.findIndex((event) => event.kind === 'vcoproc' && event.state === 'gone');
  expect(gone).toBeGreaterThan(100);
  return own.slice(0, gone + 1);
}

const dataOf = ({ trace, files, domains }: Rig) => ({
  log: trace.flatMap((event) => (event.kind === 'log' && event.domain === 'subject' ? [event.line] : [])),
  files: [...files].map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]),
  state: domains.find(({ name }) => name === 'subject')!.state,
});

describe('two domains that never meet', () => {
  it.each([
    ['is idle', async (domain: GuestDomain) => domain.sleep(ms(3))] as const,
    ...Object.entries(HOSTILE),
  ])('leave each other the very same events, when one %s', async (_what, main) => {
    const alone = await beside('simulated');
    expect(alone.data.state).toBe('finished');
    const together = await beside('simulated', { on: 'dsp0', main });
    expect(together.tape).toBe(alone.tape);
    expect(together.data).toEqual(alone.data);
    expect(together.report).toEqual(alone.report);
  });
});

describe.each(RUNTIMES)('two domains that share a coprocessor, %s', (kind) => {
  it.each(Object.entries(HOSTILE))(
    'leave each other the very same data, when one %s',
    async (_what, main) => {
      const alone = await beside('simulated');
      const together = await beside(kind, { on: 'gpu0', main });
      expect(together.data).toEqual(alone.data);
      expect(together.report?.commands).toEqual(alone.report?.commands);
      expect(together.report?.faults).toEqual([]);
    },
  );
});

describe('the same seed', () => {
  it.each(Object.entries(HOSTILE))(
    'gives the same tape byte for byte, when one domain %s',
    async (_what, main) => {
      const [once, twice] = [await whole(1, main), await whole(1, main)];
      expect(once.length).toBeGreaterThan(5000);
      expect(once === twice).toBe(true);
    },
  );

  it('is what a run depends on: another seed gives another tape', async () => {
    const main = HOSTILE['traps']!;
    expect((await whole(1, main)) === (await whole(2, main))).toBe(false);
  });

  function whole(seed: number, main: Main): Promise<string> {
    return withRig(
      'simulated',
      { coprocs: [coproc('gpu0', { timeslice: us(40), stopDeadline: ms(10) })], seed },
      async (rig) => {
        await rig.domain('subject', { gpu0: 'stream' }, subject);
        await rig.domain('other', { gpu0: 'stream' }, subject);
        await rig.domain('hostile', { gpu0: 'spin' }, (domain) =>
          main({ ...domain, coproc: () => domain.coproc('gpu0') }),
        );
        await rig.run();
        return tape(rig.trace);
      },
    );
  }
});
