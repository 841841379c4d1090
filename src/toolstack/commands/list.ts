import type { Command } from 'commander';
import { showDuration, type Duration } from '../../base/units.ts';
import type { DomainId } from '../../contract/names.ts';
import type { SystemState } from '../control/protocol.ts';
import type { Terminal } from '../terminal.ts';
import {
  checkFilters,
  controlCommand,
  plainTable,
  showParameters,
  withConnection,
  type ControlFlags,
  type Exit,
} from './connection.ts';

/** The letters of xl: running, blocked, paused, shut down, crashed, dying. */
function letters(state: SystemState, domain: SystemState['domains'][number]): string {
  const has = state.coprocs.some(
    ({ now }) => now.owner?.startsWith(`${domain.name}/`) === true && now.state === 'running',
  );
  const on = {
    r: domain.state === 'running' && has,
    b: domain.state === 'running' && !has,
    p: domain.state === 'paused',
    s: domain.state === 'finished',
    c: domain.state === 'crashed',
    d: domain.state === 'destroyed',
  };
  return Object.entries(on)
    .map(([letter, is]) => (is ? letter : '-'))
    .join('');
}

const left = 'left' as const;
const right = 'right' as const;
const showTime = (length: Duration): string => (length === 0 ? '-' : showDuration(length));

/** A command that shows a part of the state. */
function shower(
  terminal: Terminal,
  exit: Exit,
  name: string,
  what: string,
  pick: (state: SystemState, flags: { domain?: string; coproc?: string }) => readonly unknown[],
  print: (state: SystemState, rows: readonly never[]) => string,
): Command {
  return controlCommand(name, what, [`covisor ${name}`, `covisor ${name} -c gpu0 --json`])
    .option('-d, --domain <name>', 'only of this domain')
    .option('-c, --coproc <id>', 'only on this coprocessor')
    .action(async (flags: ControlFlags & { domain?: string; coproc?: string }) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          const state = await connection.state();
          checkFilters(state, flags);
          const rows = pick(state, flags);
          terminal.stdout.write(
            flags.json ? `${JSON.stringify(rows, null, 2)}\n` : print(state, rows as never[]),
          );
        }),
      );
    });
}

export const listCommand = (terminal: Terminal, exit: Exit): Command =>
  shower(
    terminal,
    exit,
    'list',
    'List the domains.',
    ({ domains, vcoprocs }, flags) =>
      domains
        .filter(({ name }) => flags.domain === undefined || name === flags.domain)
        .filter(
          ({ name }) =>
            flags.coproc === undefined ||
            vcoprocs.some((vcoproc) => vcoproc.domain === name && vcoproc.coproc === flags.coproc),
        ),
    (state, rows: readonly SystemState['domains'][number][]) => {
      const of = (name: DomainId) => state.vcoprocs.filter(({ domain }) => domain === name);
      return plainTable(
        [
          { head: 'Name', align: left, cell: ({ name }) => name },
          { head: 'Mem', align: right, cell: ({ memory }) => String(memory / 2 ** 20) },
          { head: 'VCOPROCs', align: right, cell: ({ name }) => String(of(name).length) },
          { head: 'State', align: left, cell: (domain) => letters(state, domain) },
          {
            head: 'Time(s)',
            align: right,
            cell: ({ name }) => (of(name).reduce((total, { time }) => total + time, 0) / 1e9).toFixed(1),
          },
        ],
        rows,
        terminal,
      );
    },
  );

export const coprocsCommand = (terminal: Terminal, exit: Exit): Command =>
  shower(
    terminal,
    exit,
    'coprocs',
    'List the shared coprocessors.',
    ({ coprocs, vcoprocs }, flags) =>
      coprocs
        .filter(({ id }) => flags.coproc === undefined || id === flags.coproc)
        .filter(
          ({ id }) =>
            flags.domain === undefined ||
            vcoprocs.some(({ domain, coproc }) => domain === flags.domain && coproc === id),
        ),
    (_state, rows: readonly SystemState['coprocs'][number][]) =>
      plainTable(
        [
          { head: 'Coproc', align: left, cell: ({ id }) => id },
          { head: 'Platform', align: left, cell: ({ platform }) => platform },
          { head: 'Scheduler', align: left, cell: ({ scheduler }) => scheduler },
          { head: 'Slice', align: right, cell: ({ timeslice }) => showDuration(timeslice) },
          { head: 'State', align: left, cell: ({ now }) => now.state },
          { head: 'Owner', align: left, cell: ({ now }) => now.owner ?? '-' },
          { head: 'Switches', align: right, cell: ({ switches }) => String(switches) },
          { head: 'Denied', align: right, cell: ({ denials }) => String(denials) },
          { head: 'Resets', align: right, cell: ({ resets }) => String(resets) },
          { head: 'Isolated', align: right, cell: ({ isolated }) => String(isolated) },
          {
            head: 'Busy%',
            align: right,
            cell: ({ running, wall }) => (wall > 0 ? ((100 * running) / wall).toFixed(1) : '-'),
          },
        ],
        rows,
        terminal,
      ),
  );

export const vcoprocsCommand = (terminal: Terminal, exit: Exit): Command =>
  shower(
    terminal,
    exit,
    'vcoprocs',
    'List the vcoprocs: who shares what, and how it fares.',
    ({ vcoprocs }, flags) =>
      vcoprocs.filter(
        ({ domain, coproc }) =>
          (flags.domain === undefined || domain === flags.domain) &&
          (flags.coproc === undefined || coproc === flags.coproc),
      ),
    (_state, rows: readonly SystemState['vcoprocs'][number][]) =>
      plainTable(
        [
          { head: 'Vcoproc', align: left, cell: ({ id }) => id },
          { head: 'Firmware', align: left, cell: ({ firmware }) => firmware },
          { head: 'State', align: left, cell: ({ state }) => state },
          { head: 'Time(s)', align: right, cell: ({ time }) => (time / 1e9).toFixed(2) },
          { head: 'Slices', align: right, cell: ({ slices }) => String(slices) },
          { head: 'Wait p50', align: right, cell: ({ wait }) => showTime(wait.p50) },
          { head: 'p99', align: right, cell: ({ wait }) => showTime(wait.p99) },
          { head: 'Commands', align: right, cell: ({ commands }) => `${commands.ok}/${commands.submitted}` },
          {
            head: 'Guilty',
            align: right,
            cell: ({ resets }) => `${resets.guilty}/${resets.guilty + resets.innocent}`,
          },
          { head: 'IRQs', align: right, cell: ({ interrupts }) => String(interrupts.delivered) },
          {
            head: 'Parameters',
            align: left,
            cell: ({ parameters }) => showParameters(parameters),
          },
        ],
        rows,
        terminal,
      ),
  );

export const infoCommand = (terminal: Terminal, exit: Exit): Command =>
  controlCommand('info', 'Say what runs, and what this build has.', ['covisor info']).action(
    async (flags: ControlFlags) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          const info = await connection.info();
          const lines = Object.entries(info).map(
            ([key, value]) => `${key.padEnd(12)}${Array.isArray(value) ? value.join(' ') : String(value)}`,
          );
          terminal.stdout.write(`${flags.json ? JSON.stringify(info, null, 2) : lines.join('\n')}\n`);
        }),
      );
    },
  );
