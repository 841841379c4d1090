import { failed, ok, type Outcome } from '../base/outcome.ts';
import type { Member } from './member.ts';

/** What an algorithm keeps of each member, by what it is called. */
export interface Past {
  /** Instants and times in nanoseconds, and whatever is counted: with parts of them a decision might never end. */
  readonly whole?: Readonly<Record<string, number[]>>;
  /** Times by weight, and what else is divided. */
  readonly real?: Readonly<Record<string, number[]>>;
}

/** The numbers of one member, in the order of {@link keysOf}. */
export type Row = readonly number[];

/** The name in whose row stands what is known of all together; no vcoproc has it. */
export const ALL = '';

/** All time there is, by the smallest weight that there is, and more. */
const MOST = 2 ** 80;

export const keysOf = ({ whole = {}, real = {} }: Past): string[] => [
  ...Object.keys(whole),
  ...Object.keys(real),
];

export const rowOf = ({ whole = {}, real = {} }: Past, member: Member): Row => [
  ...Object.values(whole).map((of) => Math.round(of[member] ?? 0)),
  ...Object.values(real).map((of) => of[member] ?? 0),
];

export function putRow({ whole = {}, real = {} }: Past, member: Member, row: Row): void {
  for (const [at, of] of [...Object.values(whole), ...Object.values(real)].entries()) of[member] = row[at]!;
}

/** The rows of what `owner` saved, by vcoproc. Fails for what somebody else saved, or nobody. */
export function readPast(owner: string, past: Past, saved: unknown): Outcome<Map<string, Row>> {
  const keys = keysOf(past);
  const { name, rows, of } = (saved ?? {}) as Readonly<Record<string, unknown>>;
  const same = Array.isArray(of) && of.length === keys.length && keys.every((key, at) => of[at] === key);
  if (name !== owner || !same || !Array.isArray(rows))
    return failed(`what was saved is not of ${owner}; expected what ${owner} of this build saved`);
  const counted = Object.keys(past.whole ?? {}).length;
  const fits = (number: unknown, at: number): boolean =>
    at < counted ? Number.isSafeInteger(number) : typeof number === 'number' && Math.abs(number) <= MOST;
  const read = new Map<string, Row>();
  for (const row of rows as readonly unknown[]) {
    const [who, ...numbers] = Array.isArray(row) ? (row as unknown[]) : [];
    if (typeof who !== 'string' || read.has(who) || numbers.length !== keys.length || !numbers.every(fits))
      return failed(
        `what was saved of ${owner} is damaged; expected once for each vcoproc: ${['name', ...keys].join(', ')}`,
      );
    read.set(who, numbers as number[]);
  }
  return ok(read);
}
