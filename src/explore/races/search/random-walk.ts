import type { Random } from '../../../base/random.ts';
import type { Execution } from '../execution.ts';
import { count, nth, type Search } from './search.ts';

/** At each step any thread that can go on, with equal chance. Samples; proves nothing. */
export class RandomWalk implements Search {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  next(execution: Execution): 'ran' {
    const random = this.#random;
    execution.begin();
    while (execution.failure === undefined) {
      const enabled = execution.enabled();
      if (enabled === 0) break;
      const one = (enabled & (enabled - 1)) === 0;
      if (one) execution.step(nth(enabled, 0));
      else {
        const threads = count(enabled);
        execution.step(nth(enabled, threads === 2 ? random.bits() & 1 : random.below(threads)));
      }
    }
    execution.finish();
    return 'ran';
  }
}
