import { stripVTControlCharacters } from 'node:util';
import Table from 'cli-table3';
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
export function textTable(columns, rows, options) {
  let kept = columns;
  for (;;) {
    const lines = render(kept, rows, options.paintHead);
    const next = withoutMostDroppable(kept);
    if (next === undefined || widest(lines) <= options.width) return lines;
    kept = next;
  }
}
function render(columns, rows, paintHead) {
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
function withoutMostDroppable(columns) {
  const worst = Math.max(...columns.map((column) => column.dropOrder ?? 0));
  return worst === 0 ? undefined : columns.filter((column) => (column.dropOrder ?? 0) !== worst);
}
function widest(lines) {
  return Math.max(0, ...lines.map((line) => stripVTControlCharacters(line).length));
}
