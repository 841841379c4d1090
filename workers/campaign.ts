import type { Duration } from '../src/base/units.ts';
import type { CampaignTask } from '../src/explore/campaign.ts';
import type { RunRecord } from '../src/explore/records.ts';
import { GivenUpError, runSeed } from '../src/explore/run-seeds.ts';
import type { Subject } from '../src/explore/subject.ts';
import { guardExit } from '../src/runtime/threads/exit.ts';

// A guest that wants to end the process would end the campaign.
guardExit();

const subjects = new Map<string, Promise<Subject>>();

/** Runs the seeds of one batch, one after the other, until it is told to stop. */
export default async function runBatch(task: CampaignTask): Promise<RunRecord[]> {
  const { subjectModule, system, length, seeds } = task;
  const key = `${subjectModule} ${system} ${length}`;
  let opened = subjects.get(key);
  if (opened === undefined) {
    const module = (await import(subjectModule)) as {
      openSubject(system: string, length: Duration): Promise<Subject>;
    };
    opened = module.openSubject(system, length);
    subjects.set(key, opened);
  }
  const subject = await opened;
  const records: RunRecord[] = [];
  const stop = new Int32Array(task.stop);
  const enough = (): boolean => Atomics.load(stop, 0) !== 0;
  for (const seed of seeds) {
    if (enough()) break;
    try {
      records.push(await runSeed(subject, seed, { ...task, enough }));
    } catch (error) {
      if (!(error instanceof GivenUpError)) throw error;
    }
  }
  return records;
}
