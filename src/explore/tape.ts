import { z } from 'zod';
import type { Duration, Instant } from '../base/units.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import { faultSchema, type FaultPlan } from '../faults/plan.ts';
import type { Decision } from './decisions.ts';
import type { Failure, TrialResult } from './trial.ts';

const decisionSchema = z.strictObject({
  point: z.string(),
  nth: z.int().min(0),
  options: z.int().min(2),
  choice: z.int().min(1),
});

const FORMAT = 'covisor tape';
const VERSION = 1;
const EXPECTED = 'expected what covisor explore wrote';

const tapeSchema = z.strictObject({
  format: z.literal(FORMAT),
  version: z.literal(VERSION),
  /** A system's folder as the campaign was given it, or the name of a built-in one. */
  system: z.string(),
  seed: z.int().nullable(),
  /** Virtual time after which a folder's domains are over, in nanoseconds. */
  length: z.int().min(1).default(1e9),
  /** Faults that the oracle may add to the plan. */
  faults: z.int().min(0),
  plan: z.strictObject({ faults: z.array(faultSchema) }),
  /** What the run comes to when the code still matches. */
  expect: z.strictObject({
    law: z.string(),
    what: z.string(),
    step: z.int(),
    at: z.number(),
    asked: z.int(),
    fingerprint: z.int(),
  }),
  decisions: z.array(decisionSchema),
});

/** Everything that makes a failing run happen again. */
export interface Tape {
  readonly system: string;
  readonly seed: number | null;
  /** Virtual time after which a folder's domains are over. */
  readonly length: Duration;
  readonly faults: number;
  readonly plan: FaultPlan;
  readonly decisions: readonly Decision[];
  readonly expect: Failure & { readonly asked: number; readonly fingerprint: number };
}

export const tapeOf = (
  run: Pick<Tape, 'system' | 'seed' | 'length' | 'faults' | 'plan'>,
  result: TrialResult & { readonly failure: Failure },
): Tape => ({
  ...run,
  decisions: result.decisions,
  expect: { ...result.failure, asked: result.asked, fingerprint: result.fingerprint },
});

/** One decision per line, so that two tapes can be compared as text. */
export function writeTape({ decisions, ...head }: Tape): string {
  const lines = decisions.map((decision) => `    ${JSON.stringify(decision)}`);
  const front = JSON.stringify({ format: FORMAT, version: VERSION, ...head }, null, 2).slice(0, -2);
  return `${front},\n  "decisions": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

/** The reason of a failure is about the file: it `is no tape: …`. */
export function readTape(text: string): Outcome<Tape> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return failed(`is no tape: it is not JSON; ${EXPECTED}`);
  }
  const { format, version } = (value ?? {}) as { readonly format?: unknown; readonly version?: unknown };
  if (format === FORMAT && typeof version === 'number' && version !== VERSION)
    return failed(`was written by another Covisor (tape version ${version}); this one reads ${VERSION}`);
  const parsed = tapeSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return failed(`is no tape: ${issue!.path.join('.') || 'the file'}: ${issue!.message}; ${EXPECTED}`);
  }
  const { format: _format, version: _version, expect, ...tape } = parsed.data;
  return ok({ ...tape, length: tape.length as Duration, expect: { ...expect, at: expect.at as Instant } });
}
