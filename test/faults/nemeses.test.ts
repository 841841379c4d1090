import { describe, expect, it } from 'vitest';
import { seconds, ms, us } from '../../src/base/units.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import { domainId } from '../../src/contract/names.ts';
import { undisturbed } from '../../src/explore/decisions.ts';
import type { Subject } from '../../src/explore/subject.ts';
import { runTrial } from '../../src/explore/trial.ts';
import type { Fault } from '../../src/faults/plan.ts';
import type { Figures } from '../../src/hypervisor/hypervisor.ts';
import { openSubject } from '../../src/toolstack/subject.ts';
import { coproc } from '../rig.ts';

const COMMANDS = 12;
const nowhere = { file: 'test', line: 1, column: 1 };
const gpu0 = coproc('gpu0', {
  clock: 100_000_000,
  timeslice: us(500),
  stopDeadline: ms(4),
  verifiesMemory: true,
});

/** Two domains share gpu0; each submits commands of about 0.2 ms, one after the other, and carries on after a failure. */
async function twoDomains(): Promise<Subject> {
  const small = await openSubject('small');
  return {
    ...small,
    build: () => ({
      coprocs: [gpu0],
      refused: [],
      bound: { length: seconds(10), steps: 200_000 },
      domains: ['a', 'b'].map((name) => ({
        description: {
          name: domainId(name),
          memory: 1 << 18,
          kernel: 'test',
          coprocs: [{ coproc: gpu0.id, firmware: 'spin', parameters: {}, position: nowhere }],
          extra: '',
          takes: [],
          position: nowhere,
        } as never,
        program: {
          async main(domain) {
            const gpu = domain.coproc('gpu0');
            for (let n = 0; n < COMMANDS; n++) {
              await gpu.submit({ op: 4, args: [600] });
              await domain.sleep(us(20));
            }
          },
        },
        files: { asset: () => new Uint8Array(), input: undefined, write: (_domain, file) => file },
      })),
    }),
  };
}

interface Outcome {
  readonly figures: Figures;
  readonly events: readonly TraceEvent[];
  readonly injected: readonly string[];
}

/** One run with these faults, which must break no law. */
async function runWith(...faults: Fault[]): Promise<Outcome> {
  const events: TraceEvent[] = [];
  let figures: Figures | undefined;
  const result = await runTrial(await twoDomains(), {
    oracle: undisturbed(),
    plan: { faults },
    onEvent: (event) => events.push(event),
    onEnd: (hypervisor) => (figures = hypervisor.figures()),
  });
  expect(result.failure).toBeUndefined();
  expect(result.faults.length).toBe(faults.length);
  return { figures: figures!, events, injected: result.faults };
}

const commands = ({ figures }: Outcome): string[] =>
  figures.vcoprocs.map(
    ({ commands: { ok, failed, cancelled } }) => `${ok} ok ${failed} failed ${cancelled} cancelled`,
  );
const resets = ({ figures }: Outcome): number => figures.coprocs[0]!.resets;
const ALL = `${COMMANDS} ok 0 failed 0 cancelled`;

describe('without faults', () => {
  it('every command succeeds', async () => expect(commands(await runWith())).toEqual([ALL, ALL]));
});

describe('costs time and nothing else:', () => {
  const harmless: readonly Fault[] = [
    { fault: 'lose-interrupts', coproc: 'gpu0', count: 3, when: { event: 'submit', nth: 5 } },
    { fault: 'lose-interrupts', coproc: 'gpu0', count: 1, when: { event: 'switch', nth: 2 } },
    { fault: 'duplicate-interrupts', coproc: 'gpu0', count: 4, when: { at: ms(1) } },
    { fault: 'delay-interrupts', coproc: 'gpu0', count: 4, by: ms(1), when: { at: ms(1) } },
    { fault: 'drop-doorbells', coproc: 'gpu0', count: 1, when: { at: us(0) } },
    { fault: 'drop-doorbells', coproc: 'gpu0', count: 2, when: { event: 'submit', nth: 6 } },
    { fault: 'deny-switches', coproc: 'gpu0', count: 2, retry: us(100), when: { event: 'submit', nth: 4 } },
    { fault: 'slow', coproc: 'gpu0', times: 3, for: ms(2), when: { at: ms(1) } },
    { fault: 'stall', coproc: 'gpu0', for: ms(1), when: { at: ms(1) } },
    { fault: 'late-timers', by: ms(2), for: ms(5), when: { at: ms(1) } },
    { fault: 'pause-domain', domain: 'a', for: ms(2), when: { event: 'submit', nth: 5, plus: us(100) } },
  ];
  it.each(harmless.map((fault) => [fault.fault, fault] as const))('%s', async (_name, fault) => {
    const outcome = await runWith(fault);
    expect([...commands(outcome), resets(outcome)]).toEqual([ALL, ALL, 0]);
  });
});

it('who denies is asked again when it said, or when it has nothing to do, and not more often', async () => {
  const retry = us(150);
  const { events } = await runWith({
    fault: 'deny-switches',
    coproc: 'gpu0',
    count: 20,
    retry,
    when: { event: 'submit', nth: 4 },
  });
  let denied: TraceEvent | undefined;
  let early = 0;
  for (const event of events) {
    if (event.kind === 'denied') denied = event;
    else if (event.kind === 'coproc' && event.state === 'idle') denied = undefined;
    else if (event.kind === 'coproc' && event.state === 'saving' && denied !== undefined)
      if (event.at - denied.at < retry) early++;
  }
  expect([events.filter(({ kind }) => kind === 'denied').length, early]).toEqual([20, 0]);
});

describe('costs the one whose context is in the coprocessor, and nobody else:', () => {
  it('a killed coprocessor: its command fails, and it goes on', async () => {
    const outcome = await runWith({
      fault: 'kill',
      coproc: 'gpu0',
      when: { event: 'submit', nth: 5, plus: us(100) },
    });
    expect(resets(outcome)).toBe(1);
    expect(commands(outcome).toSorted()).toEqual([`${COMMANDS - 1} ok 1 failed 0 cancelled`, ALL].toSorted());
    expect(outcome.figures.vcoprocs.map(({ state }) => state)).toEqual(['gone', 'gone']);
  });

  it('a coprocessor that hangs: who had it is blamed and never comes back', async () => {
    const outcome = await runWith({
      fault: 'hang',
      coproc: 'gpu0',
      when: { event: 'submit', nth: 5, plus: us(100) },
    });
    expect(resets(outcome)).toBe(1);
    const blamed = outcome.figures.vcoprocs.filter(({ faults }) => faults.length > 0);
    expect(blamed.length).toBe(1);
    expect(commands(outcome)).toContain(ALL);
  });
});

describe('costs the damaged context, and is named:', () => {
  const damage: readonly Fault[] = [
    ...[0, 0.02, 0.3, 0.7, 0.999].map((bit): Fault => ({
      fault: 'flip-bit',
      vcoproc: 'a/gpu0',
      bit,
      when: { event: 'switch', nth: 3 },
    })),
    { fault: 'truncate', vcoproc: 'a/gpu0', keep: 0.01, when: { event: 'switch', nth: 3 } },
  ];
  it.each(damage.map((fault) => [JSON.stringify(fault), fault] as const))('%s', async (_name, fault) => {
    const outcome = await runWith(fault);
    const [a, b] = outcome.figures.vcoprocs;
    expect(a!.faults).toEqual([expect.stringContaining('its image is damaged')]);
    expect([b!.faults, commands(outcome)[1], resets(outcome)]).toEqual([[], ALL, 0]);
  });
});

describe('costs the domain, and nobody else:', () => {
  it.each(['crash-guest', 'destroy-domain'] as const)('%s', async (fault) => {
    for (const plus of [us(0), us(50), us(300), us(900)]) {
      const outcome = await runWith({ fault, domain: 'a', when: { event: 'submit', nth: 4, plus } });
      expect(commands(outcome)[1]).toBe(ALL);
      expect(outcome.figures.vcoprocs[0]!.state).toBe('gone');
    }
  });
});

it('a DMA that runs away hits nothing: the command fails with the fault', async () => {
  const small = await twoDomains();
  const events: TraceEvent[] = [];
  const build: Subject['build'] = (oracle, run) => {
    const system = small.build(oracle, run);
    return {
      ...system,
      domains: system.domains.map((one) => ({
        ...one,
        description: {
          ...one.description,
          coprocs: one.description.coprocs.map((share) => ({ ...share, firmware: 'stream' })),
        },
        program: {
          async main(domain) {
            const gpu = domain.coproc('gpu0');
            const buffer = domain.memory.allocate(4096);
            const iova = gpu.map(buffer, 'read-write');
            const { status, reason } = await gpu.submit({ op: 3, args: [iova, 4096, 7] });
            domain.log(`${status} ${reason}`);
          },
        },
      })),
    };
  };
  const result = await runTrial(
    { ...small, build },
    {
      oracle: undisturbed(),
      plan: { faults: [{ fault: 'runaway-dma', coproc: 'gpu0', count: 1, when: { at: us(0) } }] },
      onEvent: (event) => events.push(event),
    },
  );
  expect(result.failure).toBeUndefined();
  const lines = events.flatMap((event) => (event.kind === 'log' ? [event.line] : []));
  expect(lines).toEqual([expect.stringContaining('failed IOMMU fault: write at 0xfffff000'), 'ok undefined']);
});
