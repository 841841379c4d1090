import { z } from 'zod';
import type { RecordedDump } from '../../contract/crash-dump.ts';
import { COPROC_STATES } from '../../contract/states.ts';
import { coprocReportSchema, vcoprocReportSchema } from '../../observe/json-schema.ts';
import { readSealed, seal, type SealedKind } from '../sealed-file.ts';
import { shown } from '../files.ts';
import { UsageError } from '../usage.ts';

const DUMP: SealedKind = { tag: 'DUMP', name: 'crash dump', version: 1, most: 64 * 1024 * 1024 };
/** Of a local memory, as the device tree bounds it. */
const MOST_MEMORY = 2 ** 32;

const word = z.int();
const ring = z.strictObject({ capacity: word, head: word, tail: word });

const context = z.strictObject({
  vcoproc: z.string(),
  firmware: z.strictObject({ name: z.string(), sha256: z.string(), digest: z.string() }),
  from: z.enum(['window', 'image']),
  image: z.enum(['fresh', 'saved', 'away']),
  registers: z.array(z.strictObject({ name: z.string(), offset: word, value: word })),
  globals: z.array(z.strictObject({ type: z.enum(['i32', 'i64', 'f32', 'f64']), value: z.string() })),
  active: z.strictObject({ queue: word, sequence: word }).nullable(),
  commandAddress: word,
  pending: z.array(z.strictObject({ line: word, count: word })),
  queues: z.array(
    z.strictObject({
      index: word,
      commands: ring,
      completions: ring,
      unfetched: z.array(z.strictObject({ sequence: word, op: word, args: z.array(word) })),
    }),
  ),
  memory: z.strictObject({
    size: z.int().nonnegative().max(MOST_MEMORY),
    pages: z.array(z.strictObject({ at: z.int().nonnegative(), bytes: z.instanceof(Uint8Array) })),
    leftOut: z.int().nonnegative(),
  }),
});

const schema = z.strictObject({
  covisor: z.string(),
  at: z.int(),
  runtime: z.enum(['threads', 'simulated']),
  reason: z.string(),
  coproc: coprocReportSchema.extend({ state: z.enum(COPROC_STATES), owner: z.string().nullable() }),
  vcoprocs: z.array(
    vcoprocReportSchema.extend({
      parameters: z.record(z.string(), z.union([z.number(), z.string()])),
    }),
  ),
  rings: z.strictObject({ control: ring, events: ring, posted: ring }),
  context: context.nullable(),
  events: z.array(z.looseObject({ at: z.number(), kind: z.string() })),
});

export const sealDump = (dump: RecordedDump): Buffer => seal(DUMP, dump);

/** Reads a crash dump. Throws a `UsageError` of one line for whatever is none, or is not whole. */
export function readDump(path: string): RecordedDump {
  const checked = schema.safeParse(readSealed(DUMP, path));
  if (checked.success) return checked.data as unknown as RecordedDump;
  const [issue] = checked.error.issues;
  throw new UsageError(
    `${shown(path)} is no crash dump as this build writes them: ${issue?.path.join('.')}: ${issue?.message}`,
  );
}
