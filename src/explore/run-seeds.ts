import { START } from '../base/units.ts';
import { replayed, seeded } from './decisions.ts';
import type { RunRecord } from './records.ts';
import type { Subject } from './subject.ts';
import { runCompared } from './neighbours.ts';
import type { TrialOptions, TrialResult, TrialState } from './trial.ts';

export interface SeedOptions extends Pick<TrialOptions, 'plan' | 'faults'> {
  /** Every so-manieth seed is run twice, and both runs must be the same; every failure is run again anyway. */
  readonly guardEvery: number;
  /** Asked now and then in the middle of a run: whether it is to be given up. */
  readonly enough?: () => boolean;
}

/** Somebody said that it is enough, in the middle of a run. */
export class GivenUpError extends Error {}

/** Steps between two questions whether it is enough: a run may take minutes. */
const STEPS = 1024;

const LAW = 'the same seed gives the same run';

/** Runs one seed, and again where the guard wants it. Throws a {@link GivenUpError}. */
export async function runSeed(
  subject: Subject,
  seed: number,
  { guardEvery, enough, plan, faults }: SeedOptions,
): Promise<RunRecord> {
  let givenUp = false;
  const onStep = ({ step }: TrialState): boolean =>
    !(step % STEPS === 0 && (givenUp ||= enough?.() === true));
  const how = { ...(plan && { plan }), ...(faults && { faults }), onStep };
  const result = await runCompared(subject, { ...how, oracle: seeded(seed) });
  if (givenUp) throw new GivenUpError();
  if (result.failure === undefined && seed % guardEvery !== 0) return recordOf(seed, result);
  // A tape that does not even fit its own run is as different as a run can be.
  const again = await runCompared(subject, { ...how, oracle: replayed(result.decisions, true) }).catch(
    () => undefined,
  );
  if (givenUp) throw new GivenUpError();
  if (again?.fingerprint === result.fingerprint && again.steps === result.steps)
    return recordOf(seed, result);
  const second =
    again === undefined ? 'its tape does not fit' : `${again.steps} steps again (${again.fingerprint})`;
  const what = `seed ${seed}: ${result.steps} steps once (${result.fingerprint}), ${second}`;
  const failure = { law: LAW, what, step: result.steps, at: result.failure?.at ?? START };
  return recordOf(seed, { ...result, failure });
}

const recordOf = (seed: number, result: TrialResult): RunRecord => ({
  seed,
  steps: result.steps,
  events: result.events,
  length: result.length,
  fingerprint: result.fingerprint,
  marks: Object.fromEntries(result.marks),
  failure: result.failure ?? null,
  decisions: result.failure === undefined ? null : result.decisions,
  asked: result.asked,
});
