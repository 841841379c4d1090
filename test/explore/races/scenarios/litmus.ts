// Litmus tests: small programs whose outcomes are known, the way JCStress and the memory model literature name them.
import { pause, scenario } from '../../../../src/explore/races/scenario.ts';

const words = (count: number) => new Int32Array(new SharedArrayBuffer(count * 4));
const X = 0;
const Y = 1;

export const scenarios = {
  'message passing': scenario({
    setup: () => ({ memory: words(2), seen: '' }),
    threads: {
      sender({ memory }) {
        memory[X] = 1;
        Atomics.store(memory, Y, 1);
      },
      receiver(state) {
        const { memory } = state;
        if (Atomics.load(memory, Y) === 1) state.seen = `ready, ${memory[X]}`;
        else state.seen = 'not ready';
      },
    },
    outcome: ({ seen }) => seen,
    outcomes: { 'not ready': 'acceptable', 'ready, 1': 'acceptable', 'ready, 0': 'forbidden' },
  }),
  'message passing with a plain flag': scenario({
    setup: () => ({ memory: words(2), seen: '' }),
    threads: {
      sender({ memory }) {
        memory[X] = 1;
        memory[Y] = 1;
      },
      receiver(state) {
        state.seen = `${state.memory[Y]} ${state.memory[X]}`;
      },
    },
    outcome: ({ seen }) => seen,
  }),
  'store buffering': scenario({
    setup: () => ({ memory: words(2), a: -1, b: -1 }),
    threads: {
      left(state) {
        Atomics.store(state.memory, X, 1);
        state.a = Atomics.load(state.memory, Y);
      },
      right(state) {
        Atomics.store(state.memory, Y, 1);
        state.b = Atomics.load(state.memory, X);
      },
    },
    outcome: ({ a, b }) => `${a} ${b}`,
    outcomes: { '0 1': 'acceptable', '1 0': 'acceptable', '1 1': 'interesting', '0 0': 'forbidden' },
  }),
  coherence: scenario({
    setup: () => ({ memory: words(1), seen: '' }),
    threads: {
      writer({ memory }) {
        Atomics.store(memory, X, 1);
        Atomics.store(memory, X, 2);
      },
      reader(state) {
        const first = Atomics.load(state.memory, X);
        state.seen = `${first} ${Atomics.load(state.memory, X)}`;
      },
    },
    outcome: ({ seen }) => seen,
    outcomes: {
      '0 0': 'acceptable',
      '0 1': 'acceptable',
      '0 2': 'interesting',
      '1 1': 'acceptable',
      '1 2': 'acceptable',
      '2 2': 'acceptable',
    },
  }),
  'independent reads of independent writes': scenario({
    setup: () => ({ memory: words(2), first: '', second: '' }),
    threads: {
      writesX: ({ memory }) => void Atomics.store(memory, X, 1),
      writesY: ({ memory }) => void Atomics.store(memory, Y, 1),
      readsXY(state) {
        const x = Atomics.load(state.memory, X);
        state.first = `${x}${Atomics.load(state.memory, Y)}`;
      },
      readsYX(state) {
        const y = Atomics.load(state.memory, Y);
        state.second = `${Atomics.load(state.memory, X)}${y}`;
      },
    },
    // 10 01: each reader saw the other write missing, so the two disagree on which came first.
    outcome: ({ first, second }) => (first === '10' && second === '01' ? 'they disagree' : 'they agree'),
    outcomes: { 'they agree': 'acceptable', 'they disagree': 'forbidden' },
  }),
  'lost update': scenario({
    setup: () => words(1),
    threads: {
      a: (memory) => void Atomics.store(memory, X, Atomics.load(memory, X) + 1),
      b: (memory) => void Atomics.store(memory, X, Atomics.load(memory, X) + 1),
    },
    outcome: (memory) => String(memory[X]),
    outcomes: { '2': 'acceptable', '1': 'forbidden' },
  }),
  'atomic update': scenario({
    setup: () => words(1),
    threads: {
      a: (memory) => void Atomics.add(memory, X, 1),
      b: (memory) => void Atomics.add(memory, X, 1),
    },
    outcome: (memory) => String(memory[X]),
    outcomes: { '2': 'acceptable' },
  }),
  // Loom's issue 392: a producer that loads its own index hid an interleaving from it.
  'a producer loads its own index': scenario({
    setup: () => ({ memory: words(2), seen: -1 }),
    threads: {
      producer({ memory }) {
        const own = Atomics.load(memory, X);
        Atomics.store(memory, Y, 7);
        Atomics.store(memory, X, own + 1);
      },
      consumer(state) {
        state.seen = Atomics.load(state.memory, X) * 10 + Atomics.load(state.memory, Y);
      },
    },
    outcome: ({ seen }) => String(seen),
    outcomes: { '0': 'acceptable', '7': 'interesting', '17': 'acceptable' },
  }),
  'spinning ends': scenario({
    setup: () => ({ memory: words(2), seen: 0 }),
    threads: {
      sender({ memory }) {
        memory[Y] = 5;
        Atomics.store(memory, X, 1);
      },
      receiver(state) {
        while (Atomics.load(state.memory, X) === 0);
        state.seen = state.memory[Y]!;
      },
    },
    outcome: ({ seen }) => String(seen),
    outcomes: { '5': 'acceptable' },
  }),
  'a hint in a loop': scenario({
    setup: () => words(2),
    threads: {
      sender: (memory) => void Atomics.store(memory, X, 1),
      receiver(memory) {
        while (Atomics.load(memory, X) === 0) pause();
        Atomics.store(memory, Y, 1);
      },
    },
    outcome: (memory) => String(memory[Y]),
    outcomes: { '1': 'acceptable' },
  }),
};
