import { createLogUpdate } from 'log-update';
import pc from 'picocolors';
import { between, seconds, showDuration, START } from '../base/units.ts';
import type { VcoprocReport } from '../contract/report.ts';
import type { LiveCoproc, LiveSnapshot } from './live-snapshot.ts';
import { clipped, printable } from './printable.ts';
import { percent } from './summary.ts';
import type { Column } from './text-table.ts';
import { textTable } from './text-table.ts';

export interface LiveOptions {
  readonly stream: NodeJS.WriteStream;
  /** The stream is a terminal: redraw one table in place. Otherwise print a line now and then. */
  readonly interactive: boolean;
  readonly color: boolean;
}

export interface LiveView {
  /** Shows the run as it is now; call it a few times a second. */
  update(snapshot: LiveSnapshot): void;
  /** Leaves the last state on the screen and gives the terminal back. */
  end(): void;
}

/** What people look at while a run is under way. Honours NO_COLOR whatever `color` says. */
export function liveView(options: LiveOptions): LiveView {
  const { NO_COLOR = '' } = process.env;
  const color = options.color && NO_COLOR === '';
  return options.interactive ? liveTable(options.stream, color) : progressLines(options.stream);
}

function liveTable(stream: NodeJS.WriteStream, color: boolean): LiveView {
  const draw = createLogUpdate(stream);
  return {
    update: (snapshot) => draw(`${liveText(snapshot, stream.columns ?? 80, color).join('\n')}\n`),
    end: () => draw.done(),
  };
}

/** So many updates without a line are too many: virtual time may go slowly. */
const SILENT_UPDATES = 40;

/** A line for each second of the run, and from ten seconds on for every ten. */
function progressLines(stream: NodeJS.WriteStream): LiveView {
  let due: number = seconds(1);
  let silent = 0;
  return {
    update: (snapshot) => {
      if (snapshot.at < due && ++silent < SILENT_UPDATES) return;
      silent = 0;
      stream.write(`${progressLine(snapshot)}\n`);
      const every = snapshot.at < seconds(10) ? seconds(1) : seconds(10);
      due = (Math.floor(snapshot.at / every) + 1) * every;
    },
    end: () => undefined,
  };
}

/** One line without colours: `3.00 s  gpu0 running cluster/gpu0, 81.2 % busy, 412 switches | …`. */
export function progressLine({ at, coprocs, vcoprocs }: LiveSnapshot): string {
  const each = coprocs.map(({ figures, state, owner }) => {
    const who = owner === null ? '' : ` ${printable(owner)}`;
    const busy = percent(figures.running, figures.wall);
    return `${printable(figures.id)} ${state}${who}, ${busy} busy, ${figures.switches} switches`;
  });
  const done = vcoprocs.reduce((total, { commands }) => total + commands.ok, 0);
  const submitted = vcoprocs.reduce((total, { commands }) => total + commands.submitted, 0);
  return [showDuration(between(START, at)), ...each, `${done} of ${submitted} commands ok`].join(' | ');
}

/** The live table as lines of at most `width - 1` characters, so that no terminal wraps them. */
export function liveText(snapshot: LiveSnapshot, width: number, color: boolean): string[] {
  const paint = palette(snapshot, color);
  const table = { width: width - 1, paintHead: paint.head };
  const lines = [
    paint.title(`running ${showDuration(between(START, snapshot.at))}`),
    '',
    ...textTable(coprocColumns(paint), snapshot.coprocs, table),
    '',
    ...textTable(vcoprocColumns(snapshot, paint), snapshot.vcoprocs, table),
  ];
  return lines.map((line) => clipped(line, width - 1));
}

type Paint = ReturnType<typeof palette>;

function palette({ vcoprocs }: LiveSnapshot, color: boolean) {
  const colors = pc.createColors(color);
  const cycle = [colors.cyan, colors.magenta, colors.yellow, colors.blue, colors.green];
  const place = new Map(vcoprocs.map(({ id }, index) => [String(id), index % cycle.length]));
  const states: Readonly<Record<string, (text: string) => string>> = {
    running: colors.green,
    denySwitch: colors.yellow,
    askedToSleep: colors.yellow,
    faulted: colors.red,
    outOfService: colors.red,
    isolated: colors.red,
    idle: colors.dim,
    sleeping: colors.dim,
    gone: colors.dim,
  };
  return {
    title: colors.bold,
    head: colors.dim,
    state: (state: string): string => (states[state] ?? String)(state),
    /** Each vcoproc keeps its colour in both tables. */
    vcoproc: (id: string): string => (cycle[place.get(id) ?? -1] ?? String)(printable(id)),
    alarm: (count: number): string => (count === 0 ? '0' : colors.yellow(String(count))),
  };
}

function coprocColumns(paint: Paint): readonly Column<LiveCoproc>[] {
  return [
    { head: 'coproc', cell: ({ figures }) => printable(figures.id) },
    { head: 'state', cell: ({ state }) => paint.state(state.padEnd('outOfService'.length)) },
    { head: 'who has it', cell: ({ owner }) => (owner === null ? '-' : paint.vcoproc(owner)) },
    {
      head: 'slice left',
      align: 'right',
      dropOrder: 3,
      cell: ({ sliceLeft }) => (sliceLeft === null ? '-' : showDuration(sliceLeft)),
    },
    {
      head: 'switches/s',
      align: 'right',
      cell: ({ switchesPerSecond }) => switchesPerSecond.toFixed(switchesPerSecond < 10 ? 1 : 0),
    },
    { head: 'denials', align: 'right', dropOrder: 1, cell: ({ figures }) => paint.alarm(figures.denials) },
    { head: 'resets', align: 'right', dropOrder: 4, cell: ({ figures }) => paint.alarm(figures.resets) },
    {
      head: 'busy',
      align: 'right',
      dropOrder: 2,
      cell: ({ figures }) => share(figures.running, figures.wall),
    },
    { head: '', dropOrder: 5, cell: ({ figures }) => bar(figures.running, figures.wall) },
  ];
}

function vcoprocColumns(snapshot: LiveSnapshot, paint: Paint): readonly Column<VcoprocReport>[] {
  const walls = new Map(snapshot.coprocs.map(({ figures }) => [figures.id, figures.wall]));
  const wall = ({ coproc }: VcoprocReport): number => walls.get(coproc) ?? 0;
  return [
    { head: 'vcoproc', cell: ({ id }) => paint.vcoproc(id) },
    { head: 'state', cell: ({ state }) => paint.state(state.padEnd('sleeping'.length)) },
    { head: 'time', align: 'right', cell: ({ time }) => showDuration(time) },
    { head: 'share', align: 'right', dropOrder: 1, cell: (row) => share(row.time, wall(row)) },
    { head: '', dropOrder: 5, cell: (row) => bar(row.time, wall(row)) },
    { head: 'commands', align: 'right', cell: ({ commands }) => `${commands.ok}/${commands.submitted}` },
    { head: 'irqs', align: 'right', dropOrder: 3, cell: ({ interrupts }) => String(interrupts.raised) },
    { head: 'wait p50', align: 'right', dropOrder: 2, cell: ({ wait }) => showDuration(wait.p50) },
    { head: 'p99', align: 'right', dropOrder: 2, cell: ({ wait }) => showDuration(wait.p99) },
  ];
}

/** Of 1; nothing of nothing is 0. */
const fraction = (part: number, whole: number): number => (whole === 0 ? 0 : Math.min(1, part / whole));

const share = (part: number, whole: number): string => `${(100 * fraction(part, whole)).toFixed(0)} %`;

/** `███░░░░░`, without colour: it reads the same on every terminal. */
function bar(part: number, whole: number): string {
  const cells = 10;
  const full = Math.round(fraction(part, whole) * cells);
  return '█'.repeat(full) + '░'.repeat(cells - full);
}
