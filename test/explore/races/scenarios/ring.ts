// Our ring, in all orders of small sizes: what was sent arrives, whole, once and in order.
import {
  CORRUPT,
  DESCRIPTOR_WORDS,
  RingConsumer,
  RingProducer,
  ringMemory,
} from '../../../../src/memory/ring.ts';
import { pause, scenario } from '../../../../src/explore/races/scenario.ts';

const BASE = 100;

const ringOf = (capacity: number) => {
  const memory = ringMemory(capacity);
  return { producer: new RingProducer(memory), consumer: new RingConsumer(memory), got: [] as number[] };
};

/** Sends when there is room, else waits for it. Both words of a message have to arrive together. */
function send(ring: RingProducer, value: number): void {
  let at = ring.claim();
  while (at < 0) {
    if (at !== -1) throw new Error('the producer finds the ring corrupt');
    pause();
    at = ring.claim();
  }
  ring.words[at] = value;
  ring.words[at + 15] = -value;
  ring.publish();
}

function take(ring: RingConsumer, got: number[]): void {
  const at = ring.peek();
  got.push(ring.words[at]!, ring.words[at + 15]!);
  ring.release();
}

function receive(ring: RingConsumer, got: number[]): void {
  let waiting = ring.available();
  while (waiting <= 0) {
    if (waiting < 0) throw new Error('the consumer finds the ring corrupt');
    pause();
    waiting = ring.available();
  }
  take(ring, got);
}

const arrived =
  (count: number) =>
  ({ got, producer }: ReturnType<typeof ringOf>): void => {
    const sent = Array.from({ length: count }, (_, at) => [BASE + at, -(BASE + at)]).flat();
    if (got.join() !== sent.join()) throw new Error(`received ${got.join()}; sent were ${sent.join()}`);
    if (!producer.drained) throw new Error('all was taken, and the producer does not see it');
  };

/** `count` messages through `capacity` slots; both sides wait for each other. */
const transfer = (capacity: number, count: number) =>
  scenario({
    setup: () => ringOf(capacity),
    threads: {
      producer({ producer }) {
        for (let message = 0; message < count; message++) send(producer, BASE + message);
      },
      consumer({ consumer, got }) {
        for (let message = 0; message < count; message++) receive(consumer, got);
      },
    },
    check: arrived(count),
  });

export const scenarios = {
  'one slot, two messages': transfer(1, 2),
  'one slot, four messages': transfer(1, 4),
  'two slots, three messages': transfer(2, 3),
  'two slots, four messages': transfer(2, 4),
  // Never waits: a full ring and an empty one are answers.
  'two slots, tries': scenario({
    setup: () => ringOf(2),
    threads: {
      producer({ producer }) {
        for (let message = 0; message < 3; message++) {
          const at = producer.claim();
          if (at === -1) continue;
          if (at < 0) throw new Error('the producer finds the ring corrupt');
          producer.words[at] = BASE + message;
          producer.words[at + 15] = -(BASE + message);
          producer.publish();
        }
      },
      consumer({ consumer, got }) {
        for (let look = 0; look < 3; look++) {
          const waiting = consumer.available();
          if (waiting < 0 || waiting > 2) throw new Error(`the consumer sees ${waiting} descriptors`);
          if (waiting > 0) take(consumer, got);
        }
      },
    },
    check({ got, consumer }) {
      while (consumer.available() > 0) take(consumer, got);
      for (let at = 0; at < got.length; at += 2)
        if (got[at + 1] !== -got[at]! || (at > 0 && got[at]! <= got[at - 2]!))
          throw new Error(`received ${got.join()}`);
      if (got.length < 4) throw new Error(`received ${got.length / 2} messages; two have room at any time`);
    },
  }),
  // Two at a time: shown together, given back together.
  'two slots, bursts of two': scenario({
    setup: () => ringOf(2),
    threads: {
      producer({ producer }) {
        for (let burst = 0; burst < 2; burst++) {
          while (producer.room() < 2) pause();
          for (let message = 0; message < 2; message++) {
            const at = producer.claim();
            producer.words[at] = BASE + 2 * burst + message;
            producer.words[at + 15] = -(BASE + 2 * burst + message);
          }
          producer.publish();
        }
      },
      consumer({ consumer, got }) {
        for (let burst = 0; burst < 2; burst++) {
          while (consumer.available() < 2) pause();
          for (let message = 0; message < 2; message++) {
            const at = consumer.peek(message);
            got.push(consumer.words[at]!, consumer.words[at + 15]!);
          }
          consumer.release(2);
        }
      },
    },
    check: arrived(4),
  }),
  // Copied in and out by the burst, over the end of the ring.
  'four slots, a burst of three and one of four, copied': scenario({
    setup() {
      const outgoing = new Int32Array(4 * DESCRIPTOR_WORDS);
      for (let at = 0; at < 4; at++) outgoing[at * DESCRIPTOR_WORDS + 15] = -(BASE + at);
      return { ...ringOf(4), outgoing: new BigInt64Array(outgoing.buffer) };
    },
    threads: {
      producer({ producer, outgoing }) {
        for (const burst of [3, 4]) {
          while (producer.room(burst) < burst) pause();
          producer.write(outgoing, 0, burst);
          producer.number(burst, BASE);
          producer.publish();
        }
      },
      consumer({ consumer, got }) {
        for (const burst of [3, 4]) {
          while (consumer.look() < burst) pause();
          const incoming = new Int32Array(burst * DESCRIPTOR_WORDS);
          consumer.read(new BigInt64Array(incoming.buffer), 0, burst);
          for (let at = 0; at < incoming.length; at += DESCRIPTOR_WORDS)
            got.push(incoming[at]!, incoming[at + 15]!);
        }
      },
    },
    check({ got }) {
      const sent = [0, 1, 2, 0, 1, 2, 3].flatMap((at) => [BASE + at, -(BASE + at)]).join();
      if (got.join() !== sent) throw new Error(`received ${got.join()}; sent were ${sent}`);
    },
  }),
  // The other side may be hostile: an index that cannot be true is found, again and again.
  'indices that cannot be true': scenario({
    setup() {
      const memory = ringMemory(2);
      const ring = { producer: new RingProducer(memory), consumer: new RingConsumer(memory) };
      return { ...ring, header: new Int32Array(memory, 0, ring.consumer.peek()) };
    },
    threads: {
      hostile({ header }) {
        for (let word = 0; word < header.length; word++) Atomics.store(header, word, 1000);
        for (let word = 0; word < header.length; word++) Atomics.store(header, word, -1000);
      },
    },
    check({ header, producer, consumer }) {
      const answers = (index: number): void => {
        header.fill(index);
        for (let again = 0; again < 2; again++)
          if (consumer.available() !== CORRUPT || producer.room() !== CORRUPT || producer.claim() !== CORRUPT)
            throw new Error(`an index of ${index} is believed`);
      };
      answers(-1000);
      answers(1000);
    },
  }),
  'a producer that waits until all is taken': scenario({
    setup: () => ringOf(1),
    threads: {
      producer({ producer }) {
        send(producer, BASE);
        while (!producer.drained) pause();
        if (producer.room() !== 1) throw new Error('all is taken, and there is no room');
      },
      consumer({ consumer, got }) {
        receive(consumer, got);
      },
    },
    check: arrived(1),
  }),
};
