import { describe, expect, test } from 'vitest';
import { present } from '../../src/base/assert.ts';
import { after, ms, us } from '../../src/base/units.ts';
import {
  BATCH_STATUS,
  BATCH_WORDS,
  GuestError,
  type GuestCoproc,
  type GuestQueue,
} from '../../src/contract/guest.ts';
import type { QueueTable } from '../../src/hypervisor/queue-table.ts';
import { firmwareText, ownFirmware } from '../hostile/support.ts';
import { RUNTIMES, withRig, type Rig } from '../rig.ts';

/** Takes as many steps as its argument says, and gives its place among all commands that were ever finished. */
const turns = firmwareText({
  start: '(i32.store (i32.const 2052) (call $arg (i32.const 0))) (i32.const 0)',
  step: `(i32.store (i32.const 2052) (i32.sub (i32.load (i32.const 2052)) (i32.const 1)))
    (if (result i32) (i32.gt_s (i32.load (i32.const 2052)) (i32.const 0))
      (then (i32.const 0))
      (else
        (i32.store (i32.const 2048) (i32.add (i32.load (i32.const 2048)) (i32.const 1)))
        (i32.store (i32.const 1088) (i32.load (i32.const 2048)))
        (i32.const 1)))`,
});
const firmwares = ownFirmware({ turns });

/** Of the firmware `spin`. */
const STEPS = 4;
const FAIL = 10;

const withGuest = (
  kind: (typeof RUNTIMES)[number],
  firmware: string,
  main: (gpu: GuestCoproc, rig: Rig) => Promise<void>,
): Promise<void> =>
  withRig(kind, { firmware: firmwares }, async (rig) => {
    await rig.domain('a', { gpu0: firmware }, (domain) => main(domain.coproc('gpu0'), rig));
    const report = await rig.run();
    expect(report.domains.map(({ state, reason }) => [state, reason])).toEqual([['finished', null]]);
  });

const tableOf = (rig: Rig): QueueTable => present(rig.hypervisor.vcoprocs[0], 'a vcoproc').queues;

/** Submits commands with these arguments and gives the first result of each. */
const echo = async (queue: Pick<GuestQueue, 'submit'>, words: readonly number[]): Promise<unknown[]> =>
  (await Promise.all(words.map((word) => queue.submit({ op: 1, args: [word] })))).map(
    ({ status, results }) => status === 'ok' && results[0],
  );

const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

describe.each(RUNTIMES)('queues of a vcoproc, %s', (kind) => {
  test('are many: each gets its own commands, in order, beside the default one', async () => {
    await withGuest(kind, 'noop', async (gpu, rig) => {
      const queues = upTo(200).map((n) => gpu.createQueue({ capacity: 4, priority: n % 16 }));
      const words = (n: number): number[] => upTo(12).map((k) => n * 1000 + k);
      const found = await Promise.all([gpu, ...queues].map((queue, n) => echo(queue, words(n))));
      expect(found).toEqual(upTo(201).map(words));
      expect(tableOf(rig).counts).toEqual({ submitted: 2412, ok: 2412, failed: 0, cancelled: 0 });
      await Promise.all(queues.map((queue) => queue.destroy()));
      expect(tableOf(rig).size).toBe(1);
      expect(await echo(gpu, [7])).toEqual([7]);
    });
  });

  test('wake a context that is away, however long ago they were created or changed', async () => {
    await withGuest(kind, 'noop', async (gpu, rig) => {
      const queue = gpu.createQueue();
      await rig.after(ms(5));
      expect(await echo(queue, [1])).toEqual([1]);
      queue.change({ priority: 3 });
      await rig.after(ms(5));
      expect(await echo(queue, [2])).toEqual([2]);
      const eviction = tableOf(rig).evict(1);
      await eviction.quiet;
      eviction.restore();
      await rig.after(ms(5));
      expect(await echo(queue, [3])).toEqual([3]);
    });
  });

  test('are used without a promise per command too, polled or slept for', async () => {
    await withGuest(kind, 'noop', async (gpu) => {
      const batch = gpu.createQueue({ capacity: 8 }).batch();
      const commands = new Int32Array(100 * BATCH_WORDS);
      for (const k of upTo(100)) commands.set([0, k % 3, k], k * BATCH_WORDS);
      const completions = new Int32Array(5 * BATCH_WORDS);
      const seen: number[] = [];
      for (let sent = 0; seen.length < 100;) {
        if (sent < 100) sent += batch.submit(commands, sent, 100 - sent);
        const count = batch.poll(completions);
        for (const k of upTo(count)) {
          expect(completions[k * BATCH_WORDS + 1]).toBe(BATCH_STATUS.ok);
          seen.push(completions[k * BATCH_WORDS]!);
        }
        if (count === 0) await batch.ready();
      }
      expect(seen).toEqual(upTo(100));
      batch.close();
    });
  });

  test('wait while they are evicted, as often as they are, and lose nothing', async () => {
    await withGuest(kind, 'noop', async (gpu, rig) => {
      const [one, other] = [gpu.createQueue(), gpu.createQueue()];
      const table = tableOf(rig);
      expect(await echo(one, [1])).toEqual([1]);
      const evictions = [table.evict(1), table.evict(1)];
      await Promise.all(evictions.map(({ quiet }) => quiet));
      const waits = echo(one, upTo(40));
      let done = false;
      void waits.then(() => (done = true));
      expect(await echo(other, upTo(40))).toEqual(upTo(40));
      evictions[0]!.restore();
      expect(await echo(other, upTo(40))).toEqual(upTo(40));
      expect(done).toBe(false);
      evictions[1]!.restore();
      expect(await waits).toEqual(upTo(40));
    });
  });

  test('are forgotten before another has their place, evicted or not', async () => {
    await withGuest(kind, 'noop', async (gpu, rig) => {
      for (let turn = 0; turn < 40; turn++) {
        const queue = gpu.createQueue();
        await echo(queue, [turn]);
        const { quiet } = tableOf(rig).evict(1);
        await quiet;
        await queue.destroy();
        const next = gpu.createQueue();
        expect(await echo(next, [turn])).toEqual([turn]);
        await next.destroy();
      }
    });
  });

  test('finish what is under way when they are evicted, and begin nothing', async () => {
    await withGuest(kind, 'turns', async (gpu, rig) => {
      const queue = gpu.createQueue();
      let done = 0;
      const all = upTo(12).map(() =>
        queue.submit({ op: 1, args: [400] }).then(({ results }) => (done++, results[0]!)),
      );
      await all[1];
      const eviction = tableOf(rig).evict(1);
      await eviction.quiet;
      // Whatever was done when it was evicted was told before that.
      const [before, next] = [done, await gpu.submit({ op: 1, args: [1] })];
      expect([done, next.results[0]]).toEqual([before, before + 1]);
      eviction.restore();
      const skipped = before + 1;
      expect(await Promise.all(all)).toEqual(
        upTo(13)
          .map((n) => n + 1)
          .filter((n) => n !== skipped),
      );
    });
  });

  test('are destroyed with commands outstanding: each completes once, those not begun are cancelled', async () => {
    await withGuest(kind, 'spin', async (gpu) => {
      const queue = gpu.createQueue({ capacity: 4 });
      const all = upTo(12).map(() => queue.submit({ op: STEPS, args: [100] }));
      await all[0];
      await queue.destroy();
      const statuses = (await Promise.all(all)).map(({ status }) => status);
      expect(statuses.join(' ')).toMatch(/^(ok ){1,11}cancelled( cancelled)*$/);
      expect(await queue.submit({ op: STEPS, args: [1] })).toMatchObject({
        status: 'cancelled',
        reason: 'its queue was destroyed',
      });
      await queue.destroy();
      expect((await gpu.submit({ op: STEPS, args: [2] })).results[0]).toBe(2);
    });
  });

  test('fail alone: an error or a refused DMA of one is nothing to the others', async () => {
    await withGuest(kind, 'spin', async (gpu, rig) => {
      const [good, bad] = [gpu.createQueue(), gpu.createQueue()];
      const failed = Promise.all(
        upTo(30).map((n) => bad.submit(n % 2 ? { op: FAIL, args: [-3] } : { op: 8, args: [4096] })),
      );
      const done = await Promise.all(upTo(30).map(() => good.submit({ op: STEPS, args: [3] })));
      expect(done.every(({ status }) => status === 'ok')).toBe(true);
      expect((await failed).map(({ reason }) => reason)).toEqual(
        upTo(30).map((n) => (n % 2 ? 'firmware error -3' : 'IOMMU fault: read at 0x00001000')),
      );
      expect(rig.hypervisor.vcoprocs[0]!.state).not.toBe('isolated');
    });
  });

  test('die alone when an index of theirs cannot be true', async () => {
    await withGuest(kind, 'noop', async (gpu, rig) => {
      const [good, bad] = [gpu.createQueue(), gpu.createQueue()];
      const table = tableOf(rig);
      expect(await echo(bad, [1])).toEqual([1]);
      const eviction = table.evict(2);
      await eviction.quiet;
      const lost = bad.submit({ op: 1 });
      const { memory } = table.specs.find(({ index }) => index === 2)!;
      Atomics.store(new Int32Array(memory.commands), 0, 0x4000_0000);
      eviction.restore();
      expect(await echo(good, upTo(30))).toEqual(upTo(30));
      const reason = 'its command queue 2 is corrupt';
      expect(await lost).toMatchObject({ status: 'failed', reason });
      expect(await bad.submit({ op: 1 })).toMatchObject({ status: 'failed', reason });
      expect(await echo(gpu, [5])).toEqual([5]);
      await bad.destroy();
      expect(rig.hypervisor.vcoprocs[0]!.report.faults).toEqual([reason]);
    });
  });

  test('go on after a world switch in the middle of a command of one of them', async () => {
    await withRig(kind, {}, async (rig) => {
      for (const name of ['a', 'b'])
        await rig.domain(name, { gpu0: 'spin' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          const queues = upTo(5).map(() => gpu.createQueue());
          const done = await Promise.all(
            queues.flatMap((queue, n) => upTo(4).map(() => queue.submit({ op: STEPS, args: [100 + n] }))),
          );
          expect(done.map(({ results }) => results[0])).toEqual(upTo(20).map((n) => 100 + (n >> 2)));
          await Promise.all(queues.map((queue) => queue.destroy()));
        });
      const report = await rig.run();
      expect(report.vcoprocs.map(({ commands: { ok } }) => ok)).toEqual([20, 20]);
    });
  });

  test('end with their vcoproc, whatever they are in the middle of', async () => {
    await withRig(kind, {}, async (rig) => {
      await rig.domain('a', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const queues = upTo(3).map(() => gpu.createQueue());
        for (const queue of queues) for (const _ of upTo(20)) void queue.submit({ op: STEPS, args: [200] });
        tableOf(rig).evict(2);
        await domain.sleep(us(100));
        void queues[0]!.destroy();
      });
      const { commands } = (await rig.run()).vcoprocs[0]!;
      expect(commands.submitted).toBe(60);
      expect(commands.ok + commands.cancelled).toBe(60);
    });
  });
});

describe('a queue is refused', () => {
  const refused = (main: (gpu: GuestCoproc) => unknown): Promise<void> =>
    withGuest('simulated', 'noop', async (gpu) => {
      await Promise.resolve();
      expect(() => main(gpu)).toThrow(GuestError);
    });
  test.each([
    { capacity: 0 },
    { capacity: 3 },
    { capacity: 8192 },
    { priority: -1 },
    { priority: 16 },
    { priority: 0.5 },
    { coalesce: { count: 0, time: us(1) } },
    { coalesce: { count: 1, time: -1 as never } },
  ])('with %j', (settings) => refused((gpu) => gpu.createQueue(settings)));

  test('when there are 4096, and not before', () =>
    withGuest('simulated', 'noop', async (gpu) => {
      const queues = upTo(4095).map(() => gpu.createQueue());
      expect(() => gpu.createQueue()).toThrow(/^there are 4096 queues already/);
      await queues[17]!.destroy();
      const again = gpu.createQueue();
      expect(() => gpu.createQueue()).toThrow(GuestError);
      expect(await echo(again, [3])).toEqual([3]);
    }));

  test('when all of them hold too many commands', () =>
    refused((gpu) => upTo(17).map(() => gpu.createQueue({ capacity: 4096 }))));
});

/** Submits so many commands; gives their places among all. */
const places = (queue: Pick<GuestQueue, 'submit'>, count: number): Promise<number[]> =>
  Promise.all(upTo(count).map(() => queue.submit({ op: 1, args: [3] }).then(({ results }) => results[0]!)));

/** Lets queues fill while nothing is served, then gives the places of each one's commands. */
async function together(rig: Rig, queues: readonly (readonly [GuestQueue, number])[]): Promise<number[][]> {
  const table = tableOf(rig);
  const evictions = upTo(queues.length).map((n) => table.evict(n + 1));
  await Promise.all(evictions.map(({ quiet }) => quiet));
  const all = queues.map(([queue, count]) => places(queue, count));
  // Keeps the coprocessor busy until all are restored: nobody comes before the hypervisor.
  const busy = table.createOwn().submit({ op: 1, args: [3000] });
  for (const { restore } of evictions) restore();
  await busy;
  return Promise.all(all);
}

describe.each(RUNTIMES)('priorities, %s', (kind) => {
  test('decide which queue is next, in turn within one', async () => {
    await withGuest(kind, 'turns', async (gpu, rig) => {
      const made = (priority: number): GuestQueue => gpu.createQueue({ priority, capacity: 32 });
      const [low, one, other] = await together(rig, [
        [made(1), 10],
        [made(9), 10],
        [made(9), 10],
      ]);
      // One choice of 32 is in turn.
      const before = (places: readonly number[]): number =>
        low!.filter((place) => place < places.at(-1)!).length;
      expect(Math.max(before(one!), before(other!))).toBeLessThanOrEqual(2);
      const gaps = one!.map((place, n) => Math.abs(place - other![n]!));
      expect(gaps.every((gap) => gap <= 2)).toBe(true);
    });
  });

  test('can be changed, and let nobody starve', async () => {
    await withGuest(kind, 'turns', async (gpu, rig) => {
      const [low, high] = [
        gpu.createQueue({ priority: 0 }),
        gpu.createQueue({ priority: 15, capacity: 512 }),
      ];
      const [patient, urgent] = await together(rig, [
        [low, 5],
        [high, 400],
      ]);
      expect(patient!.at(-1)).toBeLessThan(200);
      expect(urgent!.length).toBe(400);
      low.change({ priority: 15 });
      high.change({ priority: 0 });
      const [first, last] = await together(rig, [
        [high, 10],
        [low, 10],
      ]);
      expect(first!.at(-1)).toBeGreaterThan(last!.at(-1)!);
    });
  });
});

describe.each(RUNTIMES)('an interrupt, %s', (kind) => {
  test('stands for as many completions as its queue says, and none is forgotten', async () => {
    await withGuest(kind, 'spin', async (gpu, rig) => {
      const queue = gpu.createQueue({ capacity: 64, coalesce: { count: 8, time: ms(1000) } });
      const before = rig.hypervisor.figures().vcoprocs[0]!.interrupts.raised;
      const done = await Promise.all(upTo(64).map(() => queue.submit({ op: STEPS, args: [5] })));
      expect(done.every(({ status }) => status === 'ok')).toBe(true);
      const raised = rig.hypervisor.figures().vcoprocs[0]!.interrupts.raised - before;
      expect(raised).toBeLessThan(40);
      expect(raised).toBeGreaterThan(0);
      queue.change({ coalesce: { count: 1, time: us(0) } });
      await gpu.submit({ op: STEPS, args: [5] });
      const middle = rig.hypervisor.figures().vcoprocs[0]!.interrupts.raised;
      for (const _ of upTo(10)) await queue.submit({ op: STEPS, args: [1] });
      expect(rig.hypervisor.figures().vcoprocs[0]!.interrupts.raised - middle).toBe(10);
    });
  });
});

test('a command is served that comes after its queue’s context left, empty, before it could ask to be rung', async () => {
  for (let at = 0; at < 60; at++) {
    await withRig('simulated', { firmware: firmwares }, async (rig) => {
      await rig.domain('a', { gpu0: 'noop' }, async (domain) => {
        const queue = domain.coproc('gpu0').createQueue();
        for (let round = 0; round < 3; round++) await queue.submit({ op: 1, args: [round] });
      });
      const { timeline } = rig.runtime;
      const [domain] = rig.domains;
      const begun = timeline.now();
      timeline.at(after(begun, us(at / 2)), () => {
        if (domain!.state === 'running') rig.hypervisor.pauseDomain(domain!);
      });
      timeline.at(after(begun, us(200)), () => {
        if (domain!.state === 'paused') rig.hypervisor.unpauseDomain(domain!);
      });
      const report = await rig.run();
      expect([at, report.domains.map(({ reason }) => reason)]).toEqual([at, [null]]);
    });
  }
});
