import { z } from 'zod';
import { DOMAIN_STATES, VCOPROC_STATES } from '../contract/states.ts';

const duration = z.int().nonnegative().meta({ id: 'duration', description: 'Nanoseconds.' });
const count = z.int().nonnegative().meta({ id: 'count' });

const spread = z
  .strictObject({ count, p50: duration, p99: duration, max: duration })
  .meta({ id: 'spread', description: 'Median, 99th percentile and largest; all zero when there were none.' });

/** One coprocessor's account. */
export const coprocReportSchema = z
  .strictObject({
    id: z.string(),
    platform: z.string(),
    scheduler: z.string(),
    timeslice: duration,
    running: duration,
    switching: duration,
    idle: duration,
    faulted: duration,
    wall: duration,
    switches: count,
    denials: count,
    resets: count,
    vcoprocResets: count,
    isolated: count,
    outOfService: z.string().nullable().meta({ description: 'Why it is not used any more.' }),
    switchCost: spread,
    iotlb: z.strictObject({ hits: count, misses: count }).meta({
      description: 'Translations that stood in the IOTLB, and those that took a walk of the page table.',
    }),
    faults: z.array(z.string()).meta({ description: 'What its scheduler did wrong, newest last.' }),
  })
  .meta({ id: 'coproc', description: 'running + switching + idle + faulted = wall, exactly.' });

const commands = z
  .strictObject({ submitted: count, ok: count, failed: count, cancelled: count })
  .meta({ id: 'commands', description: 'submitted = ok + failed + cancelled.' });

const interrupts = z
  .strictObject({ raised: count, delivered: count, pending: count, dropped: count })
  .meta({ id: 'interrupts', description: 'raised = delivered + pending + dropped.' });

/** One vcoproc's account. */
export const vcoprocReportSchema = z
  .strictObject({
    id: z.string().meta({ description: 'domain/coproc' }),
    domain: z.string(),
    coproc: z.string(),
    firmware: z.string(),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/)
      .meta({ description: 'SHA-256 of the firmware file.' }),
    state: z.enum(VCOPROC_STATES),
    time: duration.meta({ description: 'Time that it had the coprocessor, in nanoseconds.' }),
    slices: count,
    overrun: duration.meta({
      description: 'Time past the end of its slices though it was asked to leave, in nanoseconds.',
    }),
    wait: spread.meta({ description: 'From becoming ready to getting the coprocessor.' }),
    commands,
    interrupts,
    resets: z.strictObject({ guilty: count, innocent: count }).meta({
      description: 'Resets that it was the cause of, and those of its coprocessor that it was not.',
    }),
    faults: z.array(z.string()).meta({ description: 'The last faults that it was blamed for, newest last.' }),
    earlierFaults: count,
  })
  .meta({ id: 'vcoproc' });

const domain = z
  .strictObject({
    name: z.string(),
    state: z.enum(DOMAIN_STATES),
    reason: z.string().nullable().meta({ description: 'Why it crashed.' }),
    results: z.array(z.strictObject({ what: z.string(), ok: z.boolean(), detail: z.string() })),
    files: z.array(z.string()).meta({ description: 'Paths below the output folder.' }),
  })
  .meta({ id: 'domain' });

const fault = z
  .strictObject({
    kind: z.string(),
    fault: z.string().meta({ description: 'What, on whom, when.' }),
    times: count,
    at: z.int().nonnegative().nullable().meta({ description: 'When it happened first, in nanoseconds.' }),
    became: z.enum(['recovered', 'reported', 'refused', 'never happened']),
    detail: z.string().meta({ description: 'Who was told what.' }),
  })
  .meta({ id: 'fault', description: 'What became of a fault of the plan; only of a run with one.' });

const prediction = z
  .strictObject({
    board: z.array(
      z.strictObject({
        coproc: z.string(),
        clock: z.number().nonnegative().meta({ description: 'Hz.' }),
        switchBandwidth: z.number().nonnegative().meta({ description: 'Bytes per second.' }),
        dmaBandwidth: z.number().nonnegative().meta({ description: 'Bytes per second.' }),
        interruptLatency: duration,
      }),
    ),
    work: z.array(
      z.strictObject({
        vcoproc: z.string(),
        perSecond: z.number().nonnegative().meta({ description: 'Commands that succeed in a second.' }),
        latency: spread.meta({ description: 'From submit to completion of commands that succeeded.' }),
      }),
    ),
  })
  .meta({
    id: 'prediction',
    description: 'What a simulated run says of the described board, and the figures that it rests on.',
  });

/** What `covisor run --json` prints, field by field: an unknown field is refused. */
export const runReportSchema = z
  .strictObject({
    schemaVersion: z.literal(1),
    system: z.string(),
    model: z.string(),
    runtime: z.enum(['threads', 'simulated']),
    seed: z.int(),
    wall: duration,
    ok: z.boolean(),
    violations: z.array(z.string()).meta({ description: 'The laws that do not hold, in words.' }),
    coprocs: z.array(coprocReportSchema),
    vcoprocs: z.array(vcoprocReportSchema),
    domains: z.array(domain),
    faults: z.array(fault).optional(),
    prediction: prediction.optional(),
    report: z.string().nullable().meta({ description: "The run's report page, below the output folder." }),
  })
  .meta({ title: 'Covisor run report', description: 'One run in figures. All times are in nanoseconds.' });

/** The same as a JSON Schema document (draft 2020-12), as it stands in `run-report.schema.json`. */
export function runReportJsonSchema(): object {
  return z.toJSONSchema(runReportSchema);
}
