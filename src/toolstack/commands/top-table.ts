import pc from 'picocolors';
import { showDuration, type Duration } from '../../base/units.ts';
import { clipped, printable } from '../../observe/printable.ts';
import { textTable, type Column } from '../../observe/text-table.ts';
import type { SystemState } from '../control/protocol.ts';
import { showParameters } from './connection.ts';

type Coproc = SystemState['coprocs'][number];
type Vcoproc = SystemState['vcoprocs'][number];

/** A vcoproc with what it had since the look before: its share of its coprocessor (0 to 1), its commands per second. */
export interface TopRow {
  readonly vcoproc: Vcoproc;
  readonly share: number;
  readonly commandsPerSecond: number;
}

export const SORTS = {
  share: (a: TopRow, b: TopRow) => b.share - a.share,
  time: (a: TopRow, b: TopRow) => b.vcoproc.time - a.vcoproc.time,
  wait: (a: TopRow, b: TopRow) => b.vcoproc.wait.p99 - a.vcoproc.wait.p99,
  name: (a: TopRow, b: TopRow) => (a.vcoproc.id < b.vcoproc.id ? -1 : 1),
} as const;

export interface Look {
  readonly state: SystemState;
  /** What figures are counted from; since the start when there is none. */
  readonly before: SystemState | undefined;
  readonly sort: keyof typeof SORTS;
  readonly width: number;
  readonly color: boolean;
  /** Whose line stands out. */
  readonly selected?: string | undefined;
}

/** The vcoprocs of a look in the order in which they are shown. */
export function topRows({ state, before, sort }: Pick<Look, 'state' | 'before' | 'sort'>): TopRow[] {
  const seconds = secondsOf(state, before);
  const walls = new Map(state.coprocs.map((coproc) => [coproc.id, since(coproc, before?.coprocs).wall]));
  return state.vcoprocs
    .map((vcoproc) => {
      const earlier = before?.vcoprocs.find(({ id }) => id === vcoproc.id);
      // One that was rebooted begins anew.
      const base = earlier !== undefined && earlier.commands.ok <= vcoproc.commands.ok ? earlier : undefined;
      return {
        vcoproc,
        share: part(vcoproc.time - (base?.time ?? 0), walls.get(vcoproc.coproc) ?? 0),
        commandsPerSecond: seconds > 0 ? (vcoproc.commands.ok - (base?.commands.ok ?? 0)) / seconds : 0,
      };
    })
    .sort(SORTS[sort]);
}

/** The table as lines of at most `width - 1` characters, so that no terminal wraps them. */
export function topText(look: Look): string[] {
  const { state, before, width, selected } = look;
  const paint = pc.createColors(look.color);
  const table = { width: width - 1, paintHead: (head: string) => head };
  const rows = topRows(look);
  const [coprocHead = '', ...coprocs] = textTable(coprocColumns(state, before), state.coprocs, table);
  const [vcoprocHead = '', ...vcoprocs] = textTable(vcoprocColumns, rows, table);
  const running = state.domains.filter((domain) => domain.state === 'running').length;
  const title = `${printable(state.model)}, up ${showDuration(state.at as Duration)}, ${running} of ${state.domains.length} domains running`;
  const fit = (line: string): string => clipped(line, width - 1);
  return [
    paint.bold(fit(title)),
    '',
    paint.dim(fit(coprocHead)),
    ...coprocs.map(fit),
    '',
    paint.dim(fit(vcoprocHead)),
    ...vcoprocs.map((line, at) =>
      rows[at]?.vcoproc.id === selected ? paint.inverse(fit(line).padEnd(width - 1)) : fit(line),
    ),
  ];
}

/** A coprocessor's figures since the look before. */
function since(coproc: Coproc, before: readonly Coproc[] | undefined) {
  const { running = 0, wall = 0, switches = 0 } = before?.find(({ id }) => id === coproc.id) ?? {};
  return {
    running: coproc.running - running,
    wall: coproc.wall - wall,
    switches: coproc.switches - switches,
  };
}

function coprocColumns(state: SystemState, before: SystemState | undefined): readonly Column<Coproc>[] {
  const seconds = secondsOf(state, before);
  const of = (coproc: Coproc) => since(coproc, before?.coprocs);
  const busy = (coproc: Coproc): number => part(of(coproc).running, of(coproc).wall);
  return [
    { head: 'coproc', cell: ({ id }) => printable(id) },
    { head: 'scheduler', dropOrder: 2, cell: ({ scheduler }) => printable(scheduler) },
    { head: 'slice', align: 'right', dropOrder: 3, cell: ({ timeslice }) => showDuration(timeslice) },
    { head: 'state', cell: ({ now }) => now.state },
    { head: 'who has it', cell: ({ now }) => printable(now.owner ?? '-') },
    {
      head: 'switches/s',
      align: 'right',
      cell: (coproc) => (seconds > 0 ? (of(coproc).switches / seconds).toFixed(0) : '-'),
    },
    { head: 'denials', align: 'right', dropOrder: 4, cell: ({ denials }) => String(denials) },
    { head: 'resets', align: 'right', dropOrder: 4, cell: ({ resets }) => String(resets) },
    { head: 'busy', align: 'right', cell: (coproc) => percent(busy(coproc)) },
    { head: '', dropOrder: 5, cell: (coproc) => bar(busy(coproc)) },
  ];
}

const vcoprocColumns: readonly Column<TopRow>[] = [
  { head: 'vcoproc', cell: ({ vcoproc }) => printable(vcoproc.id) },
  { head: 'state', cell: ({ vcoproc }) => vcoproc.state.padEnd('sleeping'.length) },
  { head: 'share', align: 'right', cell: ({ share }) => percent(share) },
  { head: '', dropOrder: 5, cell: ({ share }) => bar(share) },
  { head: 'time', align: 'right', dropOrder: 3, cell: ({ vcoproc }) => showDuration(vcoproc.time) },
  {
    head: 'commands/s',
    align: 'right',
    dropOrder: 1,
    cell: ({ commandsPerSecond }) => commandsPerSecond.toFixed(0),
  },
  { head: 'wait p50', align: 'right', dropOrder: 2, cell: ({ vcoproc }) => showDuration(vcoproc.wait.p50) },
  { head: 'p99', align: 'right', dropOrder: 2, cell: ({ vcoproc }) => showDuration(vcoproc.wait.p99) },
  { head: 'parameters', dropOrder: 1, cell: ({ vcoproc }) => printable(showParameters(vcoproc.parameters)) },
];

const secondsOf = (state: SystemState, before: SystemState | undefined): number =>
  (state.at - (before?.at ?? 0)) / 1e9;
const part = (some: number, whole: number): number =>
  whole > 0 ? Math.min(1, Math.max(0, some / whole)) : 0;
const percent = (of1: number): string => `${(100 * of1).toFixed(0)} %`;

/** `███░░░░░`: it reads the same with and without colour. */
function bar(of1: number): string {
  const cells = 10;
  const full = Math.round(of1 * cells);
  return '█'.repeat(full) + '░'.repeat(cells - full);
}
