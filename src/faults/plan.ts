import { inspect } from 'node:util';
import { z } from 'zod';
import { nearest } from '../base/nearest.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import { ns, readDuration, showDuration, type Duration } from '../base/units.ts';
import { MOST_QUEUES } from '../contract/guest.ts';
import { AILMENTS, CORE_POINTS, type Ailment, type CorePoint } from '../coprocessor/ailments.ts';
import { LINES } from '../memory/context-image.ts';

/** `12ms`, or a number of nanoseconds. */
const length = z
  .union([
    z.number().nonnegative(),
    z.string().refine((text) => readDuration(text) !== undefined, 'expected a length of time, as in 12ms'),
  ])
  .transform((value): Duration => (typeof value === 'number' ? ns(value) : readDuration(value)!));

const count = z.int().min(1).max(1_000_000);
const event = z.string().optional();
const plus = length.optional();

/** Calls of the hypervisor that a fault may hang on, or that may fail, in the order in which a domain is created. */
export const CALL_POINTS = ['start', 'allocate', 'firmware', 'admit', 'attach', 'queue-create'] as const;
export type CallPoint = (typeof CALL_POINTS)[number];
const POINTS = [...CALL_POINTS, ...CORE_POINTS] as const;
export type Point = (typeof POINTS)[number];
export const isCorePoint = (point: Point): point is CorePoint =>
  (CORE_POINTS as readonly string[]).includes(point);

/**
 * When: so long after the start; at a moment within that time that the seed draws; at the n-th time that a point is
 * reached; at the n-th event of the trace (of one kind, or of one state), or at each with a probability, and so long
 * after it.
 */
const moment = z.union([
  z.strictObject({ at: length }),
  z.strictObject({ within: length }),
  z.strictObject({ point: z.enum(POINTS), nth: count }),
  z.strictObject({ event, nth: count, plus }),
  z.strictObject({ event, probability: z.number().gt(0).max(1), plus }),
]);

const when = { when: moment };
const onCoproc = { coproc: z.string(), ...when };
/** With a domain: only while that domain's context is loaded. */
const onHolder = { domain: z.string().optional(), ...onCoproc };
/** With a line: only interrupts on it. */
const onLine = {
  line: z
    .int()
    .min(0)
    .max(LINES - 1)
    .optional(),
  ...onHolder,
};
const queue = z
  .int()
  .min(0)
  .max(MOST_QUEUES - 1)
  .optional();
const onVcoproc = { vcoproc: z.string(), ...when };
const onDomain = { domain: z.string(), ...when };

/** One fault of a plan: what, on whom, when. */
export const faultSchema = z.discriminatedUnion('fault', [
  z.strictObject({ fault: z.literal('kill'), ...onCoproc }),
  z.strictObject({ fault: z.literal('hang'), ...onCoproc }),
  z.strictObject({ fault: z.literal('stall'), for: length, ...onCoproc }),
  z.strictObject({ fault: z.literal('slow'), times: z.number().min(1).max(1000), for: length, ...onCoproc }),
  z.strictObject({ fault: z.literal('exhaust-heap'), ...onCoproc }),
  z.strictObject({ fault: z.literal('lose-interrupts'), count, ...onLine }),
  z.strictObject({ fault: z.literal('duplicate-interrupts'), count, ...onLine }),
  z.strictObject({ fault: z.literal('delay-interrupts'), by: length, count, ...onLine }),
  /** With a domain, and a queue of it: only while commands wait there. */
  z.strictObject({ fault: z.literal('drop-doorbells'), count, queue, ...onHolder }),
  z.strictObject({ fault: z.literal('trap'), ...onHolder }),
  z.strictObject({ fault: z.literal('hang-firmware'), ...onHolder }),
  z.strictObject({ fault: z.literal('deny-switches'), count, retry: length, ...onHolder }),
  z.strictObject({ fault: z.literal('runaway-dma'), count, ...onHolder }),
  z.strictObject({ fault: z.literal('interrupt-storm'), count, ...onHolder }),
  z.strictObject({ fault: z.literal('fault-storm'), count: z.int().min(1).max(10_000), ...onHolder }),
  /** `bit`: which, as a fraction of the image from 0 to 1. */
  z.strictObject({ fault: z.literal('flip-bit'), bit: z.number().min(0).max(1), ...onVcoproc }),
  /** What lies behind `keep`, a fraction of the image, is gone. */
  z.strictObject({ fault: z.literal('truncate'), keep: z.number().min(0).max(1), ...onVcoproc }),
  /** The default queue, where none is named. */
  z.strictObject({ fault: z.literal('corrupt-ring'), queue, ...onVcoproc }),
  z.strictObject({ fault: z.literal('crash-guest'), ...onDomain }),
  z.strictObject({ fault: z.literal('destroy-domain'), ...onDomain }),
  z.strictObject({ fault: z.literal('pause-domain'), for: length, ...onDomain }),
  /** Timers that are due meanwhile are late by so much. */
  z.strictObject({ fault: z.literal('late-timers'), by: length, for: length, ...when }),
  /** The call or step at which it hangs fails; a coprocessor dies of a step that fails. */
  z.strictObject({ fault: z.literal('fail'), coproc: z.string().optional(), ...when }),
]);

export type Fault = z.infer<typeof faultSchema>;
export type FaultKind = Fault['fault'];
export type Moment = Fault['when'];

/** Can happen at any point of a coprocessor. */
const ANYWHERE: ReadonlySet<FaultKind> = new Set<FaultKind>([
  'kill',
  'fail',
  'hang',
  'stall',
  'exhaust-heap',
]);

const planSchema = z.strictObject({
  faults: z
    .array(
      faultSchema.superRefine((fault, context) => {
        const problem = impossible(fault);
        if (problem !== undefined) context.addIssue({ code: 'custom', path: ['when'], message: problem });
      }),
    )
    .max(10_000),
});

/** A fault without its moment. */
export type What = Fault extends infer One ? (One extends Fault ? Omit<One, 'when'> : never) : never;

/** The points at which a fault can happen. */
export function pointsOf(fault: What): readonly Point[] {
  if (fault.fault === 'fail' && fault.coproc === undefined) return CALL_POINTS;
  if (ANYWHERE.has(fault.fault)) return POINTS;
  const own = pointOf(fault);
  return own === undefined ? CALL_POINTS : [...CALL_POINTS, own];
}

/** Why a fault cannot happen at its moment, if it cannot. */
function impossible(fault: Fault): string | undefined {
  const point = 'point' in fault.when ? fault.when.point : undefined;
  if (fault.fault === 'drop-doorbells' && fault.queue !== undefined && fault.domain === undefined)
    return `queue ${fault.queue} is a domain's; expected domain, too`;
  if (fault.fault === 'fail') {
    if (point === undefined)
      return `a call fails at its point; expected point and nth, with one of ${POINTS.join(', ')}`;
    return pointsOf(fault).includes(point) ? undefined : `${point} is a coprocessor's; expected coproc, too`;
  }
  if (point === undefined || pointsOf(fault).includes(point)) return undefined;
  const own = pointOf(fault);
  return `${fault.fault} does not happen at ${point}; expected ${own === undefined ? '' : `${own} or `}${CALL_POINTS.join(', ')}`;
}

/** Where it shows in a coprocessor. Wires have no points of their own. */
const pointOf = (fault: What): CorePoint | undefined =>
  isOfWire(fault) ? undefined : AILMENTS[fault.fault as Ailment];

type OnLine = Extract<What, { line?: number | undefined }>;
const isOnLine = (fault: What): fault is OnLine => fault.fault.endsWith('-interrupts');

/** Whether it is about the wire on which a coprocessor rings its hypervisor, not about interrupts of contexts. */
export const isOfWire = (fault: What): boolean =>
  isOnLine(fault) && fault.line === undefined && fault.domain === undefined;

/** What goes wrong in a run, and when. It knows no runtime. */
export type FaultPlan = z.infer<typeof planSchema>;

export const NO_FAULTS: FaultPlan = { faults: [] };

/** Checks a plan that came from outside; a refusal says in one line what is wrong and where. */
export function readPlan(value: unknown): Outcome<FaultPlan> {
  const parsed = planSchema.safeParse(value);
  return parsed.success
    ? ok(parsed.data)
    : failed(parsed.error.issues.map((issue) => problemOf(issue, value)).join('; '));
}

/** What a person is told of one mistake. */
function problemOf(issue: z.core.$ZodIssue, plan: unknown): string {
  const { path, message } = issue;
  const where = path.join('.');
  const given = path.reduce(
    (at: unknown, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key],
    plan,
  );
  if (path.length < 2 && issue.code === 'invalid_type') return 'expected faults, and below it a list of them';
  if (path.at(-1) === 'when' && issue.code === 'invalid_union')
    return `${where}: ${shown(given)}; expected ${MOMENTS}`;
  if (path.at(-1) === 'fault') {
    const near = typeof given === 'string' ? nearest(given, KINDS) : undefined;
    const meant = near === undefined ? '' : `did you mean ${near}? `;
    return `${where}: ${shown(given)}: there is no such fault; ${meant}covisor list-faults has them all`;
  }
  if (issue.code === 'invalid_union')
    return `${where}: ${shown(given)}; expected a length of time, as in 12ms`;
  if (issue.code === 'unrecognized_keys') return `${where || 'the plan'}: it has no ${issue.keys.join(', ')}`;
  if (issue.code === 'invalid_type' && message.endsWith('received undefined'))
    return `${where}: it is missing; expected a ${issue.expected}`;
  return `${where}: ${message}`;
}

const shown = (given: unknown): string =>
  given === undefined ? 'it is missing' : inspect(given, { breakLength: Infinity }).slice(0, 80);

const KINDS = faultSchema.options.map(({ shape }) => shape.fault.value);

const MOMENTS =
  '{ at: 12ms }, { within: 12ms }, { point: save, nth: 1 }, { event: switch, nth: 3 } or { event: switch, probability: 0.1 }';

/** One line for people: `kill coproc=gpu0 at 12.0 ms`. */
export function showFault(fault: Fault): string {
  const { fault: kind, when, ...rest } = fault;
  const details = Object.entries(rest).map(([key, value]) =>
    key === 'for' || key === 'by' || key === 'retry'
      ? `${key}=${showDuration(value as Duration)}`
      : `${key}=${value}`,
  );
  return [kind, ...details, showMoment(when)].join(' ');
}

function showMoment(when: Moment): string {
  if ('at' in when) return `at ${showDuration(when.at)}`;
  if ('within' in when) return `within ${showDuration(when.within)}`;
  if ('point' in when) return `at ${when.point} ${when.nth}`;
  const plus = when.plus === undefined ? '' : ` plus ${showDuration(when.plus)}`;
  const what = when.event ?? 'event';
  return 'nth' in when
    ? `after ${what} ${when.nth}${plus}`
    : `after each ${what} with probability ${when.probability}${plus}`;
}
