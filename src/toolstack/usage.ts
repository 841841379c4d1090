import { readDuration, toMs, toUs, type Duration } from '../base/units.ts';

/** Wrong use of the command line: one line that says what, where and what to do. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** `500ms`, `2s`, `1.5min`. */
export function parseDuration(text: string, option: string): Duration {
  const length = readDuration(text);
  if (length === undefined || length <= 0) {
    throw new UsageError(
      `${option} ${text}: not a length of time; expected a positive number with ns, us, ms, s, min or h, as in 2s`,
    );
  }
  return length;
}

const IN = { us: toUs, ms: toMs } as const;

/** A length of time within limits, in `unit`, which is also that of a number without one. */
export function parseLength(
  text: string,
  option: string,
  unit: keyof typeof IN,
  least: number,
  most: number,
): number {
  const length = readDuration(/^\d+$/.test(text.trim()) ? `${text.trim()}${unit}` : text);
  const value = length === undefined ? NaN : IN[unit](length);
  if (value >= least && value <= most) return value;
  throw new UsageError(
    `${option} ${text}: expected a whole number from ${least} to ${most}, in ${unit}, or a length with its unit, as in 100ms`,
  );
}

/** For an option that means nothing twice. */
export function once(option: string): (value: string, before: string | undefined) => string {
  return (value, before) => {
    if (before === undefined) return value;
    throw new UsageError(`${option} is given twice; expected it once`);
  };
}

/** A whole number within limits. */
export function parseWhole(text: string, option: string, least: number, most: number): number {
  const value = Number(text);
  if (!/^-?\d+$/.test(text.trim()) || value < least || value > most) {
    throw new UsageError(`${option} ${text}: expected a whole number from ${least} to ${most}`);
  }
  return value;
}
