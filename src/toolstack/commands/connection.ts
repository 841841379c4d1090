import { Command, Option } from 'commander';
import { resolve } from 'node:path';
import { expectedOneOf } from '../../base/nearest.ts';
import { textTable, type Column } from '../../observe/text-table.ts';
import {
  badSocketPath,
  ControlError,
  NotRunningError,
  connect,
  defaultSocket,
  type Connection,
} from '../control/client.ts';
import type { SystemState } from '../control/protocol.ts';
import { EXIT, type Terminal } from '../terminal.ts';
import { UsageError } from '../usage.ts';

export type Exit = (code: number) => void;

/** What every command of a running hypervisor takes. */
export interface ControlFlags {
  readonly socket?: string;
  readonly json?: true;
}

export const socketOption = (): Option =>
  new Option('--socket <path>', "the control socket (default: in the user's runtime directory)");

export function socketOf({ socket }: Pick<ControlFlags, 'socket'>): string {
  const path = resolve(socket ?? defaultSocket());
  const bad = badSocketPath(path);
  if (bad !== undefined) throw new UsageError(bad);
  return path;
}

/** A command that asks a running hypervisor; `examples` are lines below its help. */
export function controlCommand(name: string, what: string, examples: readonly string[]): Command {
  return new Command(name)
    .description(what)
    .addOption(socketOption())
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      ['', examples.length > 1 ? 'Examples:' : 'Example:', ...examples].join('\n  ').replace('\n  ', '\n'),
    );
}

/** Connects, does one thing, and says in one line what went wrong. */
export async function withConnection(
  flags: Pick<ControlFlags, 'socket'>,
  { stderr }: Terminal,
  use: (connection: Connection) => Promise<void>,
): Promise<number> {
  let connection: Connection | undefined;
  try {
    connection = await connect({ socket: socketOf(flags) });
    await use(connection);
    return EXIT.ok;
  } catch (error) {
    if (!(error instanceof ControlError || error instanceof NotRunningError)) throw error;
    stderr.write(`${error.message}\n`);
    return error instanceof ControlError ? EXIT.usage : EXIT.infrastructure;
  } finally {
    connection?.close();
  }
}

/** Refuses a filter that names what is not there: an empty table would say that it is there and has nothing. */
export function checkFilters(
  { coprocs, domains }: Pick<SystemState, 'coprocs' | 'domains'>,
  { coproc, domain }: { readonly coproc?: string; readonly domain?: string },
): void {
  const named = [
    { what: 'coprocessor', name: coproc, known: coprocs.map(({ id }) => id as string) },
    { what: 'domain', name: domain, known: domains.map(({ name }) => name as string) },
  ];
  for (const { what, name, known } of named)
    if (name !== undefined && !known.includes(name))
      throw new UsageError(`no ${what} ${name}; ${expectedOneOf(name, known)}`);
}

/** Values as they stand on the command line: `weight=512` is `{ weight: 512 }`. */
export function assignments(parts: readonly string[]): Record<string, number | string> {
  return Object.fromEntries(
    parts.map((part) => {
      const at = part.indexOf('=');
      if (at < 1) throw new UsageError(`${part}: expected NAME=VALUE`);
      const value = part.slice(at + 1);
      return [part.slice(0, at), value !== '' && Number.isFinite(Number(value)) ? Number(value) : value];
    }),
  );
}

/** `weight=512 cap=50`, or a dash. */
export const showParameters = (parameters: Readonly<Record<string, number | string>>): string =>
  Object.entries(parameters)
    .map(([key, value]) => `${key}=${value}`)
    .join(' ') || '-';

export const plainTable = <Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { stdout }: Terminal,
): string =>
  `${textTable(columns, rows, { width: stdout.columns ?? 200, paintHead: (head) => head }).join('\n')}\n`;
