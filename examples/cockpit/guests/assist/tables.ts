import { CLASSES } from './digits.ts';

/** What the network said of one sample. */
export interface Classification {
  readonly label: number;
  readonly predicted: number;
  readonly logits: Int32Array;
}

export const accuracyOf = (results: readonly Classification[]): number =>
  results.filter(({ label, predicted }) => label === predicted).length / results.length;

/** One line per sample. The margin, in units of the logits, is how far the largest stands above the next. */
export function classificationCsv(results: readonly Classification[]): string {
  const lines = results.map(
    ({ label, predicted, logits }, index) => `${index},${label},${predicted},${margin(logits)}`,
  );
  return ['index,label,predicted,margin', ...lines, ''].join('\n');
}

/** Rows are labels, columns what the network saw. */
export function confusionTable(results: readonly Classification[]): string {
  const counts = Array.from({ length: CLASSES }, () => Array.from({ length: CLASSES }, () => 0));
  for (const { label, predicted } of results) counts[label]![predicted]!++;
  const row = (head: string, cells: readonly (string | number)[]): string =>
    head.padEnd(6) + cells.map((cell) => String(cell).padStart(5)).join('');
  const right = results.filter(({ label, predicted }) => label === predicted).length;
  return [
    `${right} of ${results.length} right (${(accuracyOf(results) * 100).toFixed(2)} %)`,
    '',
    row('label', [...counts.keys()]),
    ...counts.map((cells, label) =>
      row(
        `${label}`,
        cells.map((count) => (count === 0 ? '.' : count)),
      ),
    ),
    '',
  ].join('\n');
}

function margin(logits: Int32Array): number {
  const [largest, next] = [...logits].sort((a, b) => b - a);
  return largest! - next!;
}
