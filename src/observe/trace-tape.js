/** The keys of each kind of event, in the order in which the tape writes them. */
export const TRACE_KEYS = {
  coproc: ['coproc', 'state', 'vcoproc'],
  vcoproc: ['vcoproc', 'state'],
  domain: ['domain', 'state', 'reason'],
  switch: ['coproc', 'from', 'to', 'cost', 'saved', 'loaded'],
  denied: ['coproc', 'vcoproc', 'retryAfter'],
  submit: ['vcoproc', 'op'],
  complete: ['vcoproc', 'status', 'reason', 'latency'],
  interrupt: ['vcoproc', 'number'],
  fault: ['coproc', 'vcoproc', 'what', 'reset'],
  log: ['domain', 'line'],
};
/** One event as one line of JSON. The order of keys is fixed, so that equal events give equal bytes. */
export function tapeLine(event) {
  return JSON.stringify(event, ['at', 'kind', ...TRACE_KEYS[event.kind]]);
}
/** The events as JSON lines, each ended by a line feed. */
export function tape(events) {
  const lines = [];
  for (const event of events) lines.push(tapeLine(event));
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}
