import { seeded } from '../../src/explore/decisions.ts';
import type { Subject } from '../../src/explore/subject.ts';
import { runTrial, type Failure } from '../../src/explore/trial.ts';
import { openSubject } from '../../src/toolstack/subject.ts';

/** What one campaign came to. */
export interface Hunt {
  /** Runs until the first failure, or all of them. */
  readonly runs: number;
  readonly failure: Failure | undefined;
}

/** Faults that every run may draw: the same for every defect, and for the code that ships. */
export const FAULTS = 5;

const small = openSubject('small');

/** The campaign that `covisor explore small` runs, on a system of which parts may be others than those that ship. */
export async function hunt(parts: Partial<Subject>, most: number, first = 1): Promise<Hunt> {
  const subject = { ...(await small), ...parts };
  for (let runs = 1; runs <= most; runs++) {
    const { failure } = await runTrial(subject, { oracle: seeded(first + runs - 1), faults: FAULTS });
    if (failure !== undefined) return { runs, failure };
  }
  return { runs: most, failure: undefined };
}
