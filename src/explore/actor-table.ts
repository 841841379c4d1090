import { inTime, type TraceEvent } from '../contract/events.ts';
import { coprocOf, domainOf } from '../contract/names.ts';
import { showDuration, type Duration } from '../base/units.ts';

/** A run as a table for people: one row per event, in the order of time, and one column per actor. */
export function actorTable(
  events: readonly TraceEvent[],
  actors: readonly string[],
  mostRows = Infinity,
): string {
  const shown = inTime(events).slice(-Math.min(events.length, mostRows));
  const rows = shown.map((event) => {
    const actor = actorOf(event);
    return [
      showDuration(event.at as number as Duration),
      ...actors.map((name) => (name === actor ? describe(event) : '')),
    ];
  });
  const head = ['time', ...actors];
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => row[column]!.length)),
  );
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (column === 0 ? cell.padStart(widths[0]!) : cell.padEnd(widths[column]!)))
      .join(' | ')
      .trimEnd();
  const left = events.length - shown.length;
  const before = left > 0 ? [`(${left} events before)`] : [];
  return [
    ...before,
    line(head),
    widths.map((width) => '-'.repeat(width)).join('-+-'),
    ...rows.map(line),
    '',
  ].join('\n');
}

/** Whose column an event stands in: a domain's or a coprocessor's. */
function actorOf(event: TraceEvent): string {
  if ('coproc' in event) return event.coproc;
  if ('domain' in event) return event.domain;
  return domainOf(event.vcoproc);
}

function describe(event: TraceEvent): string {
  switch (event.kind) {
    case 'coproc':
      return event.vcoproc === null ? event.state : `${event.state} ${event.vcoproc}`;
    case 'vcoproc':
      return `${coprocOf(event.vcoproc)} ${event.state}`;
    case 'domain':
      return event.reason === null ? event.state : `${event.state}: ${event.reason}`;
    case 'switch':
      return `switch ${event.from ?? 'nobody'} > ${event.to ?? 'nobody'}`;
    case 'denied':
      return `denied by ${event.vcoproc}, again in ${showDuration(event.retryAfter)}`;
    case 'submit':
      return `${coprocOf(event.vcoproc)} submit ${event.op}`;
    case 'complete':
      return `${coprocOf(event.vcoproc)} ${event.status}${event.reason === null ? '' : `: ${event.reason}`}`;
    case 'interrupt':
      return `${coprocOf(event.vcoproc)} irq ${event.number}`;
    case 'fault':
      return `FAULT ${event.vcoproc ?? ''} ${event.what}${event.reset ? ' (reset)' : ''}`;
    case 'dump':
      return `dump of ${event.vcoproc ?? 'nobody'} in ${event.file}`;
    case 'recovery':
      return `${event.step} ${event.vcoproc ?? ''}: ${event.why}`;
    case 'log':
      return event.line;
    default:
      return event satisfies never;
  }
}
