import { messageOf } from '../../base/said.ts';
import type { Execution } from './execution.ts';
import type { Failure } from './failure.ts';
import { DepthFirst } from './search/depth-first.ts';
import { Replay } from './search/replay.ts';
import { played } from './tape.ts';

export interface Shrunk {
  readonly choices: readonly number[];
  /** Switches away from a thread that could go on. */
  readonly preemptions: number;
  /** No order with fewer preemptions fails like this: all were tried. */
  readonly fewest: boolean;
}

/** What makes two failures the same one. */
export function signature(failure: Failure, execution: Execution): string {
  const { log, conductor } = execution;
  const place = (site: number): string => `${conductor.sites[site]!.file}:${conductor.sites[site]!.line}`;
  switch (failure.kind) {
    case 'race':
      return `race ${[failure.first, failure.second]
        .map((step) => place(log[step]!.site))
        .sort()
        .join(' ')}`;
    case 'deadlock':
      return `deadlock ${failure.blocked.map(({ thread, site }) => `${thread} ${place(site)}`).join(' ')}`;
    case 'exception':
      return `exception ${failure.thread} ${messageOf(failure.error)}`;
    case 'check':
      return 'check';
    case 'outcome':
      return `outcome ${failure.outcome}`;
    case 'stuck':
      return `stuck ${failure.thread}`;
  }
}

/**
 * The same failure with the fewest preemptions: all orders with none are tried, then all with one, and so on, `effort`
 * runs in all; then delta debugging of what is left: switches are taken out as long as the failure stays.
 */
export function shrink(execution: Execution, choices: readonly number[], effort: number): Shrunk {
  new Replay(choices).next(execution);
  const wanted = signature(execution.failure!, execution);
  let best = { choices: played(execution), preemptions: countPreemptions(execution, choices) };
  let fewest = true;
  let left = effort;
  const fails = (): boolean =>
    execution.failure !== undefined && signature(execution.failure, execution) === wanted;
  search: for (let bound = 0; bound <= best.preemptions; bound++) {
    const orders = new DepthFirst(bound);
    while (orders.next(execution) === 'ran') {
      if (--left < 0) {
        fewest = bound >= best.preemptions;
        break search;
      }
      const length = execution.length;
      if (!fails() || (bound === best.preemptions && length >= best.choices.length)) continue;
      const found = played(execution);
      best = { choices: found, preemptions: countPreemptions(execution, found) };
      break search;
    }
  }
  return { ...debugged(execution, best, wanted, effort), fewest };
}

type Best = Pick<Shrunk, 'choices' | 'preemptions'>;

/** Takes switches out, one at a time and then shorter and shorter runs, while the failure stays. */
function debugged(execution: Execution, from: Best, wanted: string, effort: number): Best {
  let best = from;
  let left = Math.min(effort, 2000);
  const attempt = (choices: readonly number[]): boolean => {
    left--;
    new Replay(choices).next(execution);
    if (execution.failure === undefined || signature(execution.failure, execution) !== wanted) return false;
    const found = played(execution);
    const cost = countPreemptions(execution, found);
    if (cost > best.preemptions || (cost === best.preemptions && found.length >= best.choices.length))
      return false;
    best = { choices: found, preemptions: cost };
    return true;
  };
  for (let again = true; again && left > 0;) {
    again = false;
    for (let at = 1; at < best.choices.length && left > 0; at++) {
      const { choices } = best;
      // Nothing of this thread's for one step: its step moves behind what follows, or goes.
      if (choices[at] === choices[at - 1]) continue;
      const swapped = [...choices.slice(0, at), choices[at - 1]!, ...choices.slice(at)];
      if (attempt(swapped) || attempt([...choices.slice(0, at), ...choices.slice(at + 1)])) again = true;
    }
  }
  return best;
}

/** Replays an order and counts its preemptions. The execution stands at its end afterwards. */
export function countPreemptions(execution: Execution, choices: readonly number[]): number {
  execution.begin();
  let total = 0;
  let last = -1;
  for (const thread of choices) {
    const enabled = execution.enabled();
    if (execution.failure !== undefined || (enabled & (1 << thread)) === 0) break;
    if (last >= 0 && last !== thread && (enabled & (1 << last)) !== 0) total++;
    execution.step(thread);
    last = thread;
  }
  execution.finish();
  return total;
}
