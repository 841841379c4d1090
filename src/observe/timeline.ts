import type { Duration, Instant } from '../base/units.ts';
import { between, instant, START } from '../base/units.ts';
import { inTime, type TraceEvent } from '../contract/events.ts';
import type { CoprocId, VcoprocId } from '../contract/names.ts';
import type { RunReport } from '../contract/report.ts';
import type { CoprocState } from '../contract/states.ts';

/**
 * What a row shows at an instant: the states of a coprocessor, what a vcoproc does while it does not
 * have one, and `unknown` where the trace was not kept.
 */
export const PHASES = [
  'idle',
  'running',
  'saving',
  'loading',
  'denySwitch',
  'faulted',
  'outOfService',
  'waiting',
  'sleeping',
  'isolated',
  'gone',
  'unknown',
] as const;
export type Phase = (typeof PHASES)[number];

export interface Span {
  readonly start: Instant;
  readonly end: Instant;
  readonly phase: Phase;
  /** Whose context it is about. */
  readonly owner: VcoprocId | null;
}

/** The spans of a row follow each other without a gap, from the start of the run to its end. */
export interface Row {
  readonly kind: 'coproc' | 'vcoproc';
  readonly name: string;
  readonly spans: readonly Span[];
}

export interface Mark {
  readonly at: Instant;
  readonly kind: 'fault' | 'denied' | 'interrupt';
  /** The rows that show it, by place. */
  readonly rows: readonly number[];
  readonly text: string;
}

export interface Timeline {
  readonly wall: Duration;
  readonly rows: readonly Row[];
  /** In the order of time. */
  readonly marks: readonly Mark[];
}

/**
 * Who had each coprocessor when, from the trace: a row per coprocessor and, below it, one for each of
 * its vcoprocs. From `traceEndsAt` on the rows read `unknown`.
 */
export function timeline(report: RunReport, trace: readonly TraceEvent[], traceEndsAt?: Instant): Timeline {
  const wall = instant(report.wall);
  const coprocs = report.coprocs.map(({ id }) => ({
    id,
    row: rowBuilder('idle', null),
    state: 'idle' as CoprocState,
    owner: null as VcoprocId | null,
  }));
  const vcoprocs = report.vcoprocs.map(({ id, coproc }) => ({
    id,
    host: coprocs.find((known) => known.id === coproc),
    row: rowBuilder('sleeping', id),
    away: 'sleeping' as Phase,
  }));
  const hosts = new Map(coprocs.map((coproc) => [coproc.id, coproc]));
  const guests = new Map(vcoprocs.map((vcoproc) => [vcoproc.id, vcoproc]));
  const show = (at: Instant, vcoproc: (typeof vcoprocs)[number]): void => {
    const { host } = vcoproc;
    const has = host !== undefined && host.owner === vcoproc.id && host.state !== 'idle';
    vcoproc.row.enter(at, has ? host.state : vcoproc.away, vcoproc.id);
  };

  const events = inTime(trace);
  for (const event of events) {
    const at = Math.min(event.at, wall) as Instant;
    if (event.kind === 'coproc') {
      const coproc = hosts.get(event.coproc);
      if (coproc === undefined) continue;
      const before = coproc.owner;
      coproc.state = event.state;
      coproc.owner = event.vcoproc;
      coproc.row.enter(at, event.state, event.state === 'idle' ? null : event.vcoproc);
      for (const id of new Set([before, event.vcoproc])) {
        const vcoproc = id === null ? undefined : guests.get(id);
        if (vcoproc !== undefined) show(at, vcoproc);
      }
    } else if (event.kind === 'vcoproc') {
      const vcoproc = guests.get(event.vcoproc);
      if (vcoproc === undefined) continue;
      // Without the coprocessor, "running" and "asked to sleep" can only mean that it wants it back.
      vcoproc.away = event.state === 'running' || event.state === 'askedToSleep' ? 'waiting' : event.state;
      show(at, vcoproc);
    }
  }

  const close = (row: RowBuilder): Span[] => row.close(wall, traceEndsAt);
  const rows = coprocs.flatMap((coproc): Row[] => [
    { kind: 'coproc', name: coproc.id, spans: close(coproc.row) },
    ...vcoprocs
      .filter(({ host }) => host === coproc)
      .map(({ id, row }): Row => ({ kind: 'vcoproc', name: id, spans: close(row) })),
  ]);
  return { wall: report.wall, rows, marks: marks(events, rows, wall) };
}

type RowBuilder = ReturnType<typeof rowBuilder>;

/** Spans in the order of time. A state that lasted no time leaves no span; equal neighbours become one. */
function rowBuilder(first: Phase, firstOwner: VcoprocId | null) {
  const spans: Span[] = [];
  let start = START;
  let phase = first;
  let owner = firstOwner;

  const enter = (time: Instant, nextPhase: Phase, nextOwner: VcoprocId | null): void => {
    const at = Math.max(time, start) as Instant;
    if (nextPhase === phase && nextOwner === owner) return;
    if (at > start) spans.push({ start, end: at, phase, owner });
    start = at;
    phase = nextPhase;
    owner = nextOwner;
    const last = spans.at(-1);
    if (last !== undefined && last.phase === phase && last.owner === owner) {
      start = last.start;
      spans.pop();
    }
  };

  const close = (wall: Instant, knownUntil: Instant | undefined): Span[] => {
    if (knownUntil !== undefined && knownUntil < wall) enter(knownUntil, 'unknown', null);
    return wall > start ? [...spans, { start, end: wall, phase, owner }] : spans;
  };
  return { enter, close };
}

function marks(trace: readonly TraceEvent[], rows: readonly Row[], wall: Instant): Mark[] {
  const place = new Map(rows.map(({ name }, index) => [name, index]));
  const on = (...names: readonly (CoprocId | VcoprocId | null)[]): number[] =>
    names.flatMap((name) => (name === null ? [] : (place.get(name) ?? [])));
  const all: Mark[] = [];
  for (const event of trace) {
    const at = Math.min(event.at, wall) as Instant;
    if (event.kind === 'fault') {
      const text = `${event.what}${event.reset ? ' (reset)' : ''}`;
      all.push({ at, kind: 'fault', rows: on(event.coproc, event.vcoproc), text });
    } else if (event.kind === 'denied') {
      const text = `denied, ask again in ${event.retryAfter} ns`;
      all.push({ at, kind: 'denied', rows: on(event.coproc, event.vcoproc), text });
    } else if (event.kind === 'interrupt') {
      all.push({ at, kind: 'interrupt', rows: on(event.vcoproc), text: `interrupt ${event.number}` });
    }
  }
  return all;
}

/** How long each wait for a coprocessor was: from becoming ready to running, by vcoproc. */
export function waits(trace: readonly TraceEvent[]): Map<VcoprocId, Duration[]> {
  const since = new Map<VcoprocId, Instant>();
  const lengths = new Map<VcoprocId, Duration[]>();
  for (const event of inTime(trace)) {
    if (event.kind !== 'vcoproc') continue;
    const began = since.get(event.vcoproc);
    if (event.state === 'waiting') {
      if (began === undefined) since.set(event.vcoproc, event.at);
      continue;
    }
    since.delete(event.vcoproc);
    if (event.state !== 'running' || began === undefined) continue;
    const known = lengths.get(event.vcoproc);
    if (known === undefined) lengths.set(event.vcoproc, [between(began, event.at)]);
    else known.push(between(began, event.at));
  }
  return lengths;
}
