import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { runReportJsonSchema, runReportSchema } from '../../src/observe/json-schema.js';
import { syntheticRun } from './fixtures.js';
const { report } = syntheticRun();
describe('the schema of the run report', () => {
  test('accepts a report, and what comes back is the same', () => {
    expect(runReportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
    const typed = structuredClone(report);
    expect(typed.schemaVersion).toBe(1);
  });
  test('refuses an unknown field, a fraction of a nanosecond and another version', () => {
    expect(runReportSchema.safeParse({ ...report, extra: 1 }).success).toBe(false);
    expect(runReportSchema.safeParse({ ...report, wall: 0.5 }).success).toBe(false);
    expect(runReportSchema.safeParse({ ...report, schemaVersion: 2 }).success).toBe(false);
    const [first, ...rest] = report.coprocs;
    expect(runReportSchema.safeParse({ ...report, coprocs: [{ ...first, id: 7 }, ...rest] }).success).toBe(
      false,
    );
  });
  test('stands in run-report.schema.json as it is (npx vitest run -u writes it anew)', async () => {
    const text = `${JSON.stringify(runReportJsonSchema(), null, 2)}\n`;
    await expect(text).toMatchFileSnapshot('../../src/observe/run-report.schema.json');
  });
});
