import { parentPort, workerData } from 'node:worker_threads';
import { seededRandom } from '../../src/base/random.ts';
import { Doorbell } from '../../src/memory/doorbell.ts';
import { DESCRIPTOR_WORDS, RingConsumer, RingProducer } from '../../src/memory/ring.ts';
import { ROUNDS, expected, turn, type Taken, type ThreadData } from './thread-parts.ts';

const data = workerData as ThreadData;

/** Sleeps on `bell` until `ready`. No wait has an end of its own: a lost wake-up hangs, and is seen. */
function until(ready: () => boolean, bell: Doorbell): number {
  let slept = 0;
  while (!ready()) {
    bell.arm();
    if (ready()) bell.disarm();
    else {
      slept++;
      bell.wait(Infinity);
    }
  }
  return slept;
}

function play(bells: SharedArrayBuffer, side: number): void {
  const turns = turn(bells);
  const [mine, theirs] = [new Doorbell(bells, side), new Doorbell(bells, 1 - side)];
  for (let round = 0; round < ROUNDS; round++) {
    const now = 2 * round + side;
    until(() => Atomics.load(turns, 0) === now, mine);
    Atomics.store(turns, 0, now + 1);
    theirs.ring();
  }
}

/** Now and then one side is late: a little by work, seldom by so much that the other one has to sleep. */
function pauses(seed: number): () => void {
  const random = seededRandom(seed);
  const still = new Int32Array(new SharedArrayBuffer(4));
  return () => {
    const chance = random.below(4096);
    if (chance === 0) Atomics.wait(still, 0, 0, 1);
    else if (chance < 64) for (let turns = random.below(4000); turns > 0; turns--) Atomics.load(still, 0);
  };
}

type RingData = Extract<ThreadData, { part: 'producer' | 'consumer' }>;

function produce({ ring, bells, count, seed }: RingData): Taken {
  const producer = new RingProducer(ring);
  const [mine, theirs] = [new Doorbell(bells, 1), new Doorbell(bells, 0)];
  const pause = pauses(seed);
  const random = seededRandom(seed + 10);
  let slept = 0;
  const show = (): void => {
    producer.publish();
    theirs.ring();
  };
  for (let index = 0; index < count; index++) {
    if (producer.room() === 0) {
      show();
      // Asked twice when it is rung in between: a claim may not be.
      slept += until(() => producer.room() > 0, mine);
    }
    const claimed = producer.claim();
    for (let word = 0; word < DESCRIPTOR_WORDS; word++)
      producer.words[claimed + word] = expected(index, word);
    if (random.below(4) === 0) show();
    pause();
  }
  show();
  return { count, wrong: 0, first: undefined, slept };
}

function consume({ ring, bells, count, seed }: RingData): Taken {
  const consumer = new RingConsumer(ring);
  const [mine, theirs] = [new Doorbell(bells, 0), new Doorbell(bells, 1)];
  const pause = pauses(seed);
  let [wrong, slept] = [0, 0];
  let first: string | undefined;
  for (let index = 0; index < count; index++) {
    slept += until(() => consumer.available() !== 0, mine);
    const at = consumer.peek();
    for (let word = 0; word < DESCRIPTOR_WORDS; word++) {
      const value = consumer.words[at + word];
      if (value === expected(index, word)) continue;
      first ??= `word ${word} of descriptor ${index} is ${value}`;
      wrong++;
      break;
    }
    consumer.release();
    theirs.ring();
    pause();
  }
  return { count, wrong, first, slept };
}

if (data.part === 'player') {
  play(data.bells, data.side);
  parentPort!.postMessage(undefined);
} else parentPort!.postMessage(data.part === 'producer' ? produce(data) : consume(data));
