import { Piscina } from 'piscina';
import type { Duration } from '../base/units.ts';
import type { FaultPlan } from '../faults/plan.ts';
import type { RunRecord } from './records.ts';

/** Compiled or not, the workers stand where this file stands. */
const compiled = import.meta.url.endsWith('.js');
const workers = new URL('../../workers/', import.meta.url);
const POOL = new URL('pool.mjs', workers);
const ENTRY = new URL(compiled ? 'campaign.js' : 'campaign.ts', workers);

/** Seeds that one worker runs before it reports: short enough for a progress line. */
const BATCH = 16;

/** What one worker is asked to do. */
export interface CampaignTask {
  readonly entry: string;
  /** URL of the module that exports `openSubject`. */
  readonly subjectModule: string;
  readonly system: string;
  /** Virtual time after which a folder's domains are over. */
  readonly length: Duration;
  readonly seeds: readonly number[];
  readonly plan: FaultPlan;
  readonly faults: number;
  readonly guardEvery: number;
}

export interface CampaignOptions extends Omit<CampaignTask, 'entry' | 'seeds'> {
  readonly seeds: Iterable<number>;
  readonly jobs: number;
  /** Called with every record as it comes; says whether to go on. */
  readonly onRecord: (record: RunRecord) => boolean;
  /** Asked before each batch, too. */
  readonly goesOn: () => boolean;
}

/** Runs seeds on a pool of workers, until there are no more or somebody says that it is enough. */
export async function runCampaign(options: CampaignOptions): Promise<void> {
  const { jobs, onRecord, goesOn, seeds, ...task } = options;
  const pool = new Piscina({ filename: POOL.href, minThreads: jobs, maxThreads: jobs, execArgv: [] });
  const batches = inBatches(seeds);
  let enough = false;
  const work = async (): Promise<void> => {
    while (!enough && goesOn()) {
      const batch = batches.next();
      if (batch.done === true) return;
      const records = (await pool.run({ ...task, entry: ENTRY.href, seeds: batch.value })) as RunRecord[];
      for (const record of records) if (!onRecord(record)) enough = true;
    }
  };
  try {
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    await pool.destroy();
  }
}

function* inBatches(seeds: Iterable<number>): Generator<number[], void> {
  let batch: number[] = [];
  for (const seed of seeds) {
    batch.push(seed);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}
