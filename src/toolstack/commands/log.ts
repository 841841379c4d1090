import type { Command } from 'commander';
import type { TraceEvent } from '../../contract/events.ts';
import { printable } from '../../observe/printable.ts';
import type { Terminal } from '../terminal.ts';
import { controlCommand, withConnection, type ControlFlags, type Exit } from './connection.ts';

export const dmesgCommand = (terminal: Terminal, exit: Exit): Command =>
  controlCommand('dmesg', 'Show what was logged: guests, faults, domains that came and went.', [
    'covisor dmesg',
  ]).action(async (flags: ControlFlags) => {
    exit(
      await withConnection(flags, terminal, async (connection) => {
        const log = await connection.dmesg();
        const lines = flags.json ? [JSON.stringify(log, null, 2)] : log.map(logLine);
        terminal.stdout.write(lines.map((line) => `${line}\n`).join(''));
      }),
    );
  });

/** Seconds since the start, then what happened, as `dmesg` of a kernel has it. */
function logLine(event: TraceEvent): string {
  return `[${(event.at / 1e9).toFixed(6).padStart(12)}] ${printable(what(event))}`;
}

function what(event: TraceEvent): string {
  if (event.kind === 'log') return `${event.domain}: ${event.line}`;
  if (event.kind === 'domain')
    return `${event.domain}: ${event.state}${event.reason === null ? '' : `: ${event.reason}`}`;
  if (event.kind === 'fault') {
    const blamed = event.vcoproc === null ? 'nobody is' : `${event.vcoproc} is`;
    return `${event.coproc}: ${event.what}; ${blamed} to blame${event.reset ? '; the coprocessor was reset' : ''}`;
  }
  if (event.kind === 'dump')
    return `${event.coproc}: crash dump of ${event.vcoproc ?? 'nobody'} in ${event.file}`;
  if (event.kind === 'recovery') return `${event.vcoproc ?? event.coproc}: ${event.step}: ${event.why}`;
  return JSON.stringify(event);
}

export const eventsCommand = (terminal: Terminal, exit: Exit): Command =>
  controlCommand('events', 'Print every event as it happens, one JSON line each, until interrupted.', [
    'covisor events --follow | grep \'"domain"\'',
  ])
    .addHelpText(
      'after',
      `
Events come as they are told, each with the time "at" which it happened. What a coprocessor did is told once the
hypervisor hears of it, so that "at" may go back from one line to the next; nobody can sort what is still to come.`,
    )
    .option('--follow', 'go on until interrupted (the default)')
    .action(async (flags: ControlFlags) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          const stop = (): void => connection.close();
          process.once('SIGINT', stop).once('SIGTERM', stop);
          terminal.stdout.once('error', stop);
          await connection.follow((event) => void terminal.stdout.write(`${JSON.stringify(event)}\n`));
          await connection.closed;
          process.off('SIGINT', stop).off('SIGTERM', stop);
        }),
      );
    });

export const downCommand = (terminal: Terminal, exit: Exit): Command =>
  controlCommand('down', 'End all domains and the hypervisor; return when it is gone.', [
    'covisor down',
  ]).action(async (flags: ControlFlags) => {
    exit(
      await withConnection(flags, terminal, async (connection) => {
        await connection.down();
        if (flags.json) terminal.stdout.write('{}\n');
      }),
    );
  });
