import { Command } from 'commander';
import { cpSync, existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkWritable, shown } from '../files.ts';
import { EXIT, forShell, type Terminal } from '../terminal.ts';
import { UsageError } from '../usage.ts';
import { version } from '../version.ts';
import type { Exit } from './connection.ts';

const TEMPLATE = fileURLToPath(new URL('../template', import.meta.url));
/** Files of the template in which NAME stands for the folder's name. */
const NAMED = ['system.dts', 'README.md'];

export const initCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('init')
    .description(
      'Make a new system that runs at once: a coprocessor, two domains, a guest, a firmware, a scheduler and a platform.',
    )
    .argument('<folder>', 'a new or an empty folder')
    .addHelpText('after', '\nExample:\n  covisor init my-system && covisor run my-system')
    .action((folder: string) => {
      makeSystem(resolve(folder));
      terminal.stderr.write(
        `${shown(resolve(folder))} is ready; run it with ${forShell('covisor', 'run', folder)}\n`,
      );
      exit(EXIT.ok);
    });

function makeSystem(folder: string): void {
  if (existsSync(folder) && !(statSync(folder).isDirectory() && readdirSync(folder).length === 0))
    throw new UsageError(`${shown(folder)} is there and not empty; expected a new or an empty folder`);
  checkWritable(folder, 'init');
  cpSync(TEMPLATE, folder, { recursive: true });
  const name = basename(folder);
  for (const file of NAMED) {
    const path = join(folder, file);
    writeFileSync(
      path,
      readFileSync(path, 'utf8').replace('NAME', () => name.replace(/["\\\n]/g, '')),
    );
  }
  // Guests are modules; their types come with the package.
  const manifest = { private: true, type: 'module', devDependencies: { covisor: `^${version()}` } };
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
}
