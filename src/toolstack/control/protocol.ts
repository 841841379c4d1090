import { z } from 'zod';
import type { TraceEvent } from '../../contract/events.ts';
import type { Watchdogs } from '../../contract/recovery.ts';
import type { Occupancy } from '../../hypervisor/coproc.ts';
import type { CoprocReport, DomainReport, FaultReport, VcoprocReport } from '../../contract/report.ts';

/** What a scheduler is told of a vcoproc or of itself: names and values as the algorithm knows them. */
const parameters = z.record(z.string().max(64), z.union([z.number(), z.string().max(256)]));
const name = z.string().min(1).max(128);
/** As in a device tree: from 10 us to a minute. */
const microseconds = z.number().min(10).max(6e7);

/** What each verb takes. Whatever comes over the socket is held to this before anything is done. */
export const VERBS = {
  info: z.strictObject({}),
  state: z.strictObject({}),
  dump: z.strictObject({}),
  dumpCoproc: z.strictObject({ coproc: name, file: z.string().min(1).max(4096) }),
  checkpoint: z.strictObject({ folder: z.string().min(1).max(4096), stop: z.boolean().optional() }),
  dmesg: z.strictObject({}),
  events: z.strictObject({}),
  create: z.strictObject({ file: z.string().min(1).max(4096) }),
  destroy: z.strictObject({ domain: name }),
  pause: z.strictObject({ domain: name }),
  unpause: z.strictObject({ domain: name }),
  reboot: z.strictObject({ domain: name }),
  shutdown: z.strictObject({ domain: name }),
  attach: z.strictObject({
    domain: name,
    coproc: name,
    firmware: z.string().min(1).max(4096),
    parameters: parameters.optional(),
  }),
  detach: z.strictObject({ domain: name, coproc: name }),
  reset: z.strictObject({ domain: name, coproc: name }),
  watchdog: z.strictObject({
    coproc: name,
    stopDeadlineUs: microseconds.optional(),
    resetDeadlineUs: microseconds.optional(),
    commandTimeoutUs: microseconds.optional(),
    heartbeatUs: microseconds.optional(),
  }),
  sched: z.strictObject({
    coproc: name,
    algorithm: z.string().min(1).max(4096).optional(),
    timesliceUs: z.number().min(1).max(1e9).optional(),
    /** Of the algorithm; of the domain's vcoproc when one is named. */
    parameters: parameters.optional(),
    domain: name.optional(),
    /** What a new algorithm is told of each domain's vcoproc. */
    domains: z.record(name, parameters).optional(),
  }),
  /** One fault, as a fault plan has it. */
  inject: z.strictObject({ fault: z.record(z.string().max(64), z.unknown()) }),
  faults: z.strictObject({}),
  down: z.strictObject({}),
} as const;

export type Verb = keyof typeof VERBS;
export type Args<V extends Verb> = z.infer<(typeof VERBS)[V]>;

export const requestSchema = z.strictObject({
  id: z.number().int().nonnegative(),
  verb: z.enum(Object.keys(VERBS) as [Verb, ...Verb[]]),
  args: z.record(z.string(), z.unknown()),
});

/** The hypervisor at one instant. */
export interface SystemState {
  /** Nanoseconds since it began. */
  readonly at: number;
  readonly model: string;
  readonly coprocs: readonly (CoprocReport & { readonly now: Occupancy; readonly watchdogs: Watchdogs })[];
  readonly vcoprocs: readonly (VcoprocReport & {
    readonly parameters: Readonly<Record<string, number | string>>;
  })[];
  readonly domains: readonly (DomainReport & { readonly memory: number })[];
}

export interface SystemInfo {
  readonly model: string;
  readonly folder: string;
  readonly pid: number;
  readonly runtime: string;
  readonly seed: number;
  readonly socket: string;
  readonly schedulers: readonly string[];
  readonly platforms: readonly string[];
  readonly firmwares: readonly string[];
}

/** A checkpoint that was written. */
export interface CheckpointTaken {
  readonly folder: string;
  readonly bytes: number;
  /** How long the domains stood still for it, in nanoseconds. */
  readonly pausedFor: number;
}

/** What each verb answers. */
export interface Answers {
  readonly info: SystemInfo;
  readonly state: SystemState;
  readonly dump: SystemState & { readonly log: readonly TraceEvent[] };
  readonly dumpCoproc: null;
  readonly checkpoint: CheckpointTaken;
  readonly dmesg: readonly TraceEvent[];
  readonly events: null;
  readonly create: { readonly domain: string };
  readonly destroy: null;
  readonly pause: null;
  readonly unpause: null;
  readonly reboot: null;
  readonly shutdown: null;
  readonly attach: null;
  readonly detach: null;
  readonly reset: null;
  readonly watchdog: null;
  readonly sched: null;
  /** The fault in words. */
  readonly inject: string;
  readonly faults: readonly FaultReport[];
  readonly down: null;
}

/** What goes back: an answer to one request, or an event to whoever asked for events. */
export type Reply =
  | { readonly id: number; readonly ok: true; readonly value: unknown }
  | { readonly id: number; readonly ok: false; readonly error: string }
  | { readonly event: TraceEvent }
  /** Events that a slow reader did not get. */
  | { readonly lost: number };
