import { showDuration, type Duration } from '../base/units.ts';
import type { Refusal } from '../contract/scheduler.ts';
import { refused } from './algorithm.ts';
import type { Member } from './member.ts';

export interface Task {
  readonly period: Duration;
  readonly budget: Duration;
}

/** Rounding of the sums of shares: far below anything that a period could notice. */
const FULL = 1 + 1e-9;

/** What was admitted to one coprocessor. Takes only what can be kept together with the rest. */
export class TaskSet {
  readonly #switching: Duration;
  readonly #blocking: Duration;
  readonly #tasks = new Map<Member, Task>();
  #load = 0;
  #shortest = Infinity;

  /** `switching`: one switch. `blocking`: the longest time in which nobody can preempt. */
  constructor(switching: Duration, blocking: Duration) {
    this.#switching = switching;
    this.#blocking = blocking;
  }

  /** Takes a task in, or instead of the one that this member had; says with figures why not. */
  put(member: Member, task: Task): Refusal | undefined {
    const before = this.#tasks.get(member);
    this.remove(member);
    const refusal = this.#refusal(task);
    const kept = refusal === undefined ? task : before;
    if (kept !== undefined) {
      this.#tasks.set(member, kept);
      this.#load += this.#share(kept);
      this.#shortest = Math.min(this.#shortest, kept.period);
    }
    return refusal;
  }

  remove(member: Member): void {
    const task = this.#tasks.get(member);
    if (task === undefined) return;
    this.#tasks.delete(member);
    this.#load = Math.max(0, this.#load - this.#share(task));
    if (task.period !== this.#shortest) return;
    this.#shortest = Infinity;
    for (const { period } of this.#tasks.values()) this.#shortest = Math.min(this.#shortest, period);
  }

  /** A job costs its budget, the switch to it and the one back to whom it preempted. */
  #share({ budget, period }: Task): number {
    return (budget + 2 * this.#switching) / period;
  }

  #refusal(newcomer: Task): Refusal | undefined {
    // Enough, and quick: blocking weighs most for the shortest period.
    const shortest = Math.min(this.#shortest, newcomer.period);
    if (this.#load + this.#share(newcomer) + this.#blocking / shortest <= 1) return undefined;
    const tasks = [...this.#tasks.values(), newcomer].toSorted((a, b) => a.period - b.period);
    let load = 0;
    for (const [at, task] of tasks.entries()) {
      load += this.#share(task);
      // Of equal periods, the last one has them all.
      if (tasks[at + 1]?.period === task.period) continue;
      const needed = load + this.#blocking / task.period;
      if (needed <= FULL) continue;
      const { period } = task;
      return refused(
        `edf cannot keep it: of each ${showDuration(period)}, budgets and switches take ` +
          `${showDuration(Math.round(load * period) as Duration)} and a denial or a switch may take ` +
          `${showDuration(this.#blocking)} more, which is ${Math.ceil(needed * 1000) / 10} %`,
      );
    }
    return undefined;
  }
}
