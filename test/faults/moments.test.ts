import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { kib, ms, seconds, us } from '../../src/base/units.ts';
import type { GuestDomain } from '../../src/contract/guest.ts';
import { domainId } from '../../src/contract/names.ts';
import type { CoprocessorPort, Runtime } from '../../src/contract/port.ts';
import { CORE_POINTS } from '../../src/coprocessor/ailments.ts';
import { undisturbed } from '../../src/explore/decisions.ts';
import type { Subject } from '../../src/explore/subject.ts';
import { runTrial, type TrialState } from '../../src/explore/trial.ts';
import type { Fault, FaultPlan } from '../../src/faults/plan.ts';
import { Hypervisor } from '../../src/hypervisor/hypervisor.ts';
import { openSubject } from '../../src/toolstack/subject.ts';
import { checksum, streamPattern } from '../hostile/support.ts';
import { coproc } from '../rig.ts';
import { Books } from './books.ts';

// A coprocessor dies at each moment of one small run, one run for each: two domains work, a third is destroyed in the
// middle. Between any two steps of the simulation, which are decisions, switches, register writes that are replayed,
// recoveries; and at each occurrence of each point within the coprocessor.

const BYTES = 512;
const ROUNDS = 2;
const nowhere = { file: 'test', line: 1, column: 1 };
const often = { most: 1000, within: seconds(1) };
const gpu0 = coproc('gpu0', {
  clock: 100_000_000,
  timeslice: us(40),
  stopDeadline: ms(1),
  resetDeadline: ms(1),
  heartbeat: ms(4),
  recovery: { onFault: 'ban', faults: often, restarts: often },
});
const DESTROYED: Fault = { fault: 'destroy-domain', domain: 'c', when: { event: 'submit', nth: 11 } };

/** Has buffers filled, on two queues at once; whatever fails is asked for again, whatever is ok is right. */
async function work(domain: GuestDomain): Promise<void> {
  const gpu = domain.coproc('gpu0');
  const one = async (queue: Pick<typeof gpu, 'submit'>, seed: number): Promise<void> => {
    const buffer = domain.memory.allocate(BYTES);
    const iova = gpu.map(buffer, 'read-write');
    for (let round = 0; round < ROUNDS;) {
      const { status, results } = await queue.submit({ op: 3, args: [iova, BYTES, seed + round] });
      if (status === 'cancelled') return;
      if (status !== 'ok') continue;
      const pattern = streamPattern(BYTES, seed + round);
      if (results[0] !== checksum(pattern) || !Buffer.from(buffer.bytes).equals(pattern))
        throw new Error(`${domain.name}: wrong result`);
      // Wherever its context is: it is written into the window, or replayed when it is there.
      gpu.registers.write(0x40, seed);
      round++;
    }
  };
  const seed = domain.name.charCodeAt(0);
  const own = gpu.createQueue();
  await Promise.all([one(gpu, seed), one(own, seed + 100)]);
  await own.destroy();
}

let small: Subject;
beforeAll(async () => void (small = await openSubject('small')));

interface Ran {
  readonly steps: number;
  readonly starts: number;
  /** Faults that somebody was blamed for, or nobody. */
  readonly faults: number;
}

/** One run: `kills` says after which steps the coprocessor is killed, `plan` what else goes wrong. */
async function run(kills: readonly number[], ...plan: FaultPlan['faults']): Promise<Ran> {
  const books = new Books();
  const ports: CoprocessorPort[] = [];
  /** Whose context was in a coprocessor when it went, and whoever was blamed: they may lose what they had there. */
  const excused = new Set<string>();
  const losers = new Set<string>();
  let seen = 0;
  let hypervisor: Hypervisor | undefined;
  const startCoprocessor =
    (runtime: Runtime): Runtime['startCoprocessor'] =>
    (spec, platform, listener) => {
      const onExit = (reason: string): void => {
        const inside = hypervisor?.vcoprocs.filter(({ lost }) => lost) ?? [];
        expect(inside.length).toBeLessThanOrEqual(1);
        for (const { name } of inside) excused.add(name);
        listener.onExit(reason);
      };
      const watched = { onEvents: () => listener.onEvents(), onExit };
      const port = books.port(spec.id, runtime.startCoprocessor(spec, platform, watched));
      ports.push(port);
      return port;
    };
  const subject: Subject = {
    ...small,
    schedulers: books.schedulers,
    hypervisor: (parts) => {
      const runtime = { ...parts.runtime, startCoprocessor: startCoprocessor(parts.runtime) };
      return (hypervisor = new Hypervisor({ ...parts, runtime }));
    },
    build: (_oracle, view) => {
      view.disturb('gpu0', 'a');
      return {
        coprocs: [gpu0],
        refused: [],
        bound: { length: seconds(1), steps: 50_000 },
        domains: ['a', 'b', 'c'].map((name) => ({
          description: {
            name: domainId(name),
            memory: kib(64),
            kernel: 'test',
            coprocs: [{ coproc: gpu0.id, firmware: 'stream', parameters: {}, position: nowhere }],
            extra: '',
            takes: [],
            position: nowhere,
          },
          program: { main: work },
          files: { asset: () => new Uint8Array(), input: undefined, write: (_domain, file) => file },
        })),
      };
    },
  };
  const onStep = ({ step }: TrialState): boolean => {
    if (kills.includes(step)) ports.at(-1)!.kill('killed by the test');
    return true;
  };
  const { failure, steps } = await runTrial(subject, {
    oracle: undisturbed(),
    plan: { faults: [DESTROYED, ...plan] },
    onStep,
    onEvent: (event) => {
      if (event.kind === 'fault') seen++;
      if (event.kind === 'fault' && event.vcoproc !== null) excused.add(event.vcoproc);
      if (event.kind === 'complete' && event.status === 'failed') losers.add(event.vcoproc);
    },
  });
  expect(failure).toBeUndefined();
  const { vcoprocs, domains } = hypervisor!.figures();
  expect(domains.map(({ state, reason }) => reason ?? state).slice(0, 2)).toEqual(['finished', 'finished']);
  for (const { id, state, commands } of vcoprocs) {
    expect([id, state]).toEqual([id, 'gone']);
    if (!id.startsWith('c')) expect([id, commands.ok, commands.cancelled]).toEqual([id, 2 * ROUNDS, 0]);
  }
  expect([...losers].filter((name) => !excused.has(name))).toEqual([]);
  expect(books.open).toEqual([]);
  expect([...hypervisor!.coprocs].flatMap(({ members }) => [...members])).toEqual([]);
  return { steps, starts: ports.length, faults: seen };
}

describe('a coprocessor that dies costs who was in it what was under way there, and nothing else,', () => {
  it('after each step of a run', async () => {
    const { steps } = await run([]);
    let died = 0;
    for (let step = 1; step < steps; step++) died += (await run([step])).starts - 1;
    expect(died).toBe(steps - 1);
  }, 120_000);

  it('after any step, and its successors in their turn, as soon as they are there or before', async () => {
    const { steps } = await run([]);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: steps }),
        fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 3 }),
        async (first, pauses) => {
          const kills = [first];
          for (const pause of pauses) kills.push(kills.at(-1)! + pause);
          await run(kills);
        },
      ),
      {
        numRuns: 200,
        // c is being destroyed, and commands of its second queue outlive its context.
        examples: [[1, [6, 5, 2]]],
      },
    );
  }, 120_000);
});

describe('costs one context at most, and nobody else anything:', () => {
  const kinds = ['kill', 'hang'] as const;
  const moments = [
    ...CORE_POINTS.flatMap((point) => kinds.map((fault) => [fault, point] as const)),
    ['trap', 'step'] as const,
  ];
  it.each(moments)(
    'a %s at every %s',
    async (fault, point) => {
      const at = (nth: number): Fault => ({ fault, coproc: 'gpu0', when: { point, nth } }) as Fault;
      let nth = 0;
      while ((await run([], at(nth + 1))).faults > 0) nth++;
      expect(nth).toBeGreaterThan(4);
    },
    60_000,
  );

  it('a death at any point while the successor of one that died at any point comes', async () => {
    const death = fc.record({
      fault: fc.constantFrom(...kinds),
      coproc: fc.constant('gpu0'),
      when: fc.record({
        point: fc.constantFrom(...CORE_POINTS, 'start', 'attach'),
        nth: fc.integer({ min: 1, max: 20 }),
      }),
    }) as fc.Arbitrary<Fault>;
    await fc.assert(
      fc.asyncProperty(death, death, death, async (...deaths) => void (await run([], ...deaths))),
      { numRuns: 200 },
    );
  }, 120_000);
});
