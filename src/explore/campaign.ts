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
  /** One word: not zero when runs under way are to be given up. */
  readonly stop: SharedArrayBuffer;
}

export interface CampaignOptions extends Omit<CampaignTask, 'entry' | 'seeds' | 'stop'> {
  readonly seeds: Iterable<number>;
  readonly jobs: number;
  /** Called with every record as it comes; says whether to go on. */
  readonly onRecord: (record: RunRecord) => boolean;
  /** Aborted when it is enough: what is under way is given up, what was recorded stays. */
  readonly signal: AbortSignal;
}

/** Runs seeds on a pool of workers, until there are no more or somebody says that it is enough. */
export async function runCampaign(options: CampaignOptions): Promise<void> {
  const { jobs, onRecord, signal, seeds, ...task } = options;
  const stop = new SharedArrayBuffer(4);
  const giveUp = (): void => void Atomics.store(new Int32Array(stop), 0, 1);
  const pool = new Piscina({ filename: POOL.href, minThreads: jobs, maxThreads: jobs, execArgv: [] });
  const batches = inBatches(seeds);
  let enough = false;
  const work = async (): Promise<void> => {
    while (!enough && !signal.aborted) {
      const batch = batches.next();
      if (batch.done === true) return;
      const records = (await pool.run({
        ...task,
        stop,
        entry: ENTRY.href,
        seeds: batch.value,
      })) as RunRecord[];
      for (const record of records) if (!onRecord(record)) enough = true;
    }
  };
  if (signal.aborted) giveUp();
  signal.addEventListener('abort', giveUp);
  try {
    await Promise.all(Array.from({ length: jobs }, work));
  } finally {
    signal.removeEventListener('abort', giveUp);
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
