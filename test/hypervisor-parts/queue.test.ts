import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/base/assert.ts';
import { instant } from '../../src/base/units.ts';
import { GuestError, type Command, type Completion } from '../../src/contract/guest.ts';
import type { QueueMemory, Timeline } from '../../src/contract/port.ts';
import { CommandQueue } from '../../src/hypervisor/queue.ts';
import { COMPLETED } from '../../src/memory/completion.ts';
import { FULL, RingConsumer, RingProducer } from '../../src/memory/ring.ts';

/** The coprocessor's end of the rings: fetches in order, completes in order, as many as it is told. */
class FakeCoprocessor {
  readonly #commands: RingConsumer;
  readonly #completions: RingProducer;
  readonly fetched: { readonly sequence: number; readonly op: number; readonly args: number[] }[] = [];

  constructor({ commands, completions }: QueueMemory) {
    this.#commands = new RingConsumer(commands);
    this.#completions = new RingProducer(completions);
  }

  get waiting(): number {
    return this.#commands.available();
  }

  fetch(): boolean {
    if (this.#commands.available() <= 0) return false;
    const at = this.#commands.peek();
    const [sequence, op, ...args] = this.#commands.words.subarray(at, at + 16);
    this.#commands.release();
    this.fetched.push({ sequence: sequence!, op: op!, args });
    return true;
  }

  /** Says whether there was a command to complete. The result is the command's own operation code. */
  complete(kind: number = COMPLETED.ok, code = 0, where = 0): boolean {
    const command = this.fetched.shift();
    if (command === undefined) return false;
    const at = this.#completions.claim();
    // A queue never has more commands out than completions fit.
    expect(at).not.toBe(FULL);
    const { words } = this.#completions;
    words.set([command.sequence, kind, code, where], at);
    words.fill(0, at + 8, at + 16);
    words[at + 8] = command.op;
    this.#completions.publish();
    return true;
  }

  serve(count: number): void {
    while (count-- > 0 && (this.fetched.length > 0 || this.fetch())) this.complete();
  }
}

/** Timers come as soon as nobody has anything to do. */
const soon: Timeline['at'] = (_deadline, what) => {
  void Promise.resolve().then(what);
  return () => {};
};

function setUp(capacity: number, at = soon) {
  let now = 0;
  const timeline: Timeline = { now: () => instant(++now), at };
  const submitted: number[] = [];
  let roused = 0;
  const shown: undefined[] = [];
  const corrupt: number[] = [];
  const completed: Completion[] = [];
  const latencies: number[] = [];
  const queue = new CommandQueue(0, capacity, timeline, {
    over: () => false,
    rouse: () => void (roused += submitted.length === roused ? 1 : NaN),
    onSubmit: (_queue, op) => submitted.push(op),
    onShown: () => void shown.push(undefined),
    onCorrupt: (queue) => corrupt.push(queue),
    blocked: () => false,
    onComplete: (_queue, completion, latency) => {
      completed.push(completion);
      latencies.push(latency);
    },
  });
  return { queue, shown, corrupt, submitted, completed, latencies, roused: () => roused };
}

const zeros = (length: number): number[] => Array.from({ length }, () => 0);

/** Operation codes of completed commands, as the fake coprocessor echoes them. */
const ops = (completions: readonly Completion[]): (number | undefined)[] =>
  completions.map(({ results }) => results[0]);

const isOver = (promise: Promise<unknown>): Promise<boolean> =>
  Promise.race([promise.then(() => true), Promise.resolve().then(() => Promise.resolve(false))]);

describe('a command queue', () => {
  test('rouses its coprocessor before all else, and not for what it refuses', async () => {
    const { queue, roused } = setUp(4);
    void queue.submit({ op: 1 });
    void queue.submit({ op: 2 });
    expect(roused()).toBe(2);
    queue.fail('failed', 'for the test', true);
    await queue.submit({ op: 3 });
    expect(roused()).toBe(2);
  });

  type Deed = { readonly kind: 'submit' | 'fetch' | 'serve' | 'drain' | 'post'; readonly count: number };
  const deeds: fc.Arbitrary<Deed> = fc.record({
    kind: fc.constantFrom('submit', 'fetch', 'serve', 'drain', 'post'),
    count: fc.nat({ max: 12 }),
  });

  test('completes every command once and in order, whoever is slow', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2, 8),
        fc.array(deeds, { maxLength: 40 }),
        async (capacity, script) => {
          const { queue, submitted, completed, latencies } = setUp(capacity);
          const coprocessor = new FakeCoprocessor(queue.memory);
          const promises: Promise<Completion>[] = [];
          for (const { kind, count } of script) {
            if (kind === 'submit')
              for (let times = 0; times < count; times++)
                promises.push(queue.submit({ op: promises.length }));
            else if (kind === 'fetch') for (let times = 0; times < count; times++) coprocessor.fetch();
            else if (kind === 'serve') coprocessor.serve(count);
            else if (kind === 'drain') queue.drain();
            else queue.post();
            expect(coprocessor.waiting + coprocessor.fetched.length).toBeLessThanOrEqual(capacity);
            expect(queue.unfetched).toBe(coprocessor.waiting > 0);
            expect(queue.outstanding).toBe(promises.length - completed.length);
            const { ok, failed, cancelled } = queue.counts;
            expect([ok, failed, cancelled]).toEqual([completed.length, 0, 0]);
          }
          while (queue.outstanding > 0) {
            queue.post();
            coprocessor.serve(capacity);
            queue.drain();
          }
          const all = promises.map((_, index) => index);
          expect(submitted).toEqual(all);
          expect(ops(completed)).toEqual(all);
          expect(ops(await Promise.all(promises))).toEqual(all);
          expect(queue.counts).toEqual({ submitted: all.length, ok: all.length, failed: 0, cancelled: 0 });
          expect(latencies.every((latency) => latency > 0)).toBe(true);
        },
      ),
    );
  });

  test('holds back what does not fit: 10,000 commands go through a ring of 64', async () => {
    const { queue, shown, completed } = setUp(64);
    const coprocessor = new FakeCoprocessor(queue.memory);
    const promises = Array.from({ length: 10_000 }, (_, op) => queue.submit({ op }));
    expect([coprocessor.waiting, queue.outstanding]).toEqual([64, 10_000]);
    shown.length = 0;
    queue.post();
    expect(shown).toEqual([]);
    let rounds = 0;
    for (; queue.outstanding > 0; rounds++) {
      coprocessor.serve(64);
      queue.drain();
      queue.post();
    }
    expect(rounds).toBe(Math.ceil(10_000 / 64));
    expect(ops(completed)).toEqual(promises.map((_, op) => op));
    expect((await Promise.all(promises)).every(({ status }) => status === 'ok')).toBe(true);
  });

  test('takes no completed command for done before its completion was taken', async () => {
    const { queue } = setUp(4);
    const coprocessor = new FakeCoprocessor(queue.memory);
    const promise = queue.submit({ op: 1 });
    coprocessor.serve(1);
    expect(await isOver(promise)).toBe(false);
    queue.drain();
    expect(await isOver(promise)).toBe(true);
  });

  test('hands a command over word for word, with zeros behind its arguments', () => {
    const command = fc.record({
      op: fc.integer({ min: 0, max: 0xffff }),
      args: fc.array(fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }), { maxLength: 14 }),
    });
    fc.assert(
      fc.property(fc.array(command, { maxLength: 12 }), (commands) => {
        const { queue } = setUp(2);
        const coprocessor = new FakeCoprocessor(queue.memory);
        commands.forEach(({ op, args }, sequence) => {
          void queue.submit({ op, args });
          coprocessor.fetch();
          expect(coprocessor.fetched).toEqual([
            { sequence, op, args: Array.from({ length: 14 }, (_, at) => (args[at] ?? 0) | 0) },
          ]);
          coprocessor.complete();
          queue.drain();
        });
      }),
    );
  });

  test('says what became of a command in words', async () => {
    const { queue } = setUp(4);
    const coprocessor = new FakeCoprocessor(queue.memory);
    const outcome = async (kind: number, code: number, where = 0): Promise<Completion> => {
      const promise = queue.submit({ op: 3 });
      coprocessor.fetch();
      coprocessor.complete(kind, code, where);
      queue.drain();
      return promise;
    };
    const results = [3, 0, 0, 0, 0, 0, 0, 0];
    expect(await outcome(COMPLETED.ok, 1)).toEqual({ status: 'ok', reason: undefined, results });
    expect(await outcome(COMPLETED.failed, -7)).toEqual({
      status: 'failed',
      reason: 'firmware error -7',
      results,
    });
    expect(await outcome(COMPLETED.dmaFault, 0, 0x1000)).toMatchObject({
      status: 'failed',
      reason: 'IOMMU fault: read at 0x00001000',
    });
    expect(await outcome(COMPLETED.dmaFault, 1, 0xffff_f004 | 0)).toMatchObject({
      status: 'failed',
      reason: 'IOMMU fault: write at 0xfffff004',
    });
    expect(queue.counts).toEqual({ submitted: 4, ok: 1, failed: 3, cancelled: 0 });
  });

  test('says that it is corrupt when a completion is out of order, and believes none that follows', () => {
    const { queue, corrupt, completed } = setUp(4);
    const coprocessor = new FakeCoprocessor(queue.memory);
    void queue.submit({ op: 1 });
    void queue.submit({ op: 2 });
    coprocessor.fetch();
    coprocessor.fetch();
    coprocessor.fetched.shift();
    coprocessor.complete();
    queue.drain();
    expect(corrupt).toEqual([0]);
    coprocessor.serve(1);
    queue.drain();
    expect([corrupt, completed]).toEqual([[0], []]);
  });
});

describe('a queue whose coprocessor is lost', () => {
  const amount = fc.nat({ max: 20 });

  test('fails what is outstanding, keeps what was done, and goes on with new rings', async () => {
    await fc.assert(
      fc.asyncProperty(amount, amount, amount, amount, async (count, fetched, served, later) => {
        const { queue, completed } = setUp(8);
        const old = new FakeCoprocessor(queue.memory);
        const promises = Array.from({ length: count }, (_, op) => queue.submit({ op }));
        old.serve(served);
        for (let times = 0; times < fetched; times++) old.fetch();
        const done = Math.min(count, served, 8);
        const oldMemory = queue.memory;

        queue.fail('failed', 'the coprocessor was reset', false);
        expect(queue.outstanding).toBe(0);
        queue.renew();
        expect(queue.memory.commands).not.toBe(oldMemory.commands);
        const first = await Promise.all(promises);
        expect(first.map(({ status }) => status)).toEqual(
          first.map((_, at) => (at < done ? 'ok' : 'failed')),
        );
        expect(first.slice(done).every(({ reason }) => reason === 'the coprocessor was reset')).toBe(true);

        // What still comes from the old end reaches nobody.
        while (old.complete());
        queue.drain();
        const coprocessor = new FakeCoprocessor(queue.memory);
        const second = Array.from({ length: later }, (_, op) => queue.submit({ op: 1000 + op }));
        while (queue.outstanding > 0) {
          coprocessor.serve(3);
          queue.drain();
          queue.post();
        }
        expect(ops(await Promise.all(second))).toEqual(second.map((_, op) => 1000 + op));
        expect(completed).toHaveLength(count + later);
        expect(queue.counts).toEqual({
          submitted: count + later,
          ok: done + later,
          failed: count - done,
          cancelled: 0,
        });
      }),
    );
  });

  test('fails every later command at once when it is for ever, and posts none', async () => {
    const { queue, submitted } = setUp(4);
    const coprocessor = new FakeCoprocessor(queue.memory);
    const before = queue.submit({ op: 1 });
    queue.fail('cancelled', 'its domain is over', true);
    const after = queue.submit({ op: 2 });
    const cancelled = { status: 'cancelled', reason: 'its domain is over', results: [] };
    expect(await Promise.all([before, after])).toEqual([cancelled, cancelled]);
    expect([queue.outstanding, coprocessor.waiting]).toEqual([0, 1]);
    expect(queue.counts).toEqual({ submitted: 2, ok: 0, failed: 0, cancelled: 2 });
    expect(submitted).toEqual([1, 2]);
  });

  test('tells of later commands in their order, whatever order timers come in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(), { minLength: 1, maxLength: 20 }), async (keys) => {
        const timers: (() => void)[] = [];
        const { queue } = setUp(4, (_deadline, what) => {
          timers.push(what);
          return () => {};
        });
        queue.fail('failed', 'isolated', true);
        const told: number[] = [];
        const all = keys.map((_, op) => queue.submit({ op }).then(() => told.push(op)));
        const order = keys
          .map((key, place) => [key, timers[place]!] as const)
          .sort(([one], [other]) => one - other);
        for (const [, timer] of order) timer();
        await Promise.all(all);
        expect(told).toEqual(keys.map((_, op) => op));
      }),
    );
  });

  test('does not renew its rings while commands are in them', () => {
    const { queue } = setUp(4);
    void queue.submit({ op: 1 });
    expect(() => queue.renew()).toThrow(InvariantError);
  });
});

describe('a wrong command', () => {
  const wrong: readonly [string, Command, RegExp][] = [
    ['a negative operation', { op: -1 }, /^operation code -1; expected 0 to 65535$/],
    ['an operation of 17 bits', { op: 65_536 }, /^operation code 65536;/],
    ['half an operation', { op: 1.5 }, /^operation code 1.5;/],
    ['no number', { op: NaN }, /^operation code NaN;/],
    ['15 arguments', { op: 1, args: zeros(15) }, /^15 arguments; .* at most 14$/],
    [
      'an argument of 33 bits',
      { op: 1, args: [0, 2 ** 32] },
      /^argument 4294967296; expected a 32-bit integer$/,
    ],
    ['a too negative argument', { op: 1, args: [-(2 ** 31) - 1] }, /^argument -2147483649;/],
    ['half an argument', { op: 1, args: [0.5] }, /^argument 0.5;/],
    ['an infinite argument', { op: 1, args: [Infinity] }, /^argument Infinity;/],
  ];

  test.each(wrong)('is thrown back at its guest: %s', (_, command, message) => {
    const { queue, submitted } = setUp(4);
    expect(() => queue.submit(command)).toThrow(GuestError);
    expect(() => queue.submit(command)).toThrow(message);
    expect([queue.outstanding, queue.counts.submitted, submitted.length]).toEqual([0, 0, 0]);
  });

  test('is none at the limits', () => {
    const { queue } = setUp(4);
    const args = zeros(14).fill(2 ** 32 - 1);
    void queue.submit({ op: 0 });
    void queue.submit({ op: 65_535, args });
    void queue.submit({ op: 1, args: [-(2 ** 31)] });
    expect(queue.counts.submitted).toBe(3);
  });

  test('is not made of a right one by changing it while it waits', () => {
    const { queue } = setUp(1);
    const coprocessor = new FakeCoprocessor(queue.memory);
    void queue.submit({ op: 1 });
    const args: unknown[] = [5];
    void queue.submit({ op: 2, args: args as number[] });
    args[0] = 7n;
    coprocessor.serve(1);
    queue.drain();
    expect(() => queue.post()).not.toThrow();
    coprocessor.fetch();
    expect(coprocessor.fetched[0]).toMatchObject({ op: 2, args: [5, ...zeros(13)] });
  });
});
