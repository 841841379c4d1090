import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  CORRUPT,
  DESCRIPTOR_WORDS,
  FULL,
  RingConsumer,
  RingProducer,
  ringMemory,
} from '../../src/memory/ring.ts';

const HEAD = 0;
const TAIL = 32;

/** An index word: the index above the bit that asks for the bell. */
const word = (index: number): number => index << 1;

/** A ring whose indices stand at `start`, any 32-bit integer. */
function ringAt(capacity: number, start: number): SharedArrayBuffer {
  const memory = ringMemory(capacity);
  const words = new Int32Array(memory);
  words[HEAD] = words[TAIL] = word(start);
  return memory;
}

/** Sixteen words that no other value gives. */
const descriptor = (value: number): number[] =>
  Array.from({ length: DESCRIPTOR_WORDS }, (_, place) =>
    Math.imul(value * DESCRIPTOR_WORDS + place, 0x9e3779b1),
  );

const capacities = fc.constantFrom(1, 2, 4, 8, 16);
/** Where indices run: anywhere, and above all where they turn over. */
const starts = fc.oneof(
  fc.integer(),
  fc.integer({ min: -20, max: 0 }),
  fc.integer({ min: 2 ** 30 - 20, max: 2 ** 30 - 1 }),
  fc.integer({ min: 2 ** 31 - 20, max: 2 ** 31 - 1 }),
);

/** First words of descriptors that were numbered. */
const numbered = new Map<number, number>();
const expected = (value: number): number[] => {
  const [first, ...rest] = descriptor(value);
  return [numbered.get(value) ?? first!, ...rest];
};

interface Model {
  readonly capacity: number;
  next: number;
  claimed: number[];
  published: number[];
  /** The consumer asked for the bell, and nobody rang since. */
  asked: boolean;
}

interface Real {
  readonly producer: RingProducer;
  readonly consumer: RingConsumer;
}

type Step = fc.Command<Model, Real>;

const write: Step = {
  check: () => true,
  run(model, { producer }) {
    const at = producer.claim();
    if (model.claimed.length + model.published.length === model.capacity) {
      expect(at).toBe(FULL);
      return;
    }
    expect(at % DESCRIPTOR_WORDS).toBe(0);
    producer.words.set(descriptor(model.next), at);
    numbered.delete(model.next);
    model.claimed.push(model.next++);
  },
  toString: () => 'write',
};

const publish: Step = {
  check: () => true,
  run(model, { producer }) {
    const rings = model.asked && model.claimed.length > 0;
    expect(producer.publish()).toBe(rings);
    if (rings) model.asked = false;
    model.published.push(...model.claimed);
    model.claimed = [];
  },
  toString: () => 'publish',
};

const take: Step = {
  check: () => true,
  run(model, { consumer }) {
    // What arrives after a look may be reported at the next one, but none is ever hidden for good.
    const available = consumer.available();
    expect(available > 0).toBe(model.published.length > 0);
    expect(available).toBeLessThanOrEqual(model.published.length);
    if (available === 0) return;
    const at = consumer.peek();
    expect(consumer.peek()).toBe(at);
    expect(Array.from(consumer.words.subarray(at, at + DESCRIPTOR_WORDS))).toEqual(
      expected(model.published.shift()!),
    );
    consumer.release();
  },
  toString: () => 'take',
};

/** Takes up to `count` at once, as far as they are seen. */
const takeBatch = (count: number): Step => ({
  check: () => true,
  run(model, { consumer }) {
    const batch = Math.min(count, Math.max(0, consumer.available()));
    for (let ahead = 0; ahead < batch; ahead++) {
      const at = consumer.peek(ahead);
      expect(consumer.words[at + 5]).toBe(descriptor(model.published[ahead]!)[5]);
    }
    consumer.release(batch);
    model.published.splice(0, batch);
  },
  toString: () => `take ${count}`,
});

/** Writes up to `count` at once, as far as there is room, numbered anew. */
const writeMany = (count: number): Step => ({
  check: () => true,
  run(model, { producer }) {
    const batch = Math.min(count, producer.room(count));
    expect(batch).toBe(Math.min(count, model.capacity - model.claimed.length - model.published.length));
    const source = Int32Array.from(
      Array.from({ length: batch + 1 }, (_, k) => descriptor(model.next + k - 1)).flat(),
    );
    producer.write(new BigInt64Array(source.buffer), DESCRIPTOR_WORDS / 2, batch);
    producer.number(batch, descriptor(model.next)[0]!);
    for (let k = 0; k < batch; k++) {
      numbered.set(model.next, (descriptor(model.next - k)[0]! + k) | 0);
      model.claimed.push(model.next++);
    }
  },
  toString: () => `write ${count}`,
});

/** Reads up to `count` out at once, as far as they are seen. */
const readMany = (count: number): Step => ({
  check: () => true,
  run(model, { consumer }) {
    const batch = Math.min(count, Math.max(0, consumer.available()));
    const target = new Int32Array((batch + 2) * DESCRIPTOR_WORDS).fill(-1);
    consumer.read(new BigInt64Array(target.buffer), DESCRIPTOR_WORDS / 2, batch);
    const due = model.published.splice(0, batch).flatMap(expected);
    const around = Array<number>(DESCRIPTOR_WORDS).fill(-1);
    expect(Array.from(target)).toEqual([...around, ...due, ...around]);
  },
  toString: () => `read ${count}`,
});

const ask: Step = {
  check: () => true,
  run(model, { consumer }) {
    const isEmpty = model.published.length === 0;
    expect(consumer.ask()).toBe(isEmpty);
    model.asked ||= isEmpty;
  },
  toString: () => 'ask',
};

const room: Step = {
  check: () => true,
  run(model, { producer }) {
    const free = model.capacity - model.claimed.length - model.published.length;
    const shown = producer.room();
    // What was taken since the last look need not be seen while there is room.
    expect(shown).toBeLessThanOrEqual(free);
    expect(shown > 0).toBe(free > 0);
  },
  toString: () => 'room?',
};

const askDrained: Step = {
  check: () => true,
  run: (model, { producer }) => expect(producer.drained).toBe(model.published.length === 0),
  toString: () => 'drained?',
};

describe('a ring', () => {
  test('is a queue, whatever is written, published and taken when, wherever its indices stand', () => {
    const steps = fc.commands(
      [
        ...[write, write, publish, take, askDrained, ask, room].map((step) => fc.constant(step)),
        fc.nat({ max: 9 }).map(takeBatch),
        fc.nat({ max: 9 }).map(writeMany),
        fc.nat({ max: 9 }).map(readMany),
      ],
      {
        maxCommands: 120,
        size: 'max',
      },
    );
    fc.assert(
      fc.property(capacities, starts, steps, (capacity, start, commands) => {
        const memory = ringAt(capacity, start);
        const setup = (): { model: Model; real: Real } => ({
          model: { capacity, next: 1, claimed: [], published: [], asked: false },
          real: { producer: new RingProducer(memory), consumer: new RingConsumer(memory) },
        });
        fc.modelRun(setup, commands);
      }),
    );
  });

  test('turns its indices over without losing or doubling a descriptor', () => {
    for (const start of [2 ** 30 - 5, 2 ** 31 - 5, -5]) {
      const memory = ringAt(4, start);
      const producer = new RingProducer(memory);
      const consumer = new RingConsumer(memory);
      const taken: number[] = [];
      for (let value = 0; value < 40; value++) {
        producer.words[producer.claim()] = value;
        if (value % 4 !== 3) continue;
        expect(producer.claim()).toBe(FULL);
        producer.publish();
        while (consumer.available() > 0) {
          taken.push(consumer.words[consumer.peek()]!);
          consumer.release();
        }
      }
      expect(taken).toEqual(Array.from({ length: 40 }, (_, value) => value));
    }
  });

  test('shows a batch only when it is published, and all of it then', () => {
    const memory = ringMemory(8);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    for (let value = 0; value < 8; value++) producer.claim();
    expect(consumer.available()).toBe(0);
    expect(producer.drained).toBe(true);
    producer.publish();
    expect(consumer.available()).toBe(8);
    expect(producer.drained).toBe(false);
  });

  test('is taken over where it stands by a new producer and a new consumer', () => {
    const memory = ringAt(4, 2 ** 31 - 2);
    const first = new RingProducer(memory);
    for (let value = 0; value < 3; value++) first.words[first.claim()] = value;
    first.publish();
    const consumer = new RingConsumer(memory);
    expect(consumer.words[consumer.peek()]).toBe(0);
    consumer.release();

    const second = new RingProducer(memory);
    const late = new RingConsumer(memory);
    expect(late.available()).toBe(2);
    expect(late.words[late.peek()]).toBe(1);
    expect([second.claim(), second.claim()].every((at) => at >= 0)).toBe(true);
    expect(second.claim()).toBe(FULL);
  });

  test('is taken from and given back by the batch, in order', () => {
    const memory = ringAt(8, 2 ** 30 - 3);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    for (let value = 0; value < 8; value++) producer.words[producer.claim()] = value;
    expect(producer.room()).toBe(0);
    producer.publish();
    const taken = Array.from(
      { length: consumer.available() },
      (_, ahead) => consumer.words[consumer.peek(ahead)],
    );
    expect(taken).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    consumer.release(5);
    expect(producer.room()).toBe(5);
    expect(consumer.words[consumer.peek()]).toBe(5);
  });

  test('copies every bit of a descriptor, those that no number has included', () => {
    const memory = ringMemory(2);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    const bits = Array.from({ length: DESCRIPTOR_WORDS }, (_, place) =>
      place % 2 === 0 ? place : 0x7ff00000 + place,
    );
    producer.write(new BigInt64Array(Int32Array.from(bits).buffer), 0, 1);
    producer.publish();
    expect(consumer.available()).toBe(1);
    const copy = new Int32Array(DESCRIPTOR_WORDS);
    consumer.read(new BigInt64Array(copy.buffer), 0, 1);
    expect(Array.from(copy)).toEqual(bits);
  });

  test('says to ring exactly when the other side asked, and once for each time that it asked', () => {
    const memory = ringAt(4, 2 ** 30 - 1);
    const producer = new RingProducer(memory);
    const consumer = new RingConsumer(memory);
    const send = (): boolean => {
      producer.claim();
      return producer.publish();
    };
    expect(send()).toBe(false);
    expect(consumer.ask()).toBe(false);
    expect(consumer.available()).toBe(1);
    consumer.release();
    expect(consumer.ask()).toBe(true);
    expect(consumer.ask()).toBe(true);
    expect(consumer.available()).toBe(0);
    expect(producer.publish()).toBe(false);
    expect([send(), send()]).toEqual([true, false]);
    expect(consumer.available()).toBe(2);
  });

  test.each([0, -1, 3, 12, 2 ** 20 + 1])('of %i descriptors is refused', (capacity) => {
    expect(() => ringMemory(capacity)).toThrow(RangeError);
  });

  test('keeps the indices of both sides and the slots on cache lines of their own', () => {
    const producer = new RingProducer(ringMemory(2));
    expect((TAIL - HEAD) * 4).toBeGreaterThanOrEqual(128);
    expect(producer.claim() * 4).toBeGreaterThanOrEqual(TAIL * 4 + 128);
  });
});

describe('a hostile peer', () => {
  const index = fc.oneof(
    fc.integer({ min: -(2 ** 30), max: 2 ** 30 - 1 }),
    fc.integer({ min: -20, max: 20 }),
  );

  test('cannot be seen in more or less than the ring holds', () => {
    fc.assert(
      fc.property(capacities, starts, index, (capacity, start, head) => {
        const memory = ringAt(capacity, start);
        const consumer = new RingConsumer(memory);
        new Int32Array(memory)[HEAD] = word(start + head);
        const possible = head >= 0 && head <= capacity;
        expect(consumer.available()).toBe(possible ? head : CORRUPT);
        expect(new RingConsumer(memory).available()).toBe(possible ? head : CORRUPT);
      }),
    );
  });

  test('cannot make a producer believe in room that there is not', () => {
    fc.assert(
      fc.property(capacities, starts, index, (capacity, start, used) => {
        const memory = ringAt(capacity, start);
        new Int32Array(memory)[TAIL] = word(start - used);
        const at = new RingProducer(memory).claim();
        if (used < 0 || used > capacity) expect(at).toBe(CORRUPT);
        else if (used === capacity) expect(at).toBe(FULL);
        else expect(at).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  type Deed = { readonly kind: 'claim' | 'publish' | 'drain' | 'renew' | 'ask' | 'room' } | Poke;
  interface Poke {
    readonly kind: 'poke';
    readonly word: number;
    readonly value: number;
  }
  const deeds: fc.Arbitrary<Deed> = fc.oneof(
    fc.record({ kind: fc.constantFrom('claim', 'publish', 'drain', 'renew', 'ask', 'room') }),
    fc.record({
      kind: fc.constant('poke' as const),
      word: fc.constantFrom(HEAD, TAIL),
      value: fc.oneof(fc.integer(), index),
    }),
  );

  test('gets no slot outside of the memory, no throw and no endless loop out of any index at any time', () => {
    fc.assert(
      fc.property(capacities, starts, fc.array(deeds, { maxLength: 60 }), (capacity, start, script) => {
        const memory = ringAt(capacity, start);
        const words = new Int32Array(memory);
        const end = words.length;
        let producer = new RingProducer(memory);
        let consumer = new RingConsumer(memory);
        const expectSlot = (at: number): void => {
          expect(at >= TAIL + 32 && at + DESCRIPTOR_WORDS <= end && at % DESCRIPTOR_WORDS === 0).toBe(true);
        };
        for (const deed of script) {
          if (deed.kind === 'poke') words[deed.word] = deed.value;
          else if (deed.kind === 'publish') producer.publish();
          else if (deed.kind === 'ask') consumer.ask();
          else if (deed.kind === 'room') {
            const free = producer.room();
            expect(free === CORRUPT || (free >= 0 && free <= capacity)).toBe(true);
          } else if (deed.kind === 'claim') {
            const at = producer.claim();
            if (at !== FULL && at !== CORRUPT) expectSlot(at);
          } else if (deed.kind === 'renew') {
            producer = new RingProducer(memory);
            consumer = new RingConsumer(memory);
          } else {
            let taken = 0;
            for (; consumer.available() > 0; taken++) {
              expectSlot(consumer.peek());
              consumer.release();
            }
            // What was seen before, and what one more look at the index may show.
            expect(taken).toBeLessThanOrEqual(2 * capacity);
            expect([0, CORRUPT]).toContain(consumer.available());
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  test('is told apart again once its index can be true', () => {
    const memory = ringAt(4, 0);
    const words = new Int32Array(memory);
    const consumer = new RingConsumer(memory);
    words[HEAD] = word(5);
    expect(consumer.available()).toBe(CORRUPT);
    words[HEAD] = word(4);
    expect(consumer.available()).toBe(4);
  });
});
