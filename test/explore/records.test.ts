import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { RecordFile, readRecords, type RunRecord } from '../../src/explore/records.ts';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'records-'))));
afterEach(() => rmSync(folder, { recursive: true }));

const record = (seed: number): RunRecord => ({
  seed,
  steps: 10,
  events: 20,
  length: 1e10,
  fingerprint: -5,
  marks: { 'a switch is denied': 2 },
  failure: null,
  decisions: null,
  asked: 7,
});

it('keeps every record of a campaign that was cut off in the middle of one', () => {
  const file = new RecordFile(folder);
  for (const seed of [1, 2, 3]) file.append(record(seed));
  file.close();
  appendFileSync(join(folder, readdirSync(folder)[0]!), Buffer.from([0, 0, 1, 0, 42]));
  expect([...readRecords(folder).values()]).toEqual([record(1), record(2), record(3)]);
});

it('merges what campaigns at once have written', () => {
  const one = new RecordFile(folder);
  const other = new RecordFile(folder);
  one.append(record(1));
  other.append(record(2));
  other.append(record(1));
  one.append(record(3));
  one.close();
  other.close();
  expect([...readRecords(folder).keys()].sort((a, b) => a - b)).toEqual([1, 2, 3]);
});

it('finds nothing where there is no folder', () => {
  expect(readRecords(join(folder, 'none')).size).toBe(0);
});
