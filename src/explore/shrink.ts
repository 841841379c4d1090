import { replayed, type Decision } from './decisions.ts';
import type { Subject } from './subject.ts';
import { runCompared } from './neighbours.ts';
import type { Failure, TrialOptions, TrialResult } from './trial.ts';

export interface Shrunk {
  readonly result: TrialResult & { readonly failure: Failure };
  /** Runs that it took. */
  readonly runs: number;
}

/**
 * Takes decisions back as long as the same law still breaks: whole kinds of disturbance first, then domains, then
 * halves, quarters and so on of what is left (delta debugging: Zeller, 2002), then makes choices smaller. What it has when
 * somebody says that it is enough is the answer.
 */
export async function shrink(
  subject: Subject,
  failing: TrialResult & { readonly failure: Failure },
  how: Omit<TrialOptions, 'oracle'>,
  mostRuns: number,
  enough: () => boolean = () => false,
): Promise<Shrunk> {
  let best = failing;
  let runs = 0;
  const over = (): boolean => runs >= mostRuns || enough();

  const stillFails = async (decisions: readonly Decision[]): Promise<boolean> => {
    if (over()) return false;
    runs++;
    const result = await runCompared(subject, { ...how, oracle: replayed(decisions, false) });
    const { failure } = result;
    if (failure?.law !== best.failure.law) return false;
    // A decision that was not asked for has gone by itself.
    if (size(result.decisions) >= size(best.decisions)) return false;
    best = { ...result, failure };
    return true;
  };

  const without = (gone: (decision: Decision) => boolean): Promise<boolean> | boolean => {
    const rest = best.decisions.filter((decision) => !gone(decision));
    return rest.length < best.decisions.length && stillFails(rest);
  };

  for (const kind of ['turn', 'latency', 'timer', 'order', 'fault'])
    await without(({ point }) => prefixOf(point, 1) === kind);
  for (const depth of [3, 2]) {
    for (const prefix of new Set(best.decisions.map(({ point }) => prefixOf(point, depth)))) {
      if (prefix.includes('/')) await without(({ point }) => prefixOf(point, depth) === prefix);
    }
  }
  for (let chunk = Math.ceil(best.decisions.length / 2); !over();) {
    let taken = false;
    for (let from = best.decisions.length; from > 0 && !over(); from -= chunk) {
      const gone = new Set(best.decisions.slice(Math.max(0, from - chunk), from));
      if (await without((decision) => gone.has(decision))) taken = true;
    }
    if (chunk === 1 && !taken) break;
    if (!taken || chunk > 1) chunk = Math.max(1, Math.floor(chunk / 2));
  }
  for (let place = 0; place < best.decisions.length && !over(); place++) {
    for (let smaller = half(best.decisions[place]!.choice); smaller > 0; smaller = half(smaller)) {
      const before = best;
      const decisions = before.decisions.map((decision, at) =>
        at === place ? { ...decision, choice: smaller } : decision,
      );
      if (!(await stillFails(decisions))) break;
    }
  }
  return { result: best, runs };
}

/** Of up to 32 bits, without a sign. */
const half = (choice: number): number => Math.floor(choice / 2);

/** Fewer decisions first, then smaller ones. */
const size = (decisions: readonly Decision[]): number =>
  decisions.reduce((sum, { choice }) => sum + 1 + choice / (1 + choice), 0);

const prefixOf = (point: string, parts: number): string => point.split('/').slice(0, parts).join('/');
