import type { Answer, Result, Spread } from './race.ts';

const UNITS = {
  '/s': [
    [1e6, 'M/s'],
    [1e3, 'k/s'],
    [1, '/s'],
  ],
  ns: [
    [1e6, 'ms'],
    [1e3, 'us'],
    [1, 'ns'],
  ],
  bytes: [
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
    [1, 'B'],
  ],
} as const;

const digits = (value: number): string =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** `12.3 M/s`, `456 ns`. */
export function show(value: number, unit: Result['unit']): string {
  const [size, name] = UNITS[unit].find(([least]) => value >= least) ?? UNITS[unit][2];
  return `${digits(value / size)} ${name}`;
}

const range = (spread: Spread, one: (value: number) => string): string =>
  `${one(spread.median).padStart(10)}  (${one(spread.least)} to ${one(spread.most)})`;

/** `61 %` below 3, `12.3 x` above; near 100 % a tenth of a percent counts. */
export const ratio = (value: number): string =>
  value < 3
    ? `${(value * 100).toFixed(value < 0.1 || (value > 0.9 && value < 1.1) ? 1 : 0)} %`
    : `${digits(value)} x`;

export function verdict({ goal, holds }: Answer): string {
  if (goal === undefined) return '';
  return `${holds === true ? 'meets' : 'misses'} ${ratio(goal)}`;
}

/** A race's result as lines of text. */
export function table(result: Result): string {
  const { title, unit, placement, noisy, figures, answers, note } = result;
  const lines = [`  ${title}  [cores ${placement}${noisy > 0 ? `, ${noisy} noisy rounds run again` : ''}]`];
  for (const [name, spread] of Object.entries(figures))
    lines.push(`    ${name.padEnd(34)}${range(spread, (value) => show(value, unit))}`);
  for (const answer of answers) {
    const name = `  ${answer.of} / ${answer.to}`;
    lines.push(`    ${name.padEnd(34)}${range(answer.ratio, ratio)}  ${verdict(answer)}`);
  }
  if (note !== undefined) lines.push(`    ${note}`);
  return lines.join('\n');
}
