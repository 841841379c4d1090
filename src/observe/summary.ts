import pc from 'picocolors';
import type { Duration } from '../base/units.ts';
import { showDuration } from '../base/units.ts';
import type {
  BoardFigures,
  CoprocReport,
  DomainReport,
  FaultReport,
  PredictedWork,
  RunReport,
  Spread,
  VcoprocReport,
} from '../contract/report.ts';
import { blame } from './blame.ts';
import { PREDICTION_RESTS_ON, showBandwidth, showClock, showRate } from './prediction.ts';
import { counted, printable } from './printable.ts';
import type { Column } from './text-table.ts';
import { textTable } from './text-table.ts';

export interface SummaryOptions {
  /** Columns of the terminal; tables drop columns until they fit. */
  readonly width: number;
  readonly color: boolean;
  /** Paths of what the run wrote, as a person can open them. */
  readonly written?: readonly string[];
}

/** The end of a run in text: what each coprocessor and vcoproc did, the verdicts, who was blamed. */
export function summary(report: RunReport, options: SummaryOptions): string {
  const paint = pc.createColors(options.color);
  const table = { width: options.width, paintHead: paint.dim };
  const mark = (ok: boolean): string => (ok ? paint.green('ok  ') : paint.red('FAIL'));
  const section = (title: string, lines: readonly string[]): string[] =>
    lines.length === 0 ? [] : ['', paint.bold(title), ...lines.map((line) => `  ${line}`.trimEnd())];
  const narrower = { ...table, width: table.width - 2 };

  const lines = [
    `${paint.bold(printable(report.system))}  ${printable(report.model)}  ${report.runtime} runtime, ` +
      `seed ${report.seed}, ${showDuration(report.wall)}`,
    ...section('coprocessors', textTable(COPROC_COLUMNS, report.coprocs, narrower)),
    ...section('vcoprocs', textTable(vcoprocColumns(report.coprocs), report.vcoprocs, narrower)),
    ...section('predicted for the described board, not measured on one', predicted(report, narrower)),
    ...section(
      'results',
      report.domains.flatMap((domain) => verdicts(domain, report.ok, mark)),
    ),
    ...section('faults', [
      ...report.coprocs.flatMap(({ id, faults }) =>
        faults.map((fault) => `${paint.red(printable(id))}: ${printable(fault)}`),
      ),
      ...blamed(report.vcoprocs, paint.yellow),
    ]),
    ...section('faults of the plan', (report.faults ?? []).map(fateOf)),
    ...section(
      'laws that do not hold',
      report.violations.map((law) => paint.red(printable(law))),
    ),
    ...section('written', (options.written ?? []).map(printable)),
    '',
    `${mark(report.ok)} ${verdict(report)}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** One line: that all is well, or what failed. */
export function verdict(report: RunReport): string {
  const results = report.domains.flatMap((domain) => domain.results);
  const bad = results.filter((result) => !result.ok).length;
  // A run that is ok although a domain was destroyed was to last only so long.
  const unfinished = report.domains.filter(
    ({ state }) => state !== 'finished' && !(report.ok && state === 'destroyed'),
  );
  const broken = report.violations.length;
  const problems = [
    bad === 0 ? [] : [`${bad} of ${counted(results.length, 'result')} wrong`],
    unfinished.length === 0
      ? []
      : [`not finished: ${unfinished.map(({ name, state }) => `${printable(name)} (${state})`).join(', ')}`],
    broken === 0 ? [] : [`${counted(broken, 'law')} violated`],
    report.coprocs.filter(({ faults }) => faults.length > 0).map(({ id }) => `the scheduler of ${id} failed`),
  ].flat();
  if (problems.length > 0) return problems.join('; ');
  if (!report.ok) return 'the run is not ok';
  return `${counted(report.domains.length, 'domain')} ${report.domains.every(({ state }) => state === 'finished') ? 'finished' : 'over'}, ${counted(results.length, 'result')} right, all laws hold`;
}

export function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`;
}

function predicted(report: RunReport, table: Parameters<typeof textTable>[2]): string[] {
  const { prediction } = report;
  if (prediction === undefined) return [];
  const board = prediction.board.flatMap((figures) =>
    report.coprocs.filter(({ id }) => id === figures.coproc).map((coproc) => ({ ...coproc, ...figures })),
  );
  const work = prediction.work.flatMap((done) =>
    report.vcoprocs.filter(({ id }) => id === done.vcoproc).map((vcoproc) => ({ ...vcoproc, ...done })),
  );
  return [
    ...textTable(BOARD_COLUMNS, board, table),
    '',
    ...textTable(WORK_COLUMNS, work, table),
    '',
    ...PREDICTION_RESTS_ON,
  ];
}

function verdicts(domain: DomainReport, ok: boolean, mark: (ok: boolean) => string): string[] {
  const name = printable(domain.name);
  const lines = domain.results.map(
    (result) => `${mark(result.ok)} ${name}: ${printable(result.what)}: ${printable(result.detail)}`,
  );
  if (ok && domain.state === 'destroyed') {
    lines.push(`${mark(true)} ${name}: ended when its time was over`);
  } else if (domain.state !== 'finished') {
    const why = domain.reason === null ? '' : `: ${printable(domain.reason)}`;
    lines.unshift(`${mark(false)} ${name}: ${domain.state}${why}`);
  } else if (lines.length === 0) {
    lines.push(`${mark(true)} ${name}: finished, nothing to check`);
  }
  return lines;
}

function blamed(vcoprocs: readonly VcoprocReport[], paint: (text: string) => string): string[] {
  return blame(vcoprocs).map(({ vcoproc, fault, times }) => {
    const often = times === 1 ? '' : ` (${times} times)`;
    return `${paint(printable(vcoproc))} is to blame: ${printable(fault)}${often}`;
  });
}

function fateOf({ fault, times, at, became, detail }: FaultReport): string {
  if (at === null) return `${printable(fault)}: ${became}`;
  const when = `${times === 1 ? '' : `${times} times, first `}at ${showDuration(at as number as Duration)}`;
  return `${printable(fault)}: ${when}: ${became}: ${printable(detail)}`;
}

const BOARD_COLUMNS: readonly Column<CoprocReport & BoardFigures>[] = [
  { head: 'coproc', cell: ({ id }) => printable(id) },
  { head: 'clock', align: 'right', cell: ({ clock }) => showClock(clock) },
  { head: 'switch', align: 'right', cell: ({ switchBandwidth }) => showBandwidth(switchBandwidth) },
  { head: 'DMA', align: 'right', cell: ({ dmaBandwidth }) => showBandwidth(dmaBandwidth) },
  { head: 'irq', align: 'right', cell: ({ interruptLatency }) => showDuration(interruptLatency) },
  { head: 'used', align: 'right', dropOrder: 2, cell: ({ running, wall }) => percent(running, wall) },
  {
    head: 'switching',
    align: 'right',
    dropOrder: 1,
    cell: ({ switching, wall }) => percent(switching, wall),
  },
];

const showLatency = (spread: Spread, rank: 'p50' | 'p99' | 'max'): string =>
  spread.count === 0 ? '-' : showDuration(spread[rank]);

const WORK_COLUMNS: readonly Column<VcoprocReport & PredictedWork>[] = [
  { head: 'vcoproc', cell: ({ id }) => printable(id) },
  { head: 'commands/s', align: 'right', cell: ({ perSecond }) => showRate(perSecond) },
  { head: 'latency p50', align: 'right', cell: ({ latency }) => showLatency(latency, 'p50') },
  { head: 'p99', align: 'right', cell: ({ latency }) => showLatency(latency, 'p99') },
  { head: 'max', align: 'right', dropOrder: 1, cell: ({ latency }) => showLatency(latency, 'max') },
  { head: 'overrun', align: 'right', dropOrder: 2, cell: ({ overrun }) => showDuration(overrun) },
];

const COPROC_COLUMNS: readonly Column<CoprocReport>[] = [
  { head: 'coproc', cell: ({ id }) => printable(id) },
  { head: 'platform', dropOrder: 5, cell: ({ platform }) => printable(platform) },
  { head: 'scheduler', dropOrder: 4, cell: ({ scheduler }) => printable(scheduler) },
  { head: 'slice', align: 'right', dropOrder: 6, cell: ({ timeslice }) => showDuration(timeslice) },
  { head: 'running', align: 'right', cell: ({ running, wall }) => percent(running, wall) },
  { head: 'switching', align: 'right', cell: ({ switching, wall }) => percent(switching, wall) },
  { head: 'idle', align: 'right', cell: ({ idle, wall }) => percent(idle, wall) },
  { head: 'faulted', align: 'right', cell: ({ faulted, wall }) => percent(faulted, wall) },
  { head: 'switches', align: 'right', dropOrder: 1, cell: ({ switches }) => String(switches) },
  { head: 'cost p50', align: 'right', dropOrder: 3, cell: ({ switchCost }) => showDuration(switchCost.p50) },
  { head: 'p99', align: 'right', dropOrder: 3, cell: ({ switchCost }) => showDuration(switchCost.p99) },
  { head: 'denied', align: 'right', dropOrder: 2, cell: ({ denials }) => String(denials) },
  { head: 'resets', align: 'right', dropOrder: 2, cell: ({ resets }) => String(resets) },
];

function vcoprocColumns(coprocs: readonly CoprocReport[]): readonly Column<VcoprocReport>[] {
  const share = ({ coproc, time }: VcoprocReport): string => {
    const owner = coprocs.find(({ id }) => id === coproc);
    return owner === undefined ? '-' : percent(time, owner.wall);
  };
  return [
    { head: 'vcoproc', cell: ({ id }) => printable(id) },
    { head: 'firmware', dropOrder: 5, cell: ({ firmware }) => printable(firmware) },
    { head: 'state', dropOrder: 4, cell: ({ state }) => state },
    { head: 'time', align: 'right', cell: ({ time }) => showDuration(time) },
    { head: 'share', align: 'right', cell: share },
    { head: 'slices', align: 'right', dropOrder: 6, cell: ({ slices }) => String(slices) },
    { head: 'overrun', align: 'right', dropOrder: 7, cell: ({ overrun }) => showDuration(overrun) },
    { head: 'wait p50', align: 'right', dropOrder: 1, cell: ({ wait }) => showDuration(wait.p50) },
    { head: 'p99', align: 'right', dropOrder: 1, cell: ({ wait }) => showDuration(wait.p99) },
    { head: 'max', align: 'right', dropOrder: 3, cell: ({ wait }) => showDuration(wait.max) },
    { head: 'commands', align: 'right', cell: ({ commands }) => `${commands.ok}/${commands.submitted}` },
    {
      head: 'irqs',
      align: 'right',
      dropOrder: 2,
      cell: ({ interrupts }) => `${interrupts.delivered}/${interrupts.raised}`,
    },
  ];
}
