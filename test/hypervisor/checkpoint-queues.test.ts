import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { present } from '../../src/base/assert.ts';
import { instant, us } from '../../src/base/units.ts';
import type { Completion, GuestDomain, GuestQueue } from '../../src/contract/guest.ts';
import type { Runtime } from '../../src/contract/port.ts';
import type { SavedSystem } from '../../src/hypervisor/saved.ts';
import { packPlain, unpackPlain } from '../../src/toolstack/control/frame.ts';
import { PLATFORMS, RUNTIMES, coproc, withRig, type Rig } from '../rig.ts';

const COUNT = 4;
const LANES = 4;
const EACH = 8;
const DOOMED = 6;

interface Progress {
  readonly numbers: number[];
  readonly heard: string[][];
  readonly sent: number[];
  doomed: number | undefined;
  readonly fates: string[];
}

/** Works in several queues at once, destroys some, and goes on with all of them when it is resumed. */
async function worker(domain: GuestDomain): Promise<void> {
  const dsp = domain.coproc('dsp0');
  const state = (domain.resumed as Progress | undefined) ?? {
    numbers: Array.from({ length: LANES }, (_, n) => {
      const coalesce = { count: n === 3 ? 3 : 1, time: us(n === 3 ? 60 : 0) };
      return dsp.createQueue({ capacity: 2 ** n, priority: n * 5, coalesce }).number;
    }),
    heard: Array.from({ length: LANES }, () => []),
    sent: Array.from({ length: LANES }, () => 0),
    doomed: undefined,
    fates: [],
  };
  domain.onCheckpoint(() => state);
  const found = (number: number): GuestQueue | undefined =>
    dsp.queues.find((queue) => queue.number === number);
  const lane = async (number: number, n: number): Promise<void> => {
    const queue = found(number);
    // It was destroyed when all of it was done.
    if (queue === undefined) return;
    const heard = state.heard[n]!;
    const hear = async (completion: Promise<Completion>): Promise<void> => {
      const { status, results } = await completion;
      heard.push(`${status} ${results[0]}`);
    };
    const open = queue.resumed().map(({ completion }) => hear(completion));
    while (state.sent[n]! < EACH) {
      open.push(hear(queue.submit({ op: COUNT, args: [200 + 10 * n + state.sent[n]!++] })));
      if (open.length > 2 + n) await open.shift();
    }
    await Promise.all(open);
    if (n % 2 === 1) await queue.destroy();
  };
  const doom = async (): Promise<void> => {
    const hear = async (completion: Promise<Completion>): Promise<void> =>
      void state.fates.push((await completion).status);
    let queue = state.doomed === undefined ? undefined : found(state.doomed);
    const open = queue?.resumed().map(({ completion }) => hear(completion)) ?? [];
    if (state.doomed === undefined) {
      await domain.sleep(us(80));
      queue = dsp.createQueue({ capacity: 4, priority: 15 });
      state.doomed = queue.number;
      for (let n = 0; n < DOOMED; n++) open.push(hear(queue.submit({ op: COUNT, args: [2000] })));
      await open[0];
    }
    await Promise.all([queue?.destroy(), ...open]);
  };
  await Promise.all([...state.numbers.map(lane), doom()]);
  const inOrder = /^(ok )*(cancelled )*$/.test(state.fates.map((fate) => `${fate} `).join(''));
  const stay = dsp.queues.map(({ number }) => number).join();
  const text = `${state.heard.join('; ')}; ${state.fates.length} ${inOrder}; ${stay}`;
  domain.write('heard', new TextEncoder().encode(text));
}

/** Wants the coprocessor all the time, so that contexts leave in the middle of commands. */
async function rival(domain: GuestDomain): Promise<void> {
  const dsp = domain.coproc('dsp0');
  const state = (domain.resumed as { done: number } | undefined) ?? { done: 0 };
  domain.onCheckpoint(() => state);
  for (const { completion } of dsp.outstanding()) await completion.then(() => state.done++);
  while (state.done < 20) await dsp.submit({ op: COUNT, args: [300] }).then(() => state.done++);
}

const coprocs = [coproc('dsp0', { compatible: PLATFORMS.dsp, timeslice: us(30) })];
const mains = { worker, rival };
const names = ['worker', 'rival'] as const;

const text = (rig: Rig): string | undefined => {
  const bytes = rig.files.get('worker/heard');
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('latin1');
};

/** Runs until `at`, saves, and goes on to the end: what was saved, and what came of it. */
const savedAt = (kind: Runtime['kind'], at: number, before?: SavedSystem) =>
  withRig(
    kind,
    { coprocs, ...(before === undefined ? {} : { start: instant(before.at) }) },
    async (rig): Promise<{ saved: SavedSystem; heard: string | undefined; commands: number[] }> => {
      if (before !== undefined) rig.hypervisor.restore(before);
      for (const name of names) {
        const saved = before?.domains.find((one) => one.name === (name as string));
        await rig.domain(name, { dsp0: 'spin' }, mains[name], saved === undefined ? {} : { saved });
      }
      let saved: SavedSystem | undefined;
      const report = await rig.run(async () => {
        await rig.after(us(at));
        const outcome = await rig.hypervisor.save();
        if (outcome.kind === 'failed') throw new Error(outcome.reason);
        saved = unpackPlain(packPlain(outcome.value)) as SavedSystem;
      });
      const { submitted, ok, cancelled } = report.vcoprocs.find(
        ({ domain }) => domain === ('worker' as never),
      )!.commands;
      return {
        saved: present(saved, 'it was saved'),
        heard: text(rig),
        commands: [submitted, ok + cancelled],
      };
    },
  );

const expected = `${Array.from({ length: LANES }, (_, n) =>
  Array.from({ length: EACH }, (_, k) => `ok ${200 + 10 * n + k}`),
).join('; ')}; ${DOOMED} true; 1,3`;
const ALL = LANES * EACH + DOOMED;

describe('a checkpoint of many queues', () => {
  test(
    'at any moment, and again of what was resumed, loses and doubles nothing',
    { timeout: 60_000 },
    async () => {
      const seen = { queues: 0, active: 0, outstanding: 0 };
      await fc.assert(
        fc.asyncProperty(fc.nat(1000), fc.nat(300), async (at, later) => {
          const first = await savedAt('simulated', at);
          expect([first.heard, first.commands]).toEqual([expected, [ALL, ALL]]);
          for (const { queues, image } of first.saved.domains.flatMap(({ vcoprocs }) => vcoprocs)) {
            const words = new Int32Array(image.buffer.slice(image.byteOffset, image.byteOffset + 256));
            if (words[2] === 1 && words[4] !== 0) seen.active++;
            seen.queues += queues.others.length;
            for (const { queue } of queues.others) seen.outstanding += queue.outstanding.length;
          }
          if (first.saved.domains.find(({ name }) => name === ('worker' as never))!.guest === null) return;
          const second = await savedAt('simulated', later, first.saved);
          expect([second.heard, second.commands]).toEqual([expected, [ALL, ALL]]);
          if (second.saved.domains.find(({ name }) => name === ('worker' as never))!.guest === null) return;
          const third = await savedAt('simulated', 0, second.saved);
          expect([third.heard, third.commands]).toEqual([expected, [ALL, ALL]]);
        }),
        { numRuns: 20 },
      );
      // Not only before and after the work.
      for (const count of Object.values(seen)) expect(count).toBeGreaterThan(0);
    },
  );
});

describe.each(RUNTIMES)('a checkpoint of many queues, %s', (kind) => {
  test('in the middle of the work gives the same', async () => {
    const { saved } = await savedAt(kind, kind === 'threads' ? 1500 : 250);
    expect((await savedAt(kind, 0, saved)).heard ?? expected).toBe(expected);
  });

  test('finishes what was under way in a queue that was being destroyed, and the queue is gone', async () => {
    let fates: string[] = [];
    const main = (destroying: () => void) => async (domain: GuestDomain) => {
      const dsp = domain.coproc('dsp0');
      domain.onCheckpoint(() => true);
      const hear = async (completion: Promise<Completion>): Promise<void> =>
        void fates.push((await completion).status);
      const queue = domain.resumed === true ? dsp.queues[0] : dsp.createQueue();
      const open = queue?.resumed().map(({ completion }) => hear(completion)) ?? [];
      if (domain.resumed !== true) {
        for (const steps of [1, 20_000, 1]) open.push(hear(queue!.submit({ op: COUNT, args: [steps] })));
        await open[0];
        void queue?.destroy();
        destroying();
      }
      await Promise.all([...open, queue?.destroy()]);
      expect(dsp.queues).toEqual([]);
      expect(dsp.createQueue().number).toBe(1);
    };
    const saved = await withRig(kind, { coprocs }, async (rig) => {
      let outcome: Awaited<ReturnType<typeof rig.hypervisor.save>> | undefined;
      let save: () => void = () => {};
      const now = new Promise<void>((resolve) => (save = resolve));
      await rig.domain('a', { dsp0: 'spin' }, main(save));
      await rig.run(async () => {
        await now;
        outcome = await rig.hypervisor.save();
      });
      if (outcome?.kind !== 'ok') throw new Error('it was not saved');
      return unpackPlain(packPlain(outcome.value)) as SavedSystem;
    });
    if (kind === 'simulated') {
      const { gone, queue } = saved.domains[0]!.vcoprocs[0]!.queues.others[0]!;
      expect([gone, queue.outstanding.length]).toEqual([true, 2]);
      expect(fates).toEqual(['ok', 'ok', 'cancelled']);
    }
    fates = [];
    await withRig(kind, { coprocs, start: instant(saved.at) }, async (rig) => {
      rig.hypervisor.restore(saved);
      for (const one of saved.domains)
        await rig.domain(
          'a',
          { dsp0: 'spin' },
          main(() => {}),
          { saved: one },
        );
      const report = await rig.run();
      expect(report.domains[0]!.reason).toBe(null);
    });
    if (kind === 'simulated') expect(fates).toEqual(['ok', 'cancelled']);
  });

  test('names the queue that cannot be saved', async () => {
    await withRig(kind, { coprocs }, async (rig) => {
      await rig.domain('a', { dsp0: 'spin' }, async (domain) => {
        domain.onCheckpoint(() => null);
        const batch = domain.coproc('dsp0').createQueue().batch();
        await domain.sleep(us(500));
        batch.close();
      });
      await rig.run(async () => {
        await rig.after(us(50));
        expect(await rig.hypervisor.save()).toEqual({
          kind: 'failed',
          reason: "domain a cannot be saved: on dsp0, its queue 1 is a batch's; ask when it is closed",
        });
      });
    });
  });
});
