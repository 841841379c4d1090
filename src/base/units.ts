declare const unit: unique symbol;
type Unit<Name extends string> = number & { readonly [unit]: Name };

/** A point on a runtime's timeline: integer nanoseconds since the run began. */
export type Instant = Unit<'instant'>;
/** A length of time: integer nanoseconds. */
export type Duration = Unit<'duration'>;
/** An amount of memory, in bytes. */
export type Bytes = Unit<'bytes'>;
/** Clock cycles of one coprocessor. */
export type Cycles = Unit<'cycles'>;

export const ns = (value: number): Duration => Math.round(value) as Duration;
export const us = (value: number): Duration => Math.round(value * 1e3) as Duration;
export const ms = (value: number): Duration => Math.round(value * 1e6) as Duration;
export const seconds = (value: number): Duration => Math.round(value * 1e9) as Duration;
export const bytes = (value: number): Bytes => value as Bytes;
export const kib = (value: number): Bytes => (value * 1024) as Bytes;
export const mib = (value: number): Bytes => (value * 1024 * 1024) as Bytes;
export const cycles = (value: number): Cycles => value as Cycles;

export const START = 0 as Instant;
export const NO_TIME = 0 as Duration;
/** Later than anything that happens. */
export const NEVER = Number.MAX_SAFE_INTEGER as Instant;

export const instant = (nanoseconds: number): Instant => Math.round(nanoseconds) as Instant;
export const after = (start: Instant, length: Duration): Instant =>
  Math.min(start + length, NEVER) as Instant;
export const before = (end: Instant, length: Duration): Instant => Math.max(end - length, START) as Instant;
export const between = (start: Instant, end: Instant): Duration => (end - start) as Duration;
export const sum = (a: Duration, b: Duration): Duration => (a + b) as Duration;
export const earlier = (a: Instant, b: Instant): Instant => (a < b ? a : b);

export const toMs = (length: Duration): number => length / 1e6;
export const toUs = (length: Duration): number => length / 1e3;
export const toSeconds = (length: Duration): number => length / 1e9;

/** `1.23 ms`, `17.0 us`, `2.50 s`: a duration as people read it, at most four digits. */
export function showDuration(length: Duration): string {
  const magnitude = Math.abs(length);
  if (magnitude < 1e3) return `${length} ns`;
  if (magnitude < 1e6) return `${digits(length / 1e3)} us`;
  if (magnitude < 1e9) return `${digits(length / 1e6)} ms`;
  return `${digits(length / 1e9)} s`;
}

const LENGTHS: Readonly<Record<string, (value: number) => Duration>> = {
  ns,
  us,
  ms,
  s: seconds,
  min: (value) => seconds(value * 60),
  h: (value) => seconds(value * 3600),
};

/** `500ms`, `1.5min`, `8h`: a length of time with its unit; undefined for any other text. */
export function readDuration(text: string): Duration | undefined {
  const [, number, unit] = /^(\d+(?:\.\d+)?)(ns|us|ms|s|min|h)$/.exec(text.trim()) ?? [];
  return unit === undefined ? undefined : LENGTHS[unit]!(Number(number));
}

function digits(value: number): string {
  const magnitude = Math.abs(value);
  return value.toFixed(magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : 2);
}
