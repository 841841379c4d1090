import { Command, Option } from 'commander';
import type { Strategy } from '../../explore/races/index.ts';
import { EXIT, type Terminal } from '../terminal.ts';
import { UsageError } from '../usage.ts';

interface Flags {
  readonly scenario?: string;
  readonly replay?: string;
  readonly strategy?: Strategy;
  readonly json?: true;
}

const STRATEGIES: readonly Strategy[] = ['reduction', 'depth-first', 'random-walk', 'priorities'];

export const racesCommand = (terminal: Terminal, exit: (code: number) => void): Command =>
  new Command('races')
    .description(
      'Run the scenarios of a module of shared-memory code in every order that matters, and look for races.',
    )
    .argument('<module>', 'a module that exports `scenarios` (see docs/races.md)')
    .option('--scenario <name>', 'only this one')
    .option('--replay <tape>', 'the order of a failure that was found, as it was printed')
    .addOption(new Option('--strategy <name>', 'how to search').choices(STRATEGIES))
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      `
Examples:
  covisor races examples/races/lock.ts
  covisor races mine.ts --scenario 'two producers' --strategy random-walk`,
    )
    .action(async (module: string, { json, ...options }: Flags) => {
      // The checker parses source: only who asks for it pays for the compiler.
      const { RefusedError, checkModule, showModuleCheck } = await import('../../explore/races/index.ts');
      try {
        const result = await checkModule(module, options);
        terminal.stdout.write(`${json ? JSON.stringify(result, null, 2) : showModuleCheck(result)}\n`);
        exit(result.passed ? EXIT.ok : EXIT.failed);
      } catch (error) {
        if (error instanceof RefusedError || error instanceof RangeError) throw new UsageError(error.message);
        throw error;
      }
    });
