import { Command } from 'commander';
import { FAULTS, type KindOfFault } from '../../faults/kinds.ts';
import { CALL_POINTS, readPlan, type FaultKind } from '../../faults/plan.ts';
import { CORE_POINTS } from '../../coprocessor/ailments.ts';
import { expectedOneOf } from '../../base/nearest.ts';
import { printable } from '../../observe/printable.ts';
import type { FaultReport } from '../../contract/report.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError } from '../usage.ts';
import {
  assignments,
  controlCommand,
  plainTable,
  withConnection,
  type ControlFlags,
  type Exit,
} from './connection.ts';

const RUNTIMES = 'threads, simulated';

export const listFaultsCommand = (terminal: Terminal): Command =>
  new Command('list-faults')
    .description('List the faults that can be injected, what they are done to and what one sees of them.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  covisor list-faults --json')
    .action(({ json }: { json?: true }) => {
      const all = Object.entries(FAULTS).map(([name, kind]) => ({ name, ...kind, runtimes: RUNTIMES }));
      if (json) {
        const points = { calls: CALL_POINTS, coprocessor: CORE_POINTS };
        terminal.stdout.write(`${JSON.stringify({ faults: all, points }, null, 2)}\n`);
        return;
      }
      type Row = KindOfFault & { readonly name: string; readonly runtimes: string };
      const columns = (['name', 'target', 'settings', 'runtimes', 'what', 'seen'] as const).map((head) => ({
        head,
        cell: (row: Row) => row[head] || '-',
      }));
      terminal.stdout.write(
        `${plainTable(columns, all, terminal)}points: ${[...CALL_POINTS, ...CORE_POINTS].join(' ')}\n`,
      );
    });

/** Words that say when; the others are the fault's own. */
const WHEN = ['at', 'within', 'event', 'nth', 'plus', 'probability', 'point'];

/** `stall gpu0 for=20ms event=switch nth=3` as a plan has it. */
export function faultOf(name: string, target: string | undefined, words: readonly string[]): object {
  const kind = (FAULTS as Partial<Record<string, KindOfFault>>)[name];
  if (kind === undefined)
    throw new UsageError(`no fault ${name}; ${expectedOneOf(name, Object.keys(FAULTS))}`);
  const needsTarget = kind.target !== 'everybody' && kind.target !== 'call';
  const named = target !== undefined && !target.includes('=');
  if (needsTarget && !named) throw new UsageError(`fault ${name} needs a ${kind.target}`);
  const settings = assignments(named || target === undefined ? words : [target, ...words]);
  const own = Object.entries(settings).filter(([key]) => !WHEN.includes(key));
  const when = Object.entries(settings).filter(([key]) => WHEN.includes(key));
  const fault = {
    fault: name as FaultKind,
    ...(named ? { [kind.target === 'call' ? 'coproc' : kind.target]: target } : {}),
    ...Object.fromEntries(own),
    when: when.length === 0 ? { at: 0 } : Object.fromEntries(when),
  };
  const read = readPlan({ faults: [fault] });
  if (read.kind === 'failed')
    throw new UsageError(`fault ${name}: ${read.reason.replaceAll('faults.0.', '')}`);
  return fault;
}

export const faultCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('fault')
    .description(
      'Inject faults into a system that was started with covisor up --faults, and see what became of them.',
    )
    .addCommand(
      controlCommand('inject', 'Do one thing to one coprocessor, vcoproc or domain, now or at a moment.', [
        'covisor fault inject kill gpu0',
        'covisor fault inject stall gpu0 for=20ms',
        'covisor fault inject flip-bit red/gpu0 bit=0.3 event=switch nth=3',
      ])
        .argument('<fault>', 'its name, as list-faults shows it')
        .argument('[target]', 'a coprocessor, a vcoproc (DOMAIN/COPROC) or a domain')
        .argument(
          '[settings...]',
          'NAME=VALUE: its own settings, and when: at=5ms, event=switch nth=3, point=save nth=1',
        )
        .action(async (name: string, target: string | undefined, words: string[], flags: ControlFlags) => {
          const fault = faultOf(name, target, words);
          exit(
            await withConnection(flags, terminal, async (connection) => {
              const injected = await connection.inject(fault);
              if (flags.json) terminal.stdout.write(`${JSON.stringify({ fault: injected })}\n`);
            }),
          );
        }),
    )
    .addCommand(
      controlCommand('list', 'Show what became of each fault.', ['covisor fault list --json']).action(
        async (flags: ControlFlags) =>
          exit(
            await withConnection(flags, terminal, async (connection) => {
              const faults = await connection.faults();
              terminal.stdout.write(
                flags.json ? `${JSON.stringify(faults, null, 2)}\n` : plainTable(COLUMNS, faults, terminal),
              );
            }),
          ),
      ),
    );

const COLUMNS = [
  { head: 'fault', cell: ({ fault }: FaultReport) => printable(fault) },
  { head: 'times', cell: ({ times }: FaultReport) => String(times) },
  { head: 'became', cell: ({ became }: FaultReport) => became },
  { head: 'detail', cell: ({ detail }: FaultReport) => printable(detail) },
];
