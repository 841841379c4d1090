import { z } from 'zod';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import { ms, ns, seconds, us, type Duration } from '../base/units.ts';

const UNITS = { ns, us, ms, s: seconds } as const;

/** `12ms`, or a number of nanoseconds. */
const length = z
  .union([
    z.number().nonnegative(),
    z.string().regex(/^\d+(\.\d+)?(ns|us|ms|s)$/, 'expected a length of time, as in 12ms'),
  ])
  .transform((value): Duration => {
    if (typeof value === 'number') return ns(value);
    const [, number, unit] = /^([\d.]+)([a-z]+)$/.exec(value)!;
    return UNITS[unit as keyof typeof UNITS](Number(number));
  });

const count = z.int().min(1).max(1_000_000);

/**
 * When: so long after the start, or after the n-th event of the trace (of one kind, or of one state), and
 * so long after that.
 */
const moment = z.union([
  z.strictObject({ at: length }),
  z.strictObject({ event: z.string().optional(), nth: count, plus: length.optional() }),
]);

const when = { when: moment };
const onCoproc = { coproc: z.string(), ...when };
const onVcoproc = { vcoproc: z.string(), ...when };
const onDomain = { domain: z.string(), ...when };

/** One fault of a plan: what, on whom, when. */
export const faultSchema = z.discriminatedUnion('fault', [
  z.strictObject({ fault: z.literal('kill'), ...onCoproc }),
  z.strictObject({ fault: z.literal('hang'), ...onCoproc }),
  z.strictObject({ fault: z.literal('stall'), for: length, ...onCoproc }),
  z.strictObject({ fault: z.literal('slow'), times: z.number().min(1).max(1000), for: length, ...onCoproc }),
  z.strictObject({ fault: z.literal('lose-interrupts'), count, ...onCoproc }),
  z.strictObject({ fault: z.literal('duplicate-interrupts'), count, ...onCoproc }),
  z.strictObject({ fault: z.literal('delay-interrupts'), by: length, count, ...onCoproc }),
  z.strictObject({ fault: z.literal('drop-doorbells'), count, ...onCoproc }),
  z.strictObject({ fault: z.literal('deny-switches'), count, retry: length, ...onCoproc }),
  z.strictObject({ fault: z.literal('runaway-dma'), count, ...onCoproc }),
  /** `bit`: which, as a fraction of the image from 0 to 1. */
  z.strictObject({ fault: z.literal('flip-bit'), bit: z.number().min(0).max(1), ...onVcoproc }),
  /** What lies behind `keep`, a fraction of the image, is gone. */
  z.strictObject({ fault: z.literal('truncate'), keep: z.number().min(0).max(1), ...onVcoproc }),
  z.strictObject({ fault: z.literal('crash-guest'), ...onDomain }),
  z.strictObject({ fault: z.literal('destroy-domain'), ...onDomain }),
  z.strictObject({ fault: z.literal('pause-domain'), for: length, ...onDomain }),
  /** Timers that are due meanwhile are late by so much. */
  z.strictObject({ fault: z.literal('late-timers'), by: length, for: length, ...when }),
]);

export type Fault = z.infer<typeof faultSchema>;
export type FaultKind = Fault['fault'];
export type Moment = Fault['when'];

const planSchema = z.strictObject({ faults: z.array(faultSchema).max(10_000) });

/** What goes wrong in a run, and when. It knows no runtime. */
export type FaultPlan = z.infer<typeof planSchema>;

export const NO_FAULTS: FaultPlan = { faults: [] };

/** Checks a plan that came from outside; a refusal says what is wrong and where, one line per problem. */
export function readPlan(value: unknown): Outcome<FaultPlan> {
  const parsed = planSchema.safeParse(value);
  if (parsed.success) return ok(parsed.data);
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${path.join('.') || 'the plan'}: ${message}`,
  );
  return failed(problems.join('\n'));
}

/** One line for people: `kill gpu0 at 12 ms`. */
export function showFault(fault: Fault): string {
  const { fault: kind, when, ...rest } = fault;
  const details = Object.entries(rest).map(([key, value]) => `${key}=${value}`);
  const time =
    'at' in when
      ? `at ${when.at} ns`
      : `after ${when.event ?? 'event'} ${when.nth}${when.plus ? ` plus ${when.plus} ns` : ''}`;
  return [kind, ...details, time].join(' ');
}
