import { expectedOneOf } from '../base/nearest.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import { readDuration, toUs, us, type Duration } from '../base/units.ts';
import type { SchedulerParameters } from '../contract/scheduler.ts';

/** Reads one parameter: its value, what stands for it when it is not given, or what was expected. */
export type Parameter<T> = (given: number | string | undefined) => Outcome<T>;
export type Parameters = Readonly<Record<string, Parameter<unknown>>>;
export type Values<P extends Parameters> = {
  readonly [Name in keyof P]: P[Name] extends Parameter<infer T> ? T : never;
};

export const NO_PARAMETERS = {} as const satisfies Parameters;

/** A whole number. Without `otherwise` it has to be given. */
export const whole =
  (from: number, to: number, otherwise?: number): Parameter<number> =>
  (given = otherwise) =>
    typeof given === 'number' && Number.isInteger(given) && given >= from && given <= to
      ? ok(given)
      : failed(`a whole number from ${from} to ${to}`);

/** A length of time, given in microseconds or with its unit. Without `otherwise` it has to be given. */
export const microseconds =
  (from: number, to: number, otherwise?: Duration): Parameter<Duration> =>
  (given) => {
    if (given === undefined && otherwise !== undefined) return ok(otherwise);
    const length = typeof given === 'string' ? readDuration(given) : undefined;
    const count = whole(from, to)(length === undefined ? given : toUs(length));
    return count.kind === 'ok' ? ok(us(count.value)) : failed(`${count.reason} microseconds`);
  };

/** Text that may be absent. */
export const text: Parameter<string | undefined> = (given) =>
  ok(given === undefined ? undefined : String(given));

function named(wanted: string, [only, ...others]: readonly string[]): string {
  if (only === undefined) return 'it has none';
  return others.length === 0 ? `it has only ${only}` : expectedOneOf(wanted, [only, ...others]);
}

/**
 * Reads all parameters of `owner`. Fails for a name it does not know, for a value that is impossible and
 * for one that has to be given and is not.
 */
export function readParameters<P extends Parameters>(
  owner: string,
  known: P,
  given: SchedulerParameters,
): Outcome<Values<P>> {
  const names = Object.keys(known);
  for (const name of Object.keys(given)) {
    if (names.includes(name)) continue;
    return failed(`${owner} has no parameter ${name}: ${named(name, names)}`);
  }
  const values: Record<string, unknown> = {};
  for (const [name, parameter] of Object.entries(known)) {
    const value = Object.hasOwn(given, name) ? given[name] : undefined;
    const read = parameter(value);
    if (read.kind === 'failed') {
      const what = value === undefined ? `needs ${name}` : `cannot have ${name} = ${value}`;
      return failed(`${owner} ${what}: expected ${read.reason}`);
    }
    values[name] = read.value;
  }
  return ok(values as Values<P>);
}
