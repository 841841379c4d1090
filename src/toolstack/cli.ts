import { Command, CommanderError } from 'commander';
import { messageOf } from '../base/said.ts';
import { InvariantError } from '../base/assert.ts';
import { checkpointCommand, resumeCommand } from './commands/checkpoint.ts';
import { completionCommand } from './commands/completion.ts';
import { doctorCommand } from './commands/doctor.ts';
import { exploreCommand } from './commands/explore.ts';
import {
  checkCommand,
  listFirmwareCommand,
  listPlatformsCommand,
  listSchedulersCommand,
  schemaCommand,
} from './commands/inspect.ts';
import { replayCommand } from './commands/replay.ts';
import { racesCommand } from './commands/races.ts';
import {
  attachCommand,
  createCommand,
  detachCommand,
  domainCommands,
  resetCommand,
} from './commands/domain-life.ts';
import { coprocsCommand, infoCommand, listCommand, vcoprocsCommand } from './commands/list.ts';
import { dumpCommand } from './commands/dump.ts';
import { dmesgCommand, downCommand, eventsCommand } from './commands/log.ts';
import { schedCommand } from './commands/sched.ts';
import { faultCommand, listFaultsCommand } from './commands/faults.ts';
import { featuresCommand } from './commands/features.ts';
import { helpCommand } from './commands/help.ts';
import { initCommand } from './commands/init.ts';
import { upCommand } from './commands/resident.ts';
import { runCommand } from './commands/run.ts';
import { watchdogCommand } from './commands/watchdog.ts';
import { topCommand } from './commands/top.ts';
import { ConfigurationError } from './config/problem.ts';
import { EXIT, type Terminal } from './terminal.ts';
import { UsageError } from './usage.ts';
import { version } from './version.ts';

/** Runs one command line. Returns the exit code; never throws. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  let code: number = EXIT.ok;
  const program = new Command('covisor')
    .description(
      'A hypervisor for shared coprocessors: whole contexts, firmware and data, switched between domains.',
    )
    .version(version())
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
    })
    .showSuggestionAfterError()
    .helpCommand(false)
    .exitOverride();
  for (const command of [
    runCommand,
    exploreCommand,
    replayCommand,
    racesCommand,
    checkCommand,
    listPlatformsCommand,
    listSchedulersCommand,
    listFirmwareCommand,
    listFaultsCommand,
    schemaCommand,
    upCommand,
    listCommand,
    coprocsCommand,
    vcoprocsCommand,
    infoCommand,
    createCommand,
    ...domainCommands,
    attachCommand,
    detachCommand,
    resetCommand,
    schedCommand,
    watchdogCommand,
    faultCommand,
    topCommand,
    dmesgCommand,
    eventsCommand,
    dumpCommand,
    checkpointCommand,
    resumeCommand,
    downCommand,
    initCommand,
    featuresCommand,
    doctorCommand,
    completionCommand,
    helpCommand,
  ]) {
    program.addCommand(command(terminal, (exit) => (code = exit)));
  }
  handDown(program);
  program.addHelpText(
    'after',
    `
Examples:
  covisor run examples/cockpit                       run a system on real threads
  covisor run examples/cockpit --runtime simulated   the same, deterministic, under virtual time
  covisor check examples/cockpit                     read a system and say what is wrong with it
  covisor init my-system                             make a new system that runs at once
  covisor up examples/shares --detach                run a system that stays; then: covisor top, covisor down

Exit codes: 0 ok, 1 a result or a law failed, 2 usage or configuration, 3 infrastructure, 4 internal, 130 interrupted.`,
  );
  try {
    await program.parseAsync([...args], { from: 'user' });
    return code;
  } catch (error) {
    return complain(error, terminal);
  }
}

/** What holds for a command holds for those below it, too: one that lacks it would end the process by itself. */
function handDown(command: Command): void {
  for (const below of command.commands) {
    below.copyInheritedSettings(command);
    handDown(below);
  }
  const usage = command.createHelp().commandUsage(command);
  command.configureOutput({
    outputError: (text, write) =>
      write(`${text.trim().replace(/\s+/g, ' ').replace(/\.$/, '')}; usage: ${usage}\n`),
  });
}

function complain(error: unknown, { stderr }: Terminal): number {
  if (error instanceof CommanderError) {
    // Help and version come this way too; what was wrong is said already.
    return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  }
  if (error instanceof ConfigurationError || error instanceof UsageError) {
    stderr.write(`${error.message}\n`);
    return EXIT.usage;
  }
  if (error instanceof InvariantError) {
    stderr.write(`covisor: internal error, please report it: ${error.stack ?? error.message}\n`);
    return EXIT.internal;
  }
  stderr.write(`covisor: ${messageOf(error)}\n`);
  return EXIT.infrastructure;
}
