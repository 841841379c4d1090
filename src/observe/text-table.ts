import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';

export interface Column<Row> {
  readonly head: string;
  readonly align?: 'left' | 'right';
  /** Where the width runs out, the columns with the highest number go first; 0 always stays. */
  readonly dropOrder?: number;
  readonly cell: (row: Row) => string;
}

export interface TableOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly paintHead: (text: string) => string;
}

const BLANK = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** The lines of a table without rules: one head line, then one line a row. Drops columns until it fits. */
export function textTable<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  options: TableOptions,
): string[] {
  let kept = columns;
  for (;;) {
    const lines = render(kept, rows, options.paintHead);
    const next = withoutMostDroppable(kept);
    if (next === undefined || widest(lines) <= options.width) return lines;
    kept = next;
  }
}

function render<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  paintHead: (text: string) => string,
): string[] {
  const table = new Table({
    head: columns.map((column) => paintHead(column.head)),
    colAligns: columns.map((column) => column.align ?? 'left'),
    chars: BLANK,
    style: { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 },
  });
  for (const row of rows) table.push(columns.map((column) => column.cell(row)));
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}

function withoutMostDroppable<Row>(columns: readonly Column<Row>[]): readonly Column<Row>[] | undefined {
  const worst = Math.max(...columns.map((column) => column.dropOrder ?? 0));
  return worst === 0 ? undefined : columns.filter((column) => (column.dropOrder ?? 0) !== worst);
}

function widest(lines: readonly string[]): number {
  return Math.max(0, ...lines.map((line) => stripVTControlCharacters(line).length));
}
