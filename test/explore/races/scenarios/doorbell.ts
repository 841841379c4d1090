// Rings and bells together, the way the coprocessor's thread sleeps: whoever sleeps is woken for what came.
import { Doorbell, doorbellBytes } from '../../../../src/memory/doorbell.ts';
import { RingConsumer, RingProducer, ringMemory } from '../../../../src/memory/ring.ts';
import { scenario } from '../../../../src/explore/races/scenario.ts';

const BASE = 100;

const parts = (producers: number, capacity: number) => {
  const bells = new SharedArrayBuffer(doorbellBytes(2));
  const rings = Array.from({ length: producers }, () => ringMemory(capacity));
  return {
    producers: rings.map((memory) => new RingProducer(memory)),
    consumers: rings.map((memory) => new RingConsumer(memory)),
    bell: new Doorbell(bells, 1),
    sleeper: new Doorbell(bells, 1),
    got: [] as number[],
  };
};
type Parts = ReturnType<typeof parts>;

function post(ring: RingProducer, value: number): boolean {
  const at = ring.claim();
  if (at < 0) throw new Error('there is room');
  ring.words[at] = value;
  return ring.publish();
}

function drain(ring: RingConsumer, got: number[]): void {
  while (ring.available() > 0) {
    got.push(ring.words[ring.peek()]!);
    ring.release();
  }
}

/** Takes `count` messages; sleeps when there is none. */
function serve({ consumers, sleeper, got }: Parts, count: number, timeout: number): void {
  while (got.length < count) {
    for (let ring = 0; ring < consumers.length; ring++) drain(consumers[ring]!, got);
    if (got.length >= count) break;
    sleeper.arm();
    let work = false;
    for (let ring = 0; ring < consumers.length; ring++) if (consumers[ring]!.available() !== 0) work = true;
    if (work) sleeper.disarm();
    else sleeper.wait(timeout);
  }
}

const received =
  (count: number) =>
  ({ got }: Parts): void => {
    const sent = Array.from({ length: count }, (_, at) => BASE + at);
    const inOrder = got.length === count && got.toSorted((a, b) => a - b).join() === sent.join();
    if (!inOrder) throw new Error(`received ${got.join()}`);
  };

export const scenarios = {
  'one message wakes the sleeper': scenario({
    setup: () => parts(1, 1),
    threads: {
      ringer({ producers, bell }) {
        post(producers[0]!, BASE);
        bell.ring();
      },
      sleeper: (state) => serve(state, 1, Infinity),
    },
    check: received(1),
  }),
  'two messages, one bell each': scenario({
    setup: () => parts(1, 2),
    threads: {
      ringer({ producers, bell }) {
        for (let message = 0; message < 2; message++) {
          post(producers[0]!, BASE + message);
          bell.ring();
        }
      },
      sleeper: (state) => serve(state, 2, Infinity),
    },
    check: received(2),
  }),
  'two ringers, one sleeper': scenario({
    setup: () => parts(2, 1),
    threads: {
      left({ producers, bell }) {
        post(producers[0]!, BASE);
        bell.ring();
      },
      right({ producers, bell }) {
        post(producers[1]!, BASE + 1);
        bell.ring();
      },
      sleeper: (state) => serve(state, 2, Infinity),
    },
    check: received(2),
  }),
  'a sleeper with a timeout': scenario({
    setup: () => parts(1, 1),
    threads: {
      ringer({ producers, bell }) {
        post(producers[0]!, BASE);
        bell.ring();
      },
      sleeper({ consumers, sleeper, got }) {
        sleeper.arm();
        if (consumers[0]!.available() > 0) sleeper.disarm();
        else sleeper.wait(10);
        drain(consumers[0]!, got);
      },
    },
    check({ got, consumers }) {
      drain(consumers[0]!, got);
      if (got.join() !== String(BASE)) throw new Error(`received ${got.join()}`);
    },
  }),
  'the main thread is woken without blocking': scenario({
    setup: () => parts(1, 1),
    threads: {
      ringer({ producers, bell }) {
        post(producers[0]!, BASE);
        bell.ring();
      },
      async sleeper({ consumers, sleeper, got }) {
        while (got.length < 1) {
          drain(consumers[0]!, got);
          if (got.length > 0) break;
          sleeper.arm();
          if (consumers[0]!.available() > 0) sleeper.disarm();
          else await sleeper.rung();
        }
      },
    },
    check: received(1),
  }),
  // A consumer that asked for quiet is rung for what it asks for, and for nothing else.
  'a consumer that asks for the bell': scenario({
    setup: () => parts(1, 2),
    threads: {
      ringer({ producers, bell }) {
        for (let message = 0; message < 2; message++) if (post(producers[0]!, BASE + message)) bell.ring();
      },
      sleeper({ consumers, sleeper, got }) {
        const ring = consumers[0]!;
        while (got.length < 2) {
          drain(ring, got);
          if (got.length === 2) break;
          sleeper.arm();
          if (ring.ask()) sleeper.wait(Infinity);
          else sleeper.disarm();
        }
      },
    },
    check: received(2),
  }),
  'a producer that sees whether quiet is wanted': scenario({
    setup: () => parts(1, 1),
    threads: {
      ringer({ producers, bell }) {
        const asked = post(producers[0]!, BASE);
        if (asked || !producers[0]!.quiet) bell.ring();
      },
      sleeper({ consumers, sleeper, got }) {
        const ring = consumers[0]!;
        ring.quiet = true;
        while (got.length < 1) {
          drain(ring, got);
          if (got.length > 0) break;
          sleeper.arm();
          if (ring.ask()) sleeper.wait(Infinity);
          else sleeper.disarm();
        }
      },
    },
    check: received(1),
  }),
  // What is shown to nobody asks nobody, and takes no question away.
  'a producer that shows nothing': scenario({
    setup: () => parts(1, 1),
    threads: {
      ringer({ producers, bell }) {
        if (producers[0]!.publish()) throw new Error('nothing was shown');
        if (post(producers[0]!, BASE)) bell.ring();
      },
      sleeper({ consumers, sleeper, got }) {
        sleeper.arm();
        if (consumers[0]!.ask()) sleeper.wait(Infinity);
        else sleeper.disarm();
        drain(consumers[0]!, got);
      },
    },
    check: received(1),
  }),
  'a wish for quiet is seen': scenario({
    setup: () => ({ ...parts(1, 1), seen: [] as boolean[] }),
    threads: {
      ringer({ producers, seen }) {
        seen.push(producers[0]!.quiet);
      },
      sleeper({ consumers }) {
        consumers[0]!.quiet = true;
      },
    },
    outcome: ({ seen }) => seen.join(),
    outcomes: { true: 'acceptable', false: 'acceptable' },
    check({ producers, consumers }) {
      if (!producers[0]!.quiet) throw new Error('the wish is not seen');
      consumers[0]!.quiet = false;
      if (producers[0]!.quiet) throw new Error('the end of the wish is not seen');
    },
  }),
  // Ringing a side that is awake wakes nobody: neither after it changed its mind, nor after it timed out.
  'a side that is awake': scenario({
    setup() {
      const bells = new SharedArrayBuffer(doorbellBytes(1));
      const state = { sleeper: new Doorbell(bells, 0), bell: new Doorbell(bells, 0), woken: 0 };
      state.bell = new Doorbell(bells, 0, () => void state.woken++);
      return state;
    },
    threads: {
      sleeper({ sleeper }) {
        sleeper.arm();
        sleeper.wait(10);
      },
    },
    check(state) {
      state.bell.ring();
      if (state.woken > 0) throw new Error('woken after a timeout');
      state.sleeper.arm();
      state.sleeper.disarm();
      state.bell.ring();
      if (state.woken > 0) throw new Error('woken while awake');
      state.sleeper.arm();
      state.bell.ring();
      if (state.woken !== 1) throw new Error('not woken while asleep');
    },
  }),
};
