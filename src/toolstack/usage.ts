import type { Duration } from '../base/units.ts';
import { ms, ns, seconds, us } from '../base/units.ts';

/** Wrong use of the command line: one line that says what, where and what to do. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const UNITS: Readonly<Record<string, (value: number) => Duration>> = {
  ns,
  us,
  ms,
  s: seconds,
  min: (value) => seconds(value * 60),
};

/** `500ms`, `2s`, `1.5min`. */
export function parseDuration(text: string, option: string): Duration {
  const match = /^(\d+(?:\.\d+)?)(ns|us|ms|s|min)$/.exec(text.trim());
  const unit = match === null ? undefined : UNITS[match[2]!];
  const length = unit?.(Number(match![1]));
  if (length === undefined || length <= 0) {
    throw new UsageError(
      `${option} ${text}: not a length of time; expected a positive number with ns, us, ms, s or min, as in 2s`,
    );
  }
  return length;
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
