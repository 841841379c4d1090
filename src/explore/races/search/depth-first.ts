import type { Execution } from '../execution.ts';
import { lowest, stay, type Search } from './search.ts';

/**
 * Every order, or every order with at most `bound` preemptions: switches away from a thread that could go on.
 * Without the bound it is the oracle that the reduction is held against.
 */
export class DepthFirst implements Search {
  readonly #bound: number;
  readonly #chosen: number[] = [];
  /** Threads still to be tried at each depth. */
  readonly #left: number[] = [];
  /** Preemptions before each depth, and what a switch costs there. */
  readonly #spent: number[] = [0];
  readonly #cost: number[] = [];
  #started = false;

  constructor(bound = Infinity) {
    this.#bound = bound;
  }

  next(execution: Execution): 'ran' | 'exhausted' {
    const fixed = this.#backtrack();
    if (fixed < 0) return 'exhausted';
    const chosen = this.#chosen;
    execution.begin();
    for (let depth = 0; depth < fixed; depth++) execution.step(chosen[depth]!);
    for (let depth = fixed; execution.failure === undefined; depth++) {
      const enabled = execution.enabled();
      if (enabled === 0) break;
      const last = depth === 0 ? -1 : chosen[depth - 1]!;
      const cost = last >= 0 && (enabled & (1 << last)) !== 0 ? 1 : 0;
      const spent = this.#spent[depth]!;
      const next = stay(enabled, last);
      this.#cost[depth] = cost;
      this.#left[depth] = spent + cost <= this.#bound ? enabled & ~(1 << next) : 0;
      this.#spent[depth + 1] = spent;
      chosen[depth] = next;
      execution.step(next);
    }
    execution.finish();
    return 'ran';
  }

  /** Goes back to the deepest step that has another choice, and takes it. Returns the steps that are fixed, or -1. */
  #backtrack(): number {
    if (!this.#started) {
      this.#started = true;
      return 0;
    }
    const left = this.#left;
    let depth = this.#chosen.length - 1;
    while (depth >= 0 && left[depth] === 0) depth--;
    if (depth < 0) return -1;
    const next = lowest(left[depth]!);
    left[depth]! &= ~(1 << next);
    this.#chosen[depth] = next;
    this.#chosen.length = left.length = depth + 1;
    this.#spent[depth + 1] = this.#spent[depth]! + this.#cost[depth]!;
    return depth + 1;
  }
}
