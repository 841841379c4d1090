import { describe, expect, test } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
import { BATCH_STATUS, BATCH_WORDS, GuestError, type GuestCoproc } from '../../src/contract/guest.ts';
import { RUNTIMES, withRig, type Rig } from '../rig.ts';

const OK = BATCH_STATUS.ok;

/** `count` commands of the no-op firmware, whose first argument counts; every fifth is the no-op of the platform. */
function commands(count: number): Int32Array {
  const words = new Int32Array(count * BATCH_WORDS);
  for (let k = 0; k < count; k++) {
    words[k * BATCH_WORDS + 1] = k % 5 === 0 ? 0 : 1;
    words[k * BATCH_WORDS + 2] = k;
  }
  return words;
}

/** Sends all, polls all, sleeps when nothing is there. Gives status and first result of each, in order. */
async function through(gpu: GuestCoproc, words: Int32Array, room = 7): Promise<(readonly number[])[]> {
  const batch = gpu.batch();
  const total = words.length / BATCH_WORDS;
  const completions = new Int32Array(room * BATCH_WORDS);
  const seen: (readonly number[])[] = [];
  for (let sent = 0; seen.length < total;) {
    if (sent < total) sent += batch.submit(words, sent, Math.min(16, total - sent));
    const count = batch.poll(completions);
    for (let k = 0; k < count; k++) {
      const at = k * BATCH_WORDS;
      seen.push([completions[at + 1]!, completions[at + 8]!]);
    }
    if (seen.length < total) await batch.ready();
  }
  batch.close();
  return seen;
}

const expected = (total: number): (readonly number[])[] =>
  Array.from({ length: total }, (_, k) => [OK, k % 5 === 0 ? 0 : k]);

const withGuest = (
  kind: (typeof RUNTIMES)[number],
  firmware: string,
  main: (gpu: GuestCoproc, rig: Rig) => Promise<void>,
): Promise<void> =>
  withRig(kind, {}, async (rig) => {
    await rig.domain('a', { gpu0: firmware }, (domain) => main(domain.coproc('gpu0'), rig));
    const report = await rig.run();
    expect(report.domains.map(({ state, reason }) => [state, reason])).toEqual([['finished', null]]);
  });

describe.each(RUNTIMES)('a batch, %s', (kind) => {
  test('completes every command once, in order, through a queue that is smaller', async () => {
    await withGuest(kind, 'noop', async (gpu, rig) => {
      expect(await through(gpu, commands(1000))).toEqual(expected(1000));
      const [report] = rig.hypervisor.figures().vcoprocs;
      expect(report!.commands).toEqual({ submitted: 1000, ok: 1000, failed: 0, cancelled: 0 });
      // One interrupt stands for all completions since the guest awaited the last.
      expect(report!.interrupts.raised).toBeLessThan(1000);
    });
  });

  test('shares the coprocessor with another domain that awaits each of its commands', async () => {
    await withRig(kind, {}, async (rig) => {
      await rig.domain('a', { gpu0: 'noop' }, async (domain) =>
        expect(await through(domain.coproc('gpu0'), commands(5000), 64)).toEqual(expected(5000)),
      );
      await rig.domain('b', { gpu0: 'noop' }, async (domain) => {
        for (let n = 0; n < 50; n++)
          expect((await domain.coproc('gpu0').submit({ op: 1, args: [n] })).results[0]).toBe(n);
      });
      const report = await rig.run();
      expect(report.vcoprocs.map(({ commands: { ok } }) => ok)).toEqual([5000, 50]);
    });
  });

  test('and single commands take turns at one queue', async () => {
    await withGuest(kind, 'noop', async (gpu) => {
      for (let turn = 0; turn < 3; turn++) {
        expect(await through(gpu, commands(20))).toEqual(expected(20));
        expect((await gpu.submit({ op: 1, args: [turn] })).results[0]).toBe(turn);
      }
    });
  });

  test('says which command failed and why, and goes on', async () => {
    await withGuest(kind, 'spin', async (gpu) => {
      const words = new Int32Array(3 * BATCH_WORDS);
      words.set([0, 10, -7], 0);
      words.set([0, 8, 0x1000], BATCH_WORDS);
      const batch = gpu.batch();
      expect(batch.submit(words)).toBe(3);
      const completions = new Int32Array(3 * BATCH_WORDS);
      for (let done = 0; done < 3;) {
        await batch.ready();
        done += batch.poll(completions.subarray(done * BATCH_WORDS));
      }
      const found = [0, 1, 2].map((k) =>
        Array.from(completions.subarray(k * BATCH_WORDS + 1, k * BATCH_WORDS + 4)),
      );
      expect(found).toEqual([
        [BATCH_STATUS.failed, -7, 0],
        [BATCH_STATUS.dmaFault, 0, 0x1000],
        [OK, 1, 0],
      ]);
    });
  });

  test('that is out when its vcoproc is isolated ends: each command once', async () => {
    await withGuest(kind, 'spin', async (gpu) => {
      const words = new Int32Array(6 * BATCH_WORDS);
      words[3 * BATCH_WORDS + 1] = 2;
      const batch = gpu.batch();
      expect(batch.submit(words)).toBe(6);
      const completions = new Int32Array(8 * BATCH_WORDS);
      const states: number[] = [];
      while (states.length < 6) {
        await batch.ready();
        const count = batch.poll(completions);
        for (let k = 0; k < count; k++) states.push(completions[k * BATCH_WORDS + 1]!);
      }
      const { lost } = BATCH_STATUS;
      expect(states).toEqual([OK, OK, OK, lost, lost, lost]);
      expect(batch.submit(words, 0, 1)).toBe(1);
      expect(batch.poll(completions)).toBe(1);
      expect(completions[1]).toBe(lost);
    });
  });

  test('that nobody polls is counted when its domain ends', async () => {
    await withRig(kind, {}, async (rig) => {
      await rig.domain('a', { gpu0: 'noop' }, async (domain) => {
        domain.coproc('gpu0').batch().submit(commands(40));
        await domain.sleep(us(1));
      });
      const report = await rig.run();
      const { submitted, ok, cancelled } = report.vcoprocs[0]!.commands;
      expect([submitted, ok + cancelled]).toEqual([40, 40]);
    });
  });

  test('is not heard of while its domain is paused, and goes on afterwards', async () => {
    await withRig(kind, {}, async (rig) => {
      let polled = 0;
      await rig.domain('a', { gpu0: 'noop' }, async (domain) => {
        const seen = await through(domain.coproc('gpu0'), commands(4000));
        polled = seen.length;
      });
      await rig.run(async () => {
        const [domain] = rig.domains;
        await rig.after(us(200));
        if (domain!.state !== 'running') return;
        rig.hypervisor.pauseDomain(domain!);
        await rig.after(ms(3));
        rig.hypervisor.unpauseDomain(domain!);
      });
      expect(polled).toBe(4000);
    });
  });
});

test('a guest that keeps the thread for long leaves the hypervisor many events, and breaks nothing', async () => {
  await withGuest('threads', 'noop', async (gpu) => {
    await gpu.submit({ op: 0 });
    const batch = gpu.batch();
    const completion = new Int32Array(BATCH_WORDS);
    for (let n = 0; n < 1500; n++) {
      batch.submit(completion, 0, 1);
      while (batch.poll(completion) === 0);
      completion.fill(0);
      // Long enough for the coprocessor to give up looking: it reports each time that it sleeps and wakes.
      for (const until = performance.now() + 0.06; performance.now() < until;);
    }
    batch.close();
    expect((await gpu.submit({ op: 1, args: [7] })).results[0]).toBe(7);
  });
});

describe('a batch refuses', () => {
  const refused = (main: (gpu: GuestCoproc) => unknown): Promise<void> =>
    withGuest('simulated', 'noop', async (gpu) => {
      await Promise.resolve();
      expect(() => main(gpu)).toThrow(GuestError);
    });

  test('an operation code that is none, and submits nothing of that call', () =>
    withGuest('simulated', 'noop', async (gpu) => {
      const words = commands(3);
      words[2 * BATCH_WORDS + 1] = 0x10000;
      const batch = gpu.batch();
      expect(() => batch.submit(words)).toThrow(GuestError);
      expect(batch.outstanding).toBe(0);
      await Promise.resolve();
    }));

  test('more commands than the array holds', () => refused((gpu) => gpu.batch().submit(commands(3), 1, 3)));
  test('words that do not begin where descriptors can be copied from', () =>
    refused((gpu) => gpu.batch().submit(commands(3).subarray(1), 0, 1)));
  test('an array whose buffer was taken away, also one that it knows', () =>
    withGuest('simulated', 'noop', async (gpu) => {
      const buffer = new ArrayBuffer(2 * BATCH_WORDS * 4);
      const words = new Int32Array(buffer);
      const batch = gpu.batch();
      expect(batch.submit(words, 0, 1)).toBe(1);
      structuredClone(buffer, { transfer: [buffer] });
      expect(() => batch.submit(words, 0, 1)).toThrow(GuestError);
      expect(batch.outstanding).toBe(1);
      await batch.ready();
      expect(batch.poll(commands(1))).toBe(1);
      batch.close();
    }));
  test('to be awaited with nothing outstanding', () => refused((gpu) => gpu.batch().ready()));
  test('a second batch', () => refused((gpu) => [gpu.batch(), gpu.batch()]));
  test('a single command beside it', () => refused((gpu) => [gpu.batch(), gpu.submit({ op: 1 })]));
  test('to be closed with commands outstanding', () =>
    refused((gpu) => {
      const batch = gpu.batch();
      batch.submit(commands(1));
      batch.close();
    }));
});
