import { Command } from 'commander';
import { firmwareLibrary } from '../../firmware/library.ts';
import { platforms } from '../../platforms/index.ts';
import { schedulers } from '../../schedulers/index.ts';
import type { Terminal } from '../terminal.ts';
import { version } from '../version.ts';

const RUNTIMES = ['threads', 'simulated'];
/** What a system may bring along, by path. */
const FROM_FILES = ['schedulers', 'platforms', 'guests', 'firmwares'];

export const featuresCommand = ({ stdout }: Terminal): Command =>
  new Command('features')
    .description('List what this build has: platforms, schedulers, firmware, runtimes.')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  covisor features --json')
    .action(({ json }: { json?: true }) => {
      const features = {
        version: version(),
        runtimes: RUNTIMES,
        platforms: Object.keys(platforms),
        schedulers: Object.keys(schedulers),
        firmwares: firmwareLibrary().names(),
        fromFiles: FROM_FILES,
      };
      const lines = Object.entries(features).map(
        ([key, value]) => `${key.padEnd(12)}${Array.isArray(value) ? value.join(' ') : String(value)}`,
      );
      stdout.write(`${json ? JSON.stringify(features, null, 2) : lines.join('\n')}\n`);
    });
