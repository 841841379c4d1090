import type { TraceEvent } from '../contract/events.ts';

/** A key of some event besides `at` and `kind`. */
type Keys<Event> = Event extends TraceEvent ? Exclude<keyof Event, 'at' | 'kind'> : never;
export type TraceKey = Keys<TraceEvent>;

/** The keys of each kind of event, in the order in which the tape writes them. */
export const TRACE_KEYS: {
  readonly [Kind in TraceEvent['kind']]: readonly Keys<Extract<TraceEvent, { kind: Kind }>>[];
} = {
  coproc: ['coproc', 'state', 'vcoproc'],
  vcoproc: ['vcoproc', 'state'],
  domain: ['domain', 'state', 'reason'],
  switch: ['coproc', 'from', 'to', 'cost', 'saved', 'loaded'],
  denied: ['coproc', 'vcoproc', 'retryAfter'],
  submit: ['vcoproc', 'op'],
  complete: ['vcoproc', 'status', 'reason', 'latency'],
  interrupt: ['vcoproc', 'number'],
  fault: ['coproc', 'vcoproc', 'what', 'reset'],
  dump: ['coproc', 'vcoproc', 'file'],
  recovery: ['coproc', 'vcoproc', 'step', 'why'],
  log: ['domain', 'line'],
};

/** One event as one line of JSON. The order of keys is fixed, so that equal events give equal bytes. */
function tapeLine(event: TraceEvent): string {
  return JSON.stringify(event, ['at', 'kind', ...TRACE_KEYS[event.kind]]);
}

/** The events as JSON lines, each ended by a line feed. */
export function tape(events: Iterable<TraceEvent>): string {
  const lines: string[] = [];
  for (const event of events) lines.push(tapeLine(event));
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
