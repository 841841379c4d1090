import { Command } from 'commander';
import { nearest } from '../../base/nearest.ts';
import { UsageError } from '../usage.ts';

/** In place of commander's own, which answers the name of no command with the help of all of them. */
export const helpCommand = (): Command =>
  new Command('help')
    .description('Show what there is, or how one command is used.')
    .argument('[command...]', 'a command, and one of its own')
    .addHelpText('after', '\nExample:\n  covisor help fault inject')
    .action((names: readonly string[], _flags: unknown, { parent }: Command) => {
      let command = parent!;
      for (const name of names) command = below(command, name);
      command.help();
    });

function below(command: Command, name: string): Command {
  const found = command.commands.find((candidate) => candidate.name() === name);
  if (found !== undefined) return found;
  const near = nearest(
    name,
    command.commands.map((candidate) => candidate.name()),
  );
  const usage = command.createHelp().commandUsage(command);
  throw new UsageError(
    `${command.name()} has no command ${name}; ${near === undefined ? `usage: ${usage}` : `did you mean ${near}?`}`,
  );
}
