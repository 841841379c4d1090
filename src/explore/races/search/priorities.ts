import type { Random } from '../../../base/random.ts';
import type { Execution } from '../execution.ts';
import { lowest, type Search } from './search.ts';

/**
 * Threads have random priorities; the highest that can go on does, and at `depth - 1` random steps the one that runs
 * falls to the bottom. Finds a bug that takes `depth` orderings with a chance of at least 1 / (threads × steps^(depth
 * - 1)) per run (Burckhardt, Kothari, Musuvathi, Nagarakatte: A Randomized Scheduler with Probabilistic Guarantees of
 * Finding Bugs, ASPLOS 2010).
 */
export class Priorities implements Search {
  readonly #random: Random;
  readonly #depth: number;
  /** The longest run so far: where changes may fall. */
  #steps = 16;

  constructor(random: Random, depth: number) {
    this.#random = random;
    this.#depth = depth;
  }

  next(execution: Execution): 'ran' {
    const random = this.#random;
    const order = execution.names.map((_, thread) => thread);
    for (let at = order.length - 1; at > 0; at--) {
      const other = random.below(at + 1);
      [order[at], order[other]] = [order[other]!, order[at]!];
    }
    const changes = new Set(Array.from({ length: this.#depth - 1 }, () => random.below(this.#steps)));
    execution.begin();
    let step = 0;
    for (; execution.failure === undefined; step++) {
      const enabled = execution.enabled();
      if (enabled === 0) break;
      const at = order.findIndex((thread) => (enabled & (1 << thread)) !== 0);
      const thread = order[at] ?? lowest(enabled);
      execution.step(thread);
      if (changes.has(step)) order.push(...order.splice(at, 1));
    }
    this.#steps = Math.max(this.#steps, step);
    execution.finish();
    return 'ran';
  }
}
