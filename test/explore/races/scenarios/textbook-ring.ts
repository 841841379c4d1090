// The ring of the textbooks: one producer, one consumer, a head and a tail that run freely.
import { scenario } from '../../../../src/explore/races/scenario.ts';

const HEAD = 0;
const TAIL = 1;
const SLOTS = 2;
const CAPACITY = 2;

class Ring {
  readonly words = new Int32Array(new SharedArrayBuffer((SLOTS + CAPACITY) * 4));

  push(value: number): boolean {
    const head = Atomics.load(this.words, HEAD);
    if (head - Atomics.load(this.words, TAIL) === CAPACITY) return false;
    this.words[SLOTS + (head % CAPACITY)] = value;
    Atomics.store(this.words, HEAD, head + 1);
    return true;
  }

  pop(): number {
    const tail = Atomics.load(this.words, TAIL);
    if (Atomics.load(this.words, HEAD) === tail) return -1;
    const value = this.words[SLOTS + (tail % CAPACITY)]!;
    Atomics.store(this.words, TAIL, tail + 1);
    return value;
  }
}

const inOrder = (got: readonly number[]): void => {
  let last = 0;
  for (const value of got) {
    if (value === -1) continue;
    if (value !== last + 1) throw new Error(`got ${got.join(', ')}`);
    last = value;
  }
};

export const scenarios = {
  'three messages': scenario({
    setup: () => ({ ring: new Ring(), got: [] as number[] }),
    threads: {
      producer({ ring }) {
        ring.push(1);
        ring.push(2);
        ring.push(3);
      },
      consumer({ ring, got }) {
        got.push(ring.pop());
        got.push(ring.pop());
        got.push(ring.pop());
      },
    },
    check: ({ got }) => inOrder(got),
    outcome: ({ got }) => got.join(' '),
  }),
  // The same without a call: what one step costs by itself.
  'three messages, written out': scenario({
    setup: () => ({ words: new Ring().words, got: [] as number[] }),
    threads: {
      producer({ words }) {
        for (let value = 1; value <= 3; value++) {
          const head = Atomics.load(words, HEAD);
          if (head - Atomics.load(words, TAIL) === CAPACITY) continue;
          words[SLOTS + (head % CAPACITY)] = value;
          Atomics.store(words, HEAD, head + 1);
        }
      },
      consumer({ words, got }) {
        for (let look = 0; look < 3; look++) {
          const tail = Atomics.load(words, TAIL);
          if (Atomics.load(words, HEAD) === tail) continue;
          got.push(words[SLOTS + (tail % CAPACITY)]!);
          Atomics.store(words, TAIL, tail + 1);
        }
      },
    },
    check: ({ got }) => inOrder(got),
    outcome: ({ got }) => got.join(' '),
  }),
};
