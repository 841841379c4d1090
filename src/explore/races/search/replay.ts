import type { Execution } from '../execution.ts';
import { stay, type Search } from './search.ts';

/** One given order. Lenient: where a choice is not possible, or the choices are used up, the thread at hand goes on. */
export class Replay implements Search {
  readonly #choices: ArrayLike<number>;
  /** The first choice that was not possible, or -1. */
  strayed = -1;

  constructor(choices: ArrayLike<number>) {
    this.#choices = choices;
  }

  next(execution: Execution): 'ran' {
    this.strayed = -1;
    execution.begin();
    let last = -1;
    for (let step = 0; execution.failure === undefined; step++) {
      const enabled = execution.enabled();
      if (enabled === 0) break;
      const wanted = this.#choices[step];
      const possible = wanted !== undefined && (enabled & (1 << wanted)) !== 0;
      if (!possible && wanted !== undefined && this.strayed < 0) this.strayed = step;
      last = possible ? wanted : stay(enabled, last);
      execution.step(last);
    }
    if (execution.length < this.#choices.length && this.strayed < 0) this.strayed = execution.length;
    execution.finish();
    return 'ran';
  }
}
