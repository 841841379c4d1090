import type { Command } from 'commander';
import { resolve } from 'node:path';
import { showDuration } from '../../base/units.ts';
import { isModuleFile } from '../config/coproc.ts';
import type { Connection } from '../control/client.ts';
import type { Args } from '../control/protocol.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError, parseLength } from '../usage.ts';
import {
  assignments,
  checkFilters,
  controlCommand,
  plainTable,
  showParameters,
  withConnection,
  type ControlFlags,
  type Exit,
} from './connection.ts';

interface Flags extends ControlFlags {
  readonly coproc?: string;
  readonly scheduler?: string;
  readonly timeslice?: string;
  readonly domain?: string;
  readonly weight?: string;
  readonly cap?: string;
  readonly priority?: string;
  readonly period?: string;
  readonly budget?: string;
  readonly set: string[];
  readonly for: string[];
}

const LONGEST_US = 1e9;
const several = (value: string, all: readonly string[]): string[] => [...all, value];

export const schedCommand = (terminal: Terminal, exit: Exit): Command =>
  controlCommand(
    'sched',
    'Show or change who decides for a coprocessor, and what it knows of a domain. No options: list all.',
    [
      'covisor sched                              who decides where, and all parameters',
      'covisor sched -d blue -w 512               another weight for a domain',
      'covisor sched -c gpu0 -t 500               slices of 500 us',
      'covisor sched -c gpu0 -s fair              another algorithm, under load',
      'covisor sched -c gpu0 -s ./mine.ts         an algorithm of your own',
      'covisor sched -s edf --for red,period=10000,budget=2000 --for blue,period=20000,budget=5000',
    ],
  )
    .option('-c, --coproc <id>', 'the coprocessor (default: all, or the only one)')
    .option('-s, --scheduler <algorithm>', 'decide by this algorithm, or by that of a file, from now on')
    .option('-t, --timeslice <us>', 'length of a slice, in microseconds or with a unit, as in 2ms')
    .option('-d, --domain <name>', 'the domain whose parameters change')
    .option('-w, --weight <number>', 'its weight, 1 to 65535')
    .option('--cap <percent>', 'the most of the coprocessor that it gets')
    .option('--priority <number>', 'its priority')
    .option('-p, --period <us>', 'its period, likewise')
    .option('-b, --budget <us>', 'its budget per period, likewise')
    .option('--set <name=value>', 'any other parameter; may be repeated', several, [])
    .option(
      '--for <domain,name=value…>',
      'what a new algorithm is told of a domain; may be repeated',
      several,
      [],
    )
    .action(async (flags: Flags) => {
      exit(await withConnection(flags, terminal, (connection) => sched(connection, flags, terminal)));
    });

async function sched(connection: Connection, flags: Flags, terminal: Terminal): Promise<void> {
  const change = changeOf(flags);
  if (change === undefined) return show(connection, flags, terminal);
  const coproc = flags.coproc ?? (await onlyCoproc(connection));
  await connection.ask('sched', { coproc, ...change });
  if (flags.json) terminal.stdout.write(`${JSON.stringify({ coproc, ...change })}\n`);
}

/** What is to change, or nothing. Throws a `UsageError` for a change of nobody. */
function changeOf(flags: Flags): Omit<Args<'sched'>, 'coproc'> | undefined {
  const { weight, cap, priority } = flags;
  const [period, budget] = (['period', 'budget'] as const).map((name) => {
    const length = flags[name];
    return length === undefined ? undefined : parseLength(length, `--${name}`, 'us', 1, LONGEST_US);
  });
  const named = Object.entries({ weight, cap, priority, period, budget }).flatMap(([key, value]) =>
    value === undefined ? [] : [`${key}=${value}`],
  );
  const parameters = assignments([...named, ...flags.set]);
  const domains = Object.fromEntries(
    flags.for.map((text) => {
      const [domain = '', ...told] = text.split(',').map((part) => part.trim());
      return [domain, assignments(told)] as const;
    }),
  );
  const told = Object.keys(parameters).length > 0;
  const change = {
    ...(flags.scheduler === undefined ? {} : { algorithm: algorithmOf(flags.scheduler) }),
    ...(flags.timeslice === undefined
      ? {}
      : { timesliceUs: parseLength(flags.timeslice, '--timeslice', 'us', 1, LONGEST_US) }),
  };
  if (flags.domain !== undefined && told) {
    if (Object.keys(change).length === 0) return { domain: flags.domain, parameters };
    return { ...change, domains: { ...domains, [flags.domain]: parameters } };
  }
  const [first] = named;
  if (first !== undefined) throw new UsageError(`${first}: of which domain? expected -d with its name`);
  if (flags.for.length > 0) Object.assign(change, { domains });
  if (told) Object.assign(change, { parameters });
  return Object.keys(change).length === 0 ? undefined : change;
}

/** The hypervisor may have another working directory. */
const algorithmOf = (name: string): string => (isModuleFile(name) ? resolve(name) : name);

async function show(connection: Connection, flags: Flags, terminal: Terminal): Promise<void> {
  const state = await connection.state();
  checkFilters(state, flags);
  const rows = state.coprocs
    .filter(({ id }) => flags.coproc === undefined || id === flags.coproc)
    .flatMap(({ id, scheduler, timeslice }) =>
      state.vcoprocs
        .filter(({ coproc }) => coproc === id)
        .filter(({ domain }) => flags.domain === undefined || domain === flags.domain)
        .map(({ domain, parameters }) => ({ coproc: id, scheduler, timeslice, domain, parameters })),
    );
  const table = (): string =>
    plainTable(
      [
        { head: 'Coproc', cell: ({ coproc }) => coproc },
        { head: 'Scheduler', cell: ({ scheduler }) => scheduler },
        { head: 'Slice', align: 'right', cell: ({ timeslice }) => showDuration(timeslice) },
        { head: 'Domain', cell: ({ domain }) => domain },
        { head: 'Parameters', cell: ({ parameters }) => showParameters(parameters) },
      ],
      rows,
      terminal,
    );
  terminal.stdout.write(flags.json ? `${JSON.stringify(rows, null, 2)}\n` : table());
}

async function onlyCoproc(connection: Connection): Promise<string> {
  const coprocs = await connection.coprocs();
  if (coprocs.length === 1) return coprocs[0]!.id;
  throw new UsageError(
    `which coprocessor? expected -c with one of ${coprocs.map(({ id }) => id).join(', ')}`,
  );
}
