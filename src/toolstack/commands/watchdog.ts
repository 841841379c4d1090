import type { Command } from 'commander';
import { showDuration } from '../../base/units.ts';
import type { Args } from '../control/protocol.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError, parseLength } from '../usage.ts';
import {
  checkFilters,
  controlCommand,
  plainTable,
  withConnection,
  type ControlFlags,
  type Exit,
} from './connection.ts';

interface Flags extends ControlFlags {
  readonly coproc?: string;
  readonly stopDeadline?: string;
  readonly resetDeadline?: string;
  readonly commandTimeout?: string;
  readonly heartbeat?: string;
}

const WATCHDOGS = {
  stopDeadline: '--stop-deadline',
  resetDeadline: '--reset-deadline',
  commandTimeout: '--command-timeout',
  heartbeat: '--heartbeat',
} as const;
const SHORTEST_US = 10;
const LONGEST_US = 6e7;

export const watchdogCommand = (terminal: Terminal, exit: Exit): Command =>
  controlCommand(
    'watchdog',
    'Show or change how long each coprocessor is waited for. No options: list all.',
    ['covisor watchdog', 'covisor watchdog -c gpu0 --stop-deadline 50ms --command-timeout 2s'],
  )
    .option('-c, --coproc <id>', 'the coprocessor (default: all)')
    .option(
      '--stop-deadline <us>',
      'from being asked to leave to having left, in microseconds or with a unit, as in 50ms',
    )
    .option('--reset-deadline <us>', 'from the reset of a vcoproc to its being out')
    .option('--command-timeout <us>', 'how long one command may have the coprocessor')
    .option('--heartbeat <us>', 'how long it may give no sign of life')
    .action(async (flags: Flags) => {
      const given = Object.entries(WATCHDOGS).flatMap(([name, option]) => {
        const value = flags[name as keyof typeof WATCHDOGS];
        if (value === undefined) return [];
        return [[`${name}Us`, parseLength(value, option, 'us', SHORTEST_US, LONGEST_US)] as const];
      });
      const { coproc } = flags;
      if (given.length > 0 && coproc === undefined)
        throw new UsageError('which coprocessor? expected -c with its identifier');
      exit(
        await withConnection(flags, terminal, async (connection) => {
          if (given.length > 0 && coproc !== undefined) {
            const change: Omit<Args<'watchdog'>, 'coproc'> = Object.fromEntries(given);
            await connection.watchdog(coproc, change);
            if (flags.json) terminal.stdout.write(`${JSON.stringify({ coproc, ...change })}\n`);
            return;
          }
          const state = await connection.state();
          checkFilters(state, flags);
          const rows = state.coprocs
            .filter(({ id }) => coproc === undefined || id === coproc)
            .map(({ id, watchdogs }) => ({ coproc: id, ...watchdogs }));
          const table = (): string =>
            plainTable(
              [
                { head: 'Coproc', cell: (row) => row.coproc },
                { head: 'Stop', align: 'right', cell: (row) => showDuration(row.stopDeadline) },
                { head: 'Reset', align: 'right', cell: (row) => showDuration(row.resetDeadline) },
                { head: 'Command', align: 'right', cell: (row) => showDuration(row.commandTimeout) },
                {
                  head: 'Heartbeat',
                  align: 'right',
                  cell: ({ heartbeat }) =>
                    heartbeat === undefined ? 'slice + stop' : showDuration(heartbeat),
                },
              ],
              rows,
              terminal,
            );
          terminal.stdout.write(flags.json ? `${JSON.stringify(rows, null, 2)}\n` : table());
        }),
      );
    });
