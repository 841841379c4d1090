// A ring of one slot whose producer overwrites, with a planted mistake: the lap counter is too short, so a consumer that
// sleeps for a whole round of laps believes that nothing has changed. About one order in a million shows it.
import { scenario } from '../../../../src/explore/races/scenario.ts';

const LAP = 0;
const FIRST = 1;
const SECOND = 2;
/** Two for each value: one while it is written, one when it stands. */
const LAPS = 12;

class OverwritingSlot {
  readonly words = new Int32Array(new SharedArrayBuffer(12));

  put(value: number): void {
    Atomics.store(this.words, LAP, (2 * value - 1) % LAPS);
    Atomics.store(this.words, FIRST, value);
    Atomics.store(this.words, SECOND, value);
    Atomics.store(this.words, LAP, (2 * value) % LAPS);
  }

  /** Both halves, or undefined when the producer came in between. */
  take(): [number, number] | undefined {
    const lap = Atomics.load(this.words, LAP);
    const first = Atomics.load(this.words, FIRST);
    const second = Atomics.load(this.words, SECOND);
    return lap % 2 === 0 && Atomics.load(this.words, LAP) === lap ? [first, second] : undefined;
  }
}

export const scenarios = {
  planted: scenario({
    setup: () => ({ slot: new OverwritingSlot(), got: [] as ([number, number] | undefined)[] }),
    threads: {
      producer({ slot }) {
        for (let value = 1; value <= 7; value++) slot.put(value);
      },
      consumer({ slot, got }) {
        got.push(slot.take());
      },
    },
    check({ got }) {
      for (const pair of got)
        if (pair !== undefined && pair[0] !== pair[1]) throw new Error(`a torn pair: ${pair.join()}`);
    },
  }),
};
