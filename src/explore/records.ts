import { closeSync, mkdirSync, openSync, readFileSync, readdirSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Packr } from 'msgpackr';
import type { Decision } from './decisions.ts';
import type { Failure } from './trial.ts';

/** What is kept of one run. */
export interface RunRecord {
  readonly seed: number;
  readonly steps: number;
  readonly events: number;
  /** Nanoseconds of virtual time. */
  readonly length: number;
  readonly fingerprint: number;
  readonly marks: Readonly<Record<string, number>>;
  readonly failure: Failure | null;
  /** Of a failure: what makes it happen again. */
  readonly decisions: readonly Decision[] | null;
  readonly asked: number;
}

/** What the names of record files begin with. */
export const RECORDS = 'records-';
const packr = new Packr({ useRecords: false });

/** The records of one campaign on disk: appended, each with its length in front, so that a cut end is noticed and left. */
export class RecordFile {
  readonly #file: number;

  /** A file of its own in `folder`: two campaigns never write to the same one. */
  constructor(folder: string) {
    mkdirSync(folder, { recursive: true });
    this.#file = create(folder);
  }

  append(record: RunRecord): void {
    const body = packr.pack(record);
    const whole = Buffer.alloc(4 + body.length);
    whole.writeUInt32LE(body.length);
    body.copy(whole, 4);
    writeSync(this.#file, whole);
  }

  close(): void {
    closeSync(this.#file);
  }
}

function create(folder: string): number {
  for (let number = 0; ; number++) {
    try {
      return openSync(join(folder, `${RECORDS}${number}.msgpack`), 'wx');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
  }
}

/** All records of a folder, merged: one per seed, whichever campaign and machine they come from. */
export function readRecords(folder: string): Map<number, RunRecord> {
  const records = new Map<number, RunRecord>();
  let files: string[];
  try {
    files = readdirSync(folder).filter((name) => name.startsWith(RECORDS));
  } catch {
    return records;
  }
  for (const name of files.sort()) {
    const bytes = readFileSync(join(folder, name));
    for (let at = 0; at + 4 <= bytes.length;) {
      const end = at + 4 + bytes.readUInt32LE(at);
      if (end > bytes.length) break;
      const record = packr.unpack(bytes.subarray(at + 4, end)) as RunRecord;
      records.set(record.seed, record);
      at = end;
    }
  }
  return records;
}
