import { Command, Option } from 'commander';
import { resolve } from 'node:path';
import { showDuration, type Duration } from '../../base/units.ts';
import type { DomainId } from '../../contract/names.ts';
import { textTable, type Column } from '../../observe/text-table.ts';
import { ControlError, NotRunningError, connect, defaultSocket, type Connection } from '../control/client.ts';
import type { Args, SystemState, Verb } from '../control/protocol.ts';
import { EXIT, type Terminal } from '../terminal.ts';
import { UsageError } from '../usage.ts';

interface Flags {
  readonly socket?: string;
  readonly json?: true;
}

type Parameters = Record<string, number | string>;
type Exit = (code: number) => void;

const socketOption = (): Option =>
  new Option('--socket <path>', "the control socket (default: in the user's runtime directory)");

/** Connects, does one thing, and says in one line what went wrong. */
export async function withConnection(
  { socket }: { readonly socket?: string },
  { stderr }: Terminal,
  use: (connection: Connection) => Promise<void>,
): Promise<number> {
  let connection: Connection | undefined;
  try {
    connection = await connect({ socket: resolve(socket ?? defaultSocket()) });
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

const plainTable = <Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  { stdout }: Terminal,
): string =>
  `${textTable(columns, rows, { width: stdout.columns ?? 200, paintHead: (head) => head }).join('\n')}\n`;

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
  return new Command(name)
    .description(what)
    .addOption(socketOption())
    .option('-d, --domain <name>', 'only of this domain')
    .option('-c, --coproc <id>', 'only on this coprocessor')
    .option('--json', 'print JSON')
    .action(async (flags: Flags & { domain?: string; coproc?: string }) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          const state = await connection.ask('state', {});
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
    ({ coprocs }, flags) => coprocs.filter(({ id }) => flags.coproc === undefined || id === flags.coproc),
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
          { head: 'IRQs', align: right, cell: ({ interrupts }) => String(interrupts.delivered) },
          {
            head: 'Parameters',
            align: left,
            cell: ({ parameters }) =>
              Object.entries(parameters)
                .map(([key, value]) => `${key}=${value}`)
                .join(' ') || '-',
          },
        ],
        rows,
        terminal,
      ),
  );

export const infoCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('info')
    .description('Say what runs, and what this build has.')
    .addOption(socketOption())
    .option('--json', 'print JSON')
    .action(async (flags: Flags) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          const info = await connection.ask('info', {});
          const lines = Object.entries(info).map(
            ([key, value]) => `${key.padEnd(12)}${Array.isArray(value) ? value.join(' ') : String(value)}`,
          );
          terminal.stdout.write(`${flags.json ? JSON.stringify(info, null, 2) : lines.join('\n')}\n`);
        }),
      );
    });

/** A command that makes the hypervisor do one thing to one domain. */
function doer<V extends Verb>(
  terminal: Terminal,
  exit: Exit,
  name: V,
  argument: string,
  what: string,
  args: (given: string) => Args<V>,
): Command {
  return new Command(name)
    .description(what)
    .argument(argument)
    .addOption(socketOption())
    .option('--json', 'print JSON')
    .action(async (given: string, flags: Flags) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          const answer = await connection.ask(name, args(given));
          if (flags.json) terminal.stdout.write(`${JSON.stringify(answer)}\n`);
        }),
      );
    });
}

export const createCommand = (terminal: Terminal, exit: Exit): Command =>
  doer(terminal, exit, 'create', '<file>', 'Create and start a domain from a domain file.', (file) => ({
    file: resolve(file),
  }));

const domainDoers = {
  destroy: 'End a domain at once, whatever it does.',
  pause: 'Take a domain off its coprocessors until unpause.',
  unpause: 'Let a paused domain go on.',
  reboot: 'Destroy a domain and start it again from its file.',
  shutdown: 'Ask a domain to end; one that does not listen is destroyed.',
} as const;

export const domainCommands = Object.entries(domainDoers).map(
  ([name, what]) =>
    (terminal: Terminal, exit: Exit): Command =>
      doer(terminal, exit, name as keyof typeof domainDoers, '<domain>', what, (domain) => ({ domain })),
);

export const attachCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('attach')
    .description('Give a running domain a share of one more coprocessor.')
    .argument('<domain>')
    .argument('<coproc>', 'as in a domain file: gpu0,firmware=render,weight=512')
    .addOption(socketOption())
    .action(async (domain: string, share: string, flags: Flags) => {
      const [coproc = '', ...settings] = share.split(',').map((part) => part.trim());
      const { firmware, ...parameters } = assignments(settings);
      if (typeof firmware !== 'string')
        throw new UsageError(`attach ${share}: no firmware; expected COPROC,firmware=NAME`);
      exit(
        await withConnection(
          flags,
          terminal,
          async (connection) =>
            void (await connection.ask('attach', { domain, coproc, firmware, parameters })),
        ),
      );
    });

export const detachCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('detach')
    .description(
      'Take a share of a coprocessor from a domain, also while it runs: its commands are cancelled.',
    )
    .argument('<domain>')
    .argument('<coproc>')
    .addOption(socketOption())
    .action(async (domain: string, coproc: string, flags: Flags) => {
      exit(
        await withConnection(
          flags,
          terminal,
          async (connection) => void (await connection.ask('detach', { domain, coproc })),
        ),
      );
    });

function assignments(parts: readonly string[]): Parameters {
  return Object.fromEntries(
    parts.map((part) => {
      const at = part.indexOf('=');
      if (at < 1) throw new UsageError(`${part}: expected NAME=VALUE`);
      const value = part.slice(at + 1);
      return [part.slice(0, at), value !== '' && Number.isFinite(Number(value)) ? Number(value) : value];
    }),
  );
}

interface SchedFlags extends Flags {
  readonly coproc?: string;
  readonly scheduler?: string;
  readonly domain?: string;
  readonly weight?: string;
  readonly cap?: string;
  readonly priority?: string;
  readonly period?: string;
  readonly budget?: string;
  readonly timeslice?: string;
  readonly set: string[];
}

export const schedCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('sched')
    .description(
      'Show or change who decides for a coprocessor, and what it knows of a domain. No options: list all.',
    )
    .addOption(socketOption())
    .option('-c, --coproc <id>', 'the coprocessor (default: all, or the only one)')
    .option('-s, --scheduler <algorithm>', 'decide by this algorithm from now on')
    .option('-t, --timeslice <us>', 'length of a slice, in microseconds')
    .option('-d, --domain <name>', 'the domain whose parameters change')
    .option('-w, --weight <number>', 'its weight, 1 to 65535')
    .option('--cap <percent>', 'the most of the coprocessor that it gets')
    .option('--priority <number>', 'its priority')
    .option('-p, --period <us>', 'its period, in microseconds')
    .option('-b, --budget <us>', 'its budget per period, in microseconds')
    .option(
      '--set <name=value>',
      'any other parameter; may be repeated',
      (value, all: string[]) => [...all, value],
      [],
    )
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  covisor sched                              who decides where, and all parameters
  covisor sched -c gpu0 -s credit            change the algorithm under load
  covisor sched -c gpu0 -d cluster -w 512    twice the weight for a domain
  covisor sched -c gpu0 -t 500               slices of 500 us`,
    )
    .action(async (flags: SchedFlags) => {
      exit(await withConnection(flags, terminal, (connection) => sched(connection, flags, terminal)));
    });

async function sched(connection: Connection, flags: SchedFlags, terminal: Terminal): Promise<void> {
  const named = Object.entries({
    weight: flags.weight,
    cap: flags.cap,
    priority: flags.priority,
    period: flags.period,
    budget: flags.budget,
  });
  const parameters = assignments([
    ...named.flatMap(([key, value]) => (value === undefined ? [] : [`${key}=${value}`])),
    ...flags.set,
  ]);
  const changes =
    flags.scheduler !== undefined || flags.timeslice !== undefined || Object.keys(parameters).length > 0;
  if (changes) {
    const coproc = flags.coproc ?? (await onlyCoproc(connection));
    await connection.ask('sched', {
      coproc,
      ...(flags.scheduler === undefined ? {} : { algorithm: flags.scheduler }),
      ...(flags.timeslice === undefined ? {} : { timesliceUs: Number(flags.timeslice) }),
      ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
      ...(flags.domain === undefined ? {} : { domain: flags.domain }),
    });
    return;
  }
  const state = await connection.ask('state', {});
  const rows = state.coprocs
    .filter(({ id }) => flags.coproc === undefined || id === flags.coproc)
    .flatMap(({ id, scheduler, timeslice }) =>
      state.vcoprocs
        .filter(
          ({ coproc, domain }) => coproc === id && (flags.domain === undefined || domain === flags.domain),
        )
        .map((vcoproc) => ({
          coproc: id,
          scheduler,
          timeslice,
          domain: vcoproc.domain,
          parameters: vcoproc.parameters,
        })),
    );
  if (flags.json) {
    terminal.stdout.write(`${JSON.stringify(rows, null, 2)}\n`);
    return;
  }
  terminal.stdout.write(
    plainTable(
      [
        { head: 'Coproc', align: left, cell: ({ coproc }) => coproc },
        { head: 'Scheduler', align: left, cell: ({ scheduler }) => scheduler },
        { head: 'Slice', align: right, cell: ({ timeslice }) => showDuration(timeslice) },
        { head: 'Domain', align: left, cell: ({ domain }) => domain },
        {
          head: 'Parameters',
          align: left,
          cell: ({ parameters: all }) =>
            Object.entries(all)
              .map(([key, value]) => `${key}=${value}`)
              .join(' ') || '-',
        },
      ],
      rows,
      terminal,
    ),
  );
}

async function onlyCoproc(connection: Connection): Promise<string> {
  const { coprocs } = await connection.ask('state', {});
  if (coprocs.length === 1) return coprocs[0]!.id;
  throw new UsageError(
    `which coprocessor? expected -c with one of ${coprocs.map(({ id }) => id).join(', ')}`,
  );
}

export const dmesgCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('dmesg')
    .description('Show what was logged: guests, faults, domains that came and went.')
    .addOption(socketOption())
    .option('--json', 'print one JSON line for each')
    .action(async (flags: Flags) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          for (const event of await connection.ask('dmesg', {})) {
            const at = `[${(event.at / 1e9).toFixed(6).padStart(12)}]`;
            const line =
              event.kind === 'log'
                ? `${event.domain}: ${event.line}`
                : event.kind === 'fault'
                  ? `${event.coproc}: ${event.vcoproc ?? 'nobody'} is to blame: ${event.what}${event.reset ? ' (coprocessor reset)' : ''}`
                  : event.kind === 'domain'
                    ? `${event.domain}: ${event.state}${event.reason === null ? '' : `: ${event.reason}`}`
                    : JSON.stringify(event);
            terminal.stdout.write(flags.json ? `${JSON.stringify(event)}\n` : `${at} ${line}\n`);
          }
        }),
      );
    });

export const eventsCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('events')
    .description('Print every event as it happens, one JSON line each, until interrupted.')
    .addOption(socketOption())
    .option('--follow', 'go on until interrupted (the default)')
    .action(async (flags: Flags) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          const stop = (): void => connection.close();
          process.once('SIGINT', stop);
          terminal.stdout.once('error', stop);
          await connection.follow((event) => void terminal.stdout.write(`${JSON.stringify(event)}\n`));
          await connection.closed;
          process.off('SIGINT', stop);
        }),
      );
    });

export const dumpCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('dump')
    .description('Print the whole state and the log at one instant, as JSON.')
    .addOption(socketOption())
    .action(async (flags: Flags) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          terminal.stdout.write(`${JSON.stringify(await connection.ask('dump', {}), null, 2)}\n`);
        }),
      );
    });

export const downCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('down')
    .description('End all domains and the hypervisor.')
    .addOption(socketOption())
    .action(async (flags: Flags) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          await connection.ask('down', {});
          // It is down when it hangs up.
          await connection.closed;
        }),
      );
    });
