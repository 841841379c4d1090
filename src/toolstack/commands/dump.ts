import { resolve } from 'node:path';
import { Command } from 'commander';
import type { RecordedDump } from '../../contract/crash-dump.ts';
import { readDump } from '../dump/record.ts';
import { dumpText } from '../dump/show.ts';
import { shown } from '../files.ts';
import { EXIT, type Terminal } from '../terminal.ts';
import { parseWhole } from '../usage.ts';
import { controlCommand, withConnection, type ControlFlags, type Exit } from './connection.ts';

/** Pages of local memory that are shown when nobody asks for more. */
const FEW_PAGES = '2';

export const dumpCommand = (terminal: Terminal, exit: Exit): Command =>
  controlCommand(
    'dump',
    'Print the whole state and the log at one instant, as JSON; or write a crash dump of one coprocessor, as it is.',
    [
      'covisor dump > before.json          the whole state',
      'covisor dump gpu0                   writes gpu0.dump into the current folder',
      'covisor dump show gpu0.dump         shows it; more of it: covisor dump show --help',
    ],
  )
    .argument('[coproc]', 'the coprocessor to dump, with the context that it holds')
    .argument(
      '[file]',
      'where the dump goes (default: COPROC.dump in the current folder); dump show prints it',
    )
    .addCommand(showCommand(terminal, exit))
    .action(async (coproc: string | undefined, given: string | undefined, flags: ControlFlags) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          if (coproc === undefined) {
            terminal.stdout.write(`${JSON.stringify(await connection.dump(), null, 2)}\n`);
            return;
          }
          const file = resolve(given ?? `${coproc}.dump`);
          await connection.dumpCoproc(coproc, file);
          terminal.stdout.write(flags.json ? `${JSON.stringify({ coproc, file })}\n` : `${shown(file)}\n`);
        }),
      );
    });

const showCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('show')
    .description('Show a crash dump: registers, memory, queues, the last events.')
    .argument('<file>', 'a crash dump')
    .option('--json', 'print JSON; memory is in base64')
    .option('--pages <count>', 'pages of local memory to show', FEW_PAGES)
    .action((path: string, _flags: object, command: Command) => {
      // An option of both is the outer command's, wherever it stands.
      const flags = command.optsWithGlobals<{ readonly json?: true; readonly pages: string }>();
      const pages = parseWhole(flags.pages, '--pages', 0, 2 ** 20);
      const dump = readDump(resolve(path));
      const { stdout } = terminal;
      stdout.write(flags.json ? jsonText(dump) : dumpText(dump, { width: stdout.columns ?? 120, pages }));
      exit(EXIT.ok);
    });

const jsonText = (dump: RecordedDump): string => {
  const { context } = dump;
  const pages = context?.memory.pages.map(({ at, bytes }) => ({
    at,
    bytes: Buffer.from(bytes).toString('base64'),
  }));
  const whole =
    context === null ? dump : { ...dump, context: { ...context, memory: { ...context.memory, pages } } };
  return `${JSON.stringify(whole, null, 2)}\n`;
};
