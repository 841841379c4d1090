import { createLogUpdate } from 'log-update';
import pc from 'picocolors';
import { seconds, showDuration } from '../base/units.js';
import { clipped, printable } from './printable.js';
import { percent } from './summary.js';
import { textTable } from './text-table.js';
/** What people look at while a run is under way. Honours NO_COLOR whatever `color` says. */
export function liveView(options) {
  const { NO_COLOR = '' } = process.env;
  const color = options.color && NO_COLOR === '';
  return options.interactive ? liveTable(options.stream, color) : progressLines(options.stream);
}
function liveTable(stream, color) {
  const draw = createLogUpdate(stream);
  return {
    update: (snapshot) => draw(`${liveText(snapshot, stream.columns ?? 80, color).join('\n')}\n`),
    end: () => draw.done(),
  };
}
/** A line for each second of the run, and from ten seconds on for every ten. */
function progressLines(stream) {
  let due = seconds(1);
  return {
    update: (snapshot) => {
      if (snapshot.at < due) return;
      stream.write(`${progressLine(snapshot)}\n`);
      const every = snapshot.at < seconds(10) ? seconds(1) : seconds(10);
      due = (Math.floor(snapshot.at / every) + 1) * every;
    },
    end: () => undefined,
  };
}
/** One line without colours: `3.00 s  gpu0 running cluster/gpu0, 81.2 % busy, 412 switches | …`. */
export function progressLine({ at, coprocs, vcoprocs }) {
  const each = coprocs.map(({ figures, state, owner }) => {
    const who = owner === null ? '' : ` ${printable(owner)}`;
    const busy = percent(figures.running, figures.wall);
    return `${printable(figures.id)} ${state}${who}, ${busy} busy, ${figures.switches} switches`;
  });
  const done = vcoprocs.reduce((total, { commands }) => total + commands.ok, 0);
  const submitted = vcoprocs.reduce((total, { commands }) => total + commands.submitted, 0);
  return [showDuration(at), ...each, `${done} of ${submitted} commands ok`].join(' | ');
}
/** The live table as lines of at most `width - 1` characters, so that no terminal wraps them. */
export function liveText(snapshot, width, color) {
  const paint = palette(snapshot, color);
  const table = { width: width - 1, paintHead: paint.head };
  const lines = [
    paint.title(`running ${showDuration(snapshot.at)}`),
    '',
    ...textTable(coprocColumns(paint), snapshot.coprocs, table),
    '',
    ...textTable(vcoprocColumns(snapshot, paint), snapshot.vcoprocs, table),
  ];
  return lines.map((line) => clipped(line, width - 1));
}
function palette({ vcoprocs }, color) {
  const colors = pc.createColors(color);
  const cycle = [colors.cyan, colors.magenta, colors.yellow, colors.blue, colors.green];
  const place = new Map(vcoprocs.map(({ id }, index) => [String(id), index % cycle.length]));
  const states = {
    running: colors.green,
    denySwitch: colors.yellow,
    askedToSleep: colors.yellow,
    faulted: colors.red,
    isolated: colors.red,
    idle: colors.dim,
    sleeping: colors.dim,
    gone: colors.dim,
  };
  return {
    title: colors.bold,
    head: colors.dim,
    state: (state) => (states[state] ?? String)(state),
    /** Each vcoproc keeps its colour in both tables. */
    vcoproc: (id) => (cycle[place.get(id) ?? -1] ?? String)(printable(id)),
    alarm: (count) => (count === 0 ? '0' : colors.yellow(String(count))),
  };
}
function coprocColumns(paint) {
  return [
    { head: 'coproc', cell: ({ figures }) => printable(figures.id) },
    { head: 'state', cell: ({ state }) => paint.state(state.padEnd('denySwitch'.length)) },
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
      dropOrder: 2,
      cell: ({ figures }) => bar(figures.running, figures.wall),
    },
  ];
}
function vcoprocColumns(snapshot, paint) {
  const walls = new Map(snapshot.coprocs.map(({ figures }) => [figures.id, figures.wall]));
  const wall = ({ coproc }) => walls.get(coproc) ?? 0;
  return [
    { head: 'vcoproc', cell: ({ id }) => paint.vcoproc(id) },
    { head: 'state', cell: ({ state }) => paint.state(state.padEnd('askedToSleep'.length)) },
    { head: 'time', align: 'right', cell: ({ time }) => showDuration(time) },
    { head: 'share', dropOrder: 1, cell: (row) => bar(row.time, wall(row)) },
    { head: 'commands', align: 'right', cell: ({ commands }) => `${commands.ok}/${commands.submitted}` },
    { head: 'irqs', align: 'right', dropOrder: 3, cell: ({ interrupts }) => String(interrupts.raised) },
    { head: 'wait p50', align: 'right', dropOrder: 2, cell: ({ wait }) => showDuration(wait.p50) },
    { head: 'p99', align: 'right', dropOrder: 2, cell: ({ wait }) => showDuration(wait.p99) },
  ];
}
/** `████░░░░  42 %` */
function bar(part, whole) {
  const cells = 8;
  const share = whole === 0 ? 0 : Math.min(1, part / whole);
  const full = Math.round(share * cells);
  return `${'█'.repeat(full)}${'░'.repeat(cells - full)} ${(100 * share).toFixed(0).padStart(3)} %`;
}
