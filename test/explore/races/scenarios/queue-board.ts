// Boards: whoever rings is found, and whoever is found was rung. The bit of a queue says that there is something; what
// there is stands elsewhere, here in a word for each ringer.
import { BOARD, QueueBoard, boardMemory } from '../../../../src/memory/queue-board.ts';
import { scenario } from '../../../../src/explore/races/scenario.ts';

const setup = () => {
  const memory = boardMemory();
  return {
    rung: new QueueBoard(memory, BOARD.rung),
    looked: new QueueBoard(memory, BOARD.rung),
    other: new QueueBoard(memory, BOARD.completed),
    work: new Int32Array(new SharedArrayBuffer(8)),
    taken: [] as number[],
  };
};
type Parts = ReturnType<typeof setup>;

const look = ({ looked, taken }: Parts): void =>
  looked.take((index) => {
    if (taken.push(index) > 20) throw new Error('found again and again');
  });

function ring({ rung, work }: Parts, index: number, word: number): void {
  Atomics.store(work, word, 1);
  rung.set(index);
}

/** What was rung is found by the looks so far and by one more, and nothing else is. */
const found =
  (...rung: readonly number[]) =>
  (state: Parts): void => {
    if (state.taken.length < rung.length && !state.looked.any) throw new Error('a ring is lost');
    look(state);
    const taken = [...new Set(state.taken)].toSorted((a, b) => a - b);
    if (taken.join() !== rung.join()) throw new Error(`taken ${taken.join()}, rung ${rung.join()}`);
    look(state);
    if (state.taken.length > 2 * rung.length) throw new Error('found without a ring');
    if (state.looked.any) throw new Error('rung when all is taken');
    if (state.other.any) throw new Error('rung on the other board');
  };

export const scenarios = {
  'a ringer and a looker': scenario({
    setup,
    threads: { ringer: (state) => ring(state, 4095, 0), looker: look },
    check: found(4095),
  }),
  'a looker that looks twice': scenario({
    setup,
    threads: {
      ringer: (state) => ring(state, 33, 0),
      looker(state) {
        look(state);
        look(state);
      },
    },
    check: found(33),
  }),
  'two ringers in one word': scenario({
    setup,
    threads: { left: (state) => ring(state, 0, 0), right: (state) => ring(state, 31, 1), looker: look },
    check: found(0, 31),
  }),
  'two ringers in two words of one group': scenario({
    setup,
    threads: { left: (state) => ring(state, 5, 0), right: (state) => ring(state, 40, 1), looker: look },
    check: found(5, 40),
  }),
  'two ringers in two groups': scenario({
    setup,
    threads: { left: (state) => ring(state, 1023, 0), right: (state) => ring(state, 1024, 1), looker: look },
    check: found(1023, 1024),
  }),
  'one that is rung twice': scenario({
    setup,
    threads: {
      ringer(state) {
        ring(state, 70, 0);
        ring(state, 70, 1);
      },
      looker: look,
    },
    check: found(70),
  }),
  // Whoever sees the bit sees what it is about.
  'what was done before the ring': scenario({
    setup: () => ({ ...setup(), seen: [] as number[] }),
    threads: {
      ringer: (state) => ring(state, 64, 0),
      looker: ({ looked, work, seen }) => looked.take(() => void seen.push(Atomics.load(work, 0))),
    },
    check({ seen }) {
      if (seen.includes(0)) throw new Error('rung before there was anything');
    },
  }),
  // Who saw nothing may sleep: the word at the top is the last that a ringer sets.
  'a look at the top alone': scenario({
    setup: () => ({ ...setup(), seen: [] as number[] }),
    threads: {
      ringer: (state) => ring(state, 2000, 0),
      looker(state) {
        if (state.looked.any) look(state);
        else state.seen.push(0);
      },
    },
    check(state) {
      if (state.seen.length === 0 && state.taken.join() !== '2000')
        throw new Error('seen at the top, and not found');
      found(2000)(state);
    },
  }),
};
