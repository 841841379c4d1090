import { toMs, showDuration, type Duration } from '../../base/units.ts';
import type {
  CommandDump,
  ContextDump,
  QueueDump,
  RecordedDump,
  RingDump,
} from '../../contract/crash-dump.ts';
import type { TraceEvent } from '../../contract/events.ts';
import { printable } from '../../observe/printable.ts';
import { textTable, type Column } from '../../observe/text-table.ts';

/** What of a dump is shown to people. */
export interface Shown {
  readonly width: number;
  /** Pages of local memory, and commands of a queue; the rest is counted. */
  readonly pages: number;
}

const ROW = 16;
const MOST_COMMANDS = 8;

const hex = (value: number, digits: number): string =>
  `0x${(value >>> 0).toString(16).padStart(digits, '0')}`;

/** A crash dump as text. Everything in it came from a file: nothing of it reaches the terminal unescaped. */
export function dumpText(dump: RecordedDump, { width, pages }: Shown): string {
  const { coproc, context, rings, vcoprocs, events } = dump;
  const table = <Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string[] =>
    rows.length === 0 ? ['none'] : textTable(columns, rows, { width: width - 2, paintHead: (head) => head });
  const section = (title: string, lines: readonly string[]): string[] => [
    '',
    title,
    ...lines.map((line) => `  ${line}`.trimEnd()),
  ];
  const blamed = context === null ? 'nobody had it' : context.vcoproc;
  const lines = [
    printable(`${coproc.id}: ${dump.reason}`),
    printable(
      `${blamed}, at ${toMs(dump.at as number as Duration).toFixed(3)} ms, ${dump.runtime} runtime, Covisor ${dump.covisor}`,
    ),
    ...section('coprocessor', [
      printable(
        `${coproc.state}, ${coproc.owner === null ? 'with nobody' : `with ${coproc.owner}`}, ${coproc.platform}`,
      ),
      printable(`scheduler ${coproc.scheduler}, slices of ${showDuration(coproc.timeslice)}`),
      `running ${showDuration(coproc.running)}, switching ${showDuration(coproc.switching)}, idle ${showDuration(coproc.idle)}, faulted ${showDuration(coproc.faulted)}`,
      `${coproc.switches} switches, ${coproc.denials} denials, ${coproc.resets} resets`,
      ...(['control', 'events', 'posted'] as const).map((name) => `ring ${name}: ${ringText(rings[name])}`),
    ]),
    ...section('vcoprocs', table(VCOPROC_COLUMNS, vcoprocs)),
    ...(context === null ? [] : contextSections(context, pages, section, table)),
    ...section(`last ${events.length} events`, table(EVENT_COLUMNS, events)),
  ];
  return `${lines.join('\n')}\n`;
}

function contextSections(
  context: ContextDump,
  pages: number,
  section: (title: string, lines: readonly string[]) => string[],
  table: <Row>(columns: readonly Column<Row>[], rows: readonly Row[]) => string[],
): string[] {
  const { firmware, memory, active, pending, globals } = context;
  const read = context.from === 'window' ? 'as the coprocessor had them' : 'as the context image has them';
  const under = active === null ? 'none' : `${active.sequence} of queue ${active.queue}`;
  const older = context.image === 'away' && context.from === 'window' ? ' (as of its last arrival)' : '';
  return [
    ...section('context', [
      printable(`firmware ${firmware.name}, sha256 ${firmware.sha256}`),
      `image ${context.image}, command under way: ${under}${older}`,
      `interrupts pending: ${pending.map(({ line, count }) => `line ${line} ${count} times`).join(', ') || 'none'}`,
      printable(
        `globals${older}: ${globals.map(({ type, value }) => `${type} ${value}`).join(', ') || 'none'}`,
      ),
    ]),
    ...section(`registers, ${read}`, table(REGISTER_COLUMNS, context.registers)),
    ...context.queues.flatMap((queue) => section(`queue ${queue.index}`, queueText(queue))),
    ...section(
      `local memory, ${memory.size} bytes: ${memory.pages.length + memory.leftOut} pages are not all zero`,
      memoryText(memory, pages),
    ),
  ];
}

const ringText = ({ capacity, head, tail }: RingDump): string =>
  `head ${head}, tail ${tail}, ${(head - tail) | 0} of ${capacity} waiting`;

function queueText({ commands, completions, unfetched }: QueueDump): string[] {
  const more = unfetched.length - MOST_COMMANDS;
  const shown = unfetched.slice(0, MOST_COMMANDS).map(commandText);
  return [
    `commands: ${ringText(commands)}`,
    `completions: ${ringText(completions)}`,
    ...shown,
    ...(more > 0 ? [`and ${more} more`] : []),
  ];
}

function commandText({ sequence, op, args }: CommandDump): string {
  const last = args.findLastIndex((arg) => arg !== 0);
  return `command ${sequence}: op ${op}, args ${
    args
      .slice(0, last + 1)
      .map((arg) => hex(arg, 1))
      .join(' ') || 'none'
  }`;
}

function memoryText({ pages, leftOut }: ContextDump['memory'], most: number): string[] {
  const hidden = Math.max(0, pages.length - most) + leftOut;
  return [
    ...pages.slice(0, most).flatMap(({ at, bytes }) => hexdump(at, bytes)),
    ...(hidden > 0
      ? [`and ${hidden} more${leftOut > 0 ? `, ${leftOut} of them not in the dump` : '; --pages shows more'}`]
      : []),
  ];
}

/** As `hexdump -C` has it: rows like the one before them are one star. */
function hexdump(at: number, bytes: Uint8Array): string[] {
  const lines: string[] = [];
  let before = '';
  for (let row = 0; row < bytes.length; row += ROW) {
    const part = [...bytes.subarray(row, row + ROW)];
    const digits = part.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
    if (digits !== before) {
      const text = part
        .map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'))
        .join('');
      lines.push(`${(at + row).toString(16).padStart(8, '0')}  ${digits.padEnd(ROW * 3 - 1)}  ${text}`);
    } else if (lines.at(-1) !== '*') lines.push('*');
    before = digits;
  }
  return lines;
}

const REGISTER_COLUMNS: readonly Column<ContextDump['registers'][number]>[] = [
  { head: 'register', cell: ({ name }) => printable(name) },
  { head: 'offset', cell: ({ offset }) => hex(offset, 3) },
  { head: 'value', cell: ({ value }) => hex(value, 8) },
];

const VCOPROC_COLUMNS: readonly Column<RecordedDump['vcoprocs'][number]>[] = [
  { head: 'vcoproc', cell: ({ id }) => printable(id) },
  { head: 'firmware', cell: ({ firmware }) => printable(firmware) },
  { head: 'state', cell: ({ state }) => state },
  { head: 'time', align: 'right', cell: ({ time }) => showDuration(time) },
  { head: 'slices', align: 'right', cell: ({ slices }) => String(slices) },
  { head: 'commands', align: 'right', cell: ({ commands }) => `${commands.ok}/${commands.submitted}` },
  {
    head: 'parameters',
    cell: ({ parameters }) =>
      printable(
        Object.entries(parameters)
          .map(([name, value]) => `${name}=${value}`)
          .join(' ') || '-',
      ),
  },
];

const EVENT_COLUMNS: readonly Column<TraceEvent>[] = [
  { head: 'ms', align: 'right', cell: ({ at }) => (at / 1e6).toFixed(6) },
  { head: 'event', cell: ({ kind }) => printable(kind) },
  {
    head: 'what',
    cell: ({ at: _at, kind: _kind, ...rest }) =>
      printable(
        Object.entries(rest)
          .map(
            ([name, value]) => `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`,
          )
          .join(' '),
      ).slice(0, 120),
  },
];
