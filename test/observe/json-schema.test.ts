import { format } from 'prettier';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import type { RunReport } from '../../src/contract/report.ts';
import { runReportJsonSchema, runReportSchema } from '../../src/observe/json-schema.ts';
import { syntheticRun } from './fixtures.ts';

const { report } = syntheticRun();

describe('the schema of the run report', () => {
  test('accepts a report, and what comes back is the same', () => {
    expect(runReportSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
    const typed: z.input<typeof runReportSchema> = structuredClone(report) as Mutable<RunReport>;
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
    const text = await format(JSON.stringify(runReportJsonSchema()), { parser: 'json', printWidth: 110 });
    await expect(text).toMatchFileSnapshot('../../src/observe/run-report.schema.json');
  });
});

/** Readonly and branded types are the report's own; JSON knows neither. */
type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? T extends string | number
      ? T
      : { -readonly [Key in keyof T]: Mutable<T[Key]> }
    : T;
