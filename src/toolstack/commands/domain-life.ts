import type { Command } from 'commander';
import { resolve } from 'node:path';
import type { Connection } from '../control/client.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError } from '../usage.ts';
import { assignments, controlCommand, withConnection, type ControlFlags, type Exit } from './connection.ts';

// What makes domains come, go and change. With --json, each prints what was done.

/** Completes a command with what it does; `act` answers what --json prints. */
function doer<Given extends readonly string[]>(
  command: Command,
  terminal: Terminal,
  exit: Exit,
  act: (connection: Connection, ...given: Given) => Promise<object>,
): Command {
  return command.action(async (...all: unknown[]) => {
    const [flags] = all.splice(-2) as [ControlFlags, Command];
    exit(
      await withConnection(flags, terminal, async (connection) => {
        const done = await act(connection, ...(all as unknown as Given));
        if (flags.json) terminal.stdout.write(`${JSON.stringify(done)}\n`);
      }),
    );
  });
}

export const createCommand = (terminal: Terminal, exit: Exit): Command =>
  doer(
    controlCommand(
      'create',
      'Create and start a domain from a domain file. One of its name that ended makes room for it.',
      ['covisor create examples/shares/domains/red.cfg'],
    ).argument(
      '<file>',
      "a domain file; its kernel is found below the running system's folder, else beside the file",
    ),
    terminal,
    exit,
    async (connection, file) => ({ domain: await connection.create(resolve(file)) }),
  );

const doings = {
  destroy: 'End a domain at once, whatever it does, and give back all that it had.',
  pause: 'Take a domain off its coprocessors until unpause. Its commands and interrupts wait.',
  unpause: 'Let a paused domain go on.',
  reboot: 'Destroy a domain and start it again, with the vcoprocs and parameters that it has now.',
  shutdown: 'Ask a domain to end; one that does not listen is destroyed.',
} as const;

export const domainCommands = Object.entries(doings).map(
  ([name, what]) =>
    (terminal: Terminal, exit: Exit): Command =>
      doer(
        controlCommand(name, what, [`covisor ${name} red`]).argument(
          '<domain>',
          'its name, as list shows it',
        ),
        terminal,
        exit,
        async (connection, domain) => {
          await connection[name as keyof typeof doings](domain);
          return { domain };
        },
      ),
);

export const attachCommand = (terminal: Terminal, exit: Exit): Command =>
  doer(
    controlCommand('attach', 'Give a running domain a share of one more coprocessor.', [
      'covisor attach red dsp0,firmware=stream,weight=512',
    ])
      .argument('<domain>', 'its name')
      .argument('<share>', 'as in a domain file: COPROC,firmware=NAME[,PARAMETER=VALUE…]'),
    terminal,
    exit,
    async (connection, domain, share) => {
      const [coproc = '', ...settings] = share.split(',').map((part) => part.trim());
      const { firmware, ...parameters } = assignments(settings);
      if (typeof firmware !== 'string')
        throw new UsageError(`attach ${share}: no firmware; expected COPROC,firmware=NAME`);
      // A file is named from here, not from where the hypervisor was started.
      const named = firmware.endsWith('.wasm') ? resolve(firmware) : firmware;
      await connection.attach(domain, coproc, { ...parameters, firmware: named });
      return { domain, coproc, firmware: named };
    },
  );

export const resetCommand = (terminal: Terminal, exit: Exit): Command =>
  doer(
    controlCommand(
      'reset',
      'Reset a share of a coprocessor, whatever it is doing: it begins anew, and nobody else notices.',
      ['covisor reset red gpu0'],
    )
      .argument('<domain>', 'its name')
      .argument('<coproc>', 'as coprocs shows it'),
    terminal,
    exit,
    async (connection, domain, coproc) => {
      await connection.reset(domain, coproc);
      return { domain, coproc };
    },
  );

export const detachCommand = (terminal: Terminal, exit: Exit): Command =>
  doer(
    controlCommand(
      'detach',
      'Take a share of a coprocessor from a domain, also while it runs: its commands are cancelled.',
      ['covisor detach red gpu0'],
    )
      .argument('<domain>', 'its name')
      .argument('<coproc>', 'as coprocs shows it'),
    terminal,
    exit,
    async (connection, domain, coproc) => {
      await connection.detach(domain, coproc);
      return { domain, coproc };
    },
  );
