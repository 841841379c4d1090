import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { instant, us } from '../../src/base/units.ts';
import type { GuestCoproc, GuestDomain } from '../../src/contract/guest.ts';
import type { Runtime } from '../../src/contract/port.ts';
import type { SavedSystem } from '../../src/hypervisor/saved.ts';
import { packPlain, unpackPlain } from '../../src/toolstack/control/frame.ts';
import { PLATFORMS, RUNTIMES, coproc, withRig, type Rig } from '../rig.ts';

const COPY = 2;
const COUNT = 4;
const CHUNK = 3000;
const CHUNKS = 12;

interface Progress {
  readonly from: number;
  readonly to: number;
  readonly source: number;
  readonly target: number;
  readonly next: number;
  readonly log: readonly string[];
}

/** Copies a block in chunks, three at a time, and draws some chance for each: ends the same however it is cut. */
async function copier(domain: GuestDomain): Promise<void> {
  const dsp = domain.coproc('dsp0');
  const before = domain.resumed as Progress | undefined;
  const from = before === undefined ? domain.memory.allocate(CHUNK * CHUNKS) : domain.memory.at(before.from);
  const to = before === undefined ? domain.memory.allocate(CHUNK * CHUNKS) : domain.memory.at(before.to);
  const source = before?.source ?? dsp.map(from, 'read');
  const target = before?.target ?? dsp.map(to, 'write');
  const log = [...(before?.log ?? [])];
  let next = before?.next ?? 0;
  domain.onCheckpoint(() => ({ from: from.address, to: to.address, source, target, next, log }));
  if (before === undefined) for (let at = 0; at < from.size; at++) from.bytes[at] = domain.random.below(256);
  const lane = async (first?: Promise<{ status: string }>): Promise<void> => {
    const heard = ({ status }: { status: string }) => log.push(`${status} ${domain.random.below(1000)}`);
    if (first !== undefined) heard(await first);
    while (next < CHUNKS) {
      const at = CHUNK * next++;
      heard(await dsp.submit({ op: COPY, args: [source + at, target + at, CHUNK] }));
    }
  };
  const again = dsp.outstanding().map(({ completion }) => completion);
  await Promise.all([again[0], again[1], again[2]].map(lane));
  domain.write('copy', to.bytes.slice());
  domain.write('log', new TextEncoder().encode(log.join()));
}

/** Counts on the same coprocessor, one command at a time, and raises interrupts. */
async function counter(domain: GuestDomain): Promise<void> {
  const dsp = domain.coproc('dsp0');
  const state = (domain.resumed as { sum: number; rounds: number; irqs: number } | undefined) ?? {
    sum: 0,
    rounds: 0,
    irqs: 0,
  };
  domain.onCheckpoint(() => state);
  dsp.onInterrupt(() => state.irqs++);
  const results = async (completion: ReturnType<GuestCoproc['submit']>): Promise<void> => {
    state.sum += (await completion).results[0] ?? NaN;
    state.rounds++;
  };
  for (const { completion } of dsp.outstanding()) await results(completion);
  while (state.rounds < 5) {
    const op = state.rounds === 3 ? 11 : COUNT;
    await results(dsp.submit({ op, args: [op === COUNT ? 500 + state.rounds : 40, 5] }));
  }
  await domain.sleep(us(300));
  domain.write('sum', new TextEncoder().encode(`${state.sum} ${state.irqs}`));
}

const coprocs = [coproc('dsp0', { compatible: PLATFORMS.dsp, timeslice: us(40) })];
const mains = { copier, counter };
const firmware = { copier: 'stream', counter: 'spin' };
const names = ['copier', 'counter'] as const;

const text = (rig: Rig): Record<string, string> =>
  Object.fromEntries([...rig.files].map(([path, bytes]) => [path, Buffer.from(bytes).toString('latin1')]));

const undisturbed = (kind: Runtime['kind']): Promise<Record<string, string>> =>
  withRig(kind, { coprocs }, async (rig) => {
    for (const name of names) await rig.domain(name, { dsp0: firmware[name] }, mains[name]);
    await rig.run();
    return text(rig);
  });

/** Runs until `at`, saves, and goes on to the end. */
async function savedAt(
  kind: Runtime['kind'],
  at: number,
): Promise<{ saved: SavedSystem; files: Record<string, string> }> {
  return withRig(kind, { coprocs }, async (rig) => {
    for (const name of names) await rig.domain(name, { dsp0: firmware[name] }, mains[name]);
    let saved: SavedSystem | undefined;
    await rig.run(async () => {
      await rig.after(us(at));
      const outcome = await rig.hypervisor.save();
      if (outcome.kind === 'failed') throw new Error(outcome.reason);
      saved = outcome.value;
    });
    return { saved: unpackPlain(packPlain(saved)) as SavedSystem, files: text(rig) };
  });
}

async function resumed(
  kind: Runtime['kind'],
  saved: SavedSystem,
): Promise<{ files: Record<string, string>; ok: number }> {
  return withRig(kind, { coprocs, start: instant(saved.at) }, async (rig) => {
    rig.hypervisor.restore(saved);
    for (const one of saved.domains) {
      const name = one.name as unknown as 'copier';
      const created = await rig.domain(name, { dsp0: firmware[name] }, mains[name], { saved: one });
      if (created.kind === 'failed') throw new Error(created.reason);
    }
    const report = await rig.run();
    expect(report.coprocs[0]!.wall).toBeGreaterThanOrEqual(saved.at);
    return { files: text(rig), ok: report.vcoprocs.reduce((sum, { commands }) => sum + commands.ok, 0) };
  });
}

describe('a checkpoint', () => {
  it(
    'at any moment changes nothing for who goes on, nor for who is resumed',
    { timeout: 60_000 },
    async () => {
      const expected = await undisturbed('simulated');
      const inTheMiddle = { active: 0, outstanding: 0, over: 0 };
      await fc.assert(
        fc.asyncProperty(fc.nat(1500), async (at) => {
          const { saved, files } = await savedAt('simulated', at);
          expect(files).toEqual(expected);
          for (const { vcoprocs, guest } of saved.domains) {
            if (guest === null) inTheMiddle.over++;
            for (const { queues, image } of vcoprocs) {
              inTheMiddle.outstanding += queues.first.outstanding.length;
              inTheMiddle.active += new Int32Array(
                image.buffer.slice(image.byteOffset, image.byteOffset + 256),
              )[2]!;
            }
          }
          const again = await resumed('simulated', saved);
          // What was written before is with whoever kept it.
          for (const [path, content] of Object.entries(again.files)) expect(content).toBe(expected[path]);
          expect(again.ok).toBe(CHUNKS + 5);
        }),
        { numRuns: 25 },
      );
      // Not only before and after the work.
      expect(inTheMiddle.active).toBeGreaterThan(3);
      expect(inTheMiddle.outstanding).toBeGreaterThan(10);
    },
  );

  it('can be taken of what was resumed', async () => {
    const expected = await undisturbed('simulated');
    const first = await savedAt('simulated', 200);
    const second = await withRig('simulated', { coprocs, start: instant(first.saved.at) }, async (rig) => {
      rig.hypervisor.restore(first.saved);
      for (const one of first.saved.domains) {
        const name = one.name as unknown as 'copier';
        await rig.domain(name, { dsp0: firmware[name] }, mains[name], { saved: one });
      }
      let saved: SavedSystem | undefined;
      await rig.run(async () => {
        await rig.after(us(60));
        const outcome = await rig.hypervisor.save();
        if (outcome.kind === 'ok') saved = outcome.value;
      });
      return saved!;
    });
    expect((await resumed('simulated', second)).files).toEqual(expected);
  });
});

describe.each(RUNTIMES)('a checkpoint, %s', (kind) => {
  it('in the middle of a job gives the same bits', async () => {
    const expected = await undisturbed(kind);
    const { saved, files } = await savedAt(kind, kind === 'threads' ? 3000 : 300);
    expect(files).toEqual(expected);
    const again = await resumed(kind, saved);
    for (const [path, content] of Object.entries(again.files)) expect(content).toBe(expected[path]);
    expect(again.ok).toBe(CHUNKS + 5);
  });

  it('names the domain that cannot be saved, and touches nobody', async () => {
    await withRig(kind, { coprocs }, async (rig) => {
      await rig.domain('copier', { dsp0: 'stream' }, copier);
      await rig.domain('closed', { dsp0: 'noop' }, async (domain) => domain.sleep(us(500)));
      await rig.run(async () => {
        await rig.after(us(10));
        expect(await rig.hypervisor.save()).toEqual({
          kind: 'failed',
          reason: expect.stringMatching(
            /^domain closed cannot be saved: its guest has not called onCheckpoint/,
          ),
        });
        expect(rig.domains.map(({ state }) => state)).not.toContain('paused');
      });
    });
  });

  it('fails for a state that cannot be cloned, and everybody goes on', async () => {
    await withRig(kind, { coprocs }, async (rig) => {
      await rig.domain('odd', { dsp0: 'noop' }, async (domain) => {
        domain.onCheckpoint(() => ({ f: () => 1 }));
        await domain.sleep(us(500));
      });
      await rig.run(async () => {
        await rig.after(us(10));
        const outcome = await rig.hypervisor.save();
        expect(outcome).toMatchObject({
          kind: 'failed',
          reason: expect.stringMatching(/^domain odd: .*DataCloneError/),
        });
      });
      expect(rig.domains.map(({ state }) => state)).toEqual(['finished']);
    });
  });
});
