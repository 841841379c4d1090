import { resolve } from 'node:path';
import { Command } from 'commander';
import { showDuration, type Duration } from '../../base/units.ts';
import { readCheckpoint, type Checkpoint } from '../checkpoint/folder.ts';
import { shown } from '../files.ts';
import type { Terminal } from '../terminal.ts';
import { UsageError } from '../usage.ts';
import { controlCommand, socketOption, withConnection, type ControlFlags, type Exit } from './connection.ts';
import { resumeStaying, type Staying } from './resident.ts';
import { resumeRun, type Outputs } from './run.ts';

interface CheckpointFlags extends ControlFlags {
  readonly stop?: true;
}

export const checkpointCommand = (terminal: Terminal, exit: Exit): Command =>
  controlCommand(
    'checkpoint',
    'Save the whole system into a folder, jobs under way included, and let it go on.',
    ['covisor checkpoint saved', 'covisor checkpoint saved --stop && covisor resume saved --detach'],
  )
    .argument('<folder>', 'a new folder, or an earlier checkpoint, which it replaces')
    .option('--stop', 'end the system when it is saved')
    .action(async (given: string, flags: CheckpointFlags) => {
      exit(
        await withConnection(flags, terminal, async (connection) => {
          const taken = await connection.checkpoint(resolve(given), { stop: flags.stop === true });
          if (flags.stop) await connection.down();
          const still = showDuration(taken.pausedFor as Duration);
          const text = `${shown(taken.folder)}: ${taken.bytes} bytes; the domains stood still for ${still}`;
          terminal.stdout.write(`${flags.json ? JSON.stringify(taken) : text}\n`);
        }),
      );
    });

/** Options that only one of the two kinds of systems knows. */
const ONLY = {
  run: ['out', 'for', 'json', 'quiet'],
  up: ['out', 'socket', 'detach', 'dumpsTo'],
} as const satisfies Record<Checkpoint['mode'], readonly string[]>;

interface ResumeFlags extends Outputs, Omit<Staying, 'dumps'> {
  readonly dumpsTo?: string;
}

export const resumeCommand = (terminal: Terminal, exit: Exit): Command =>
  new Command('resume')
    .description('Go on with a system that was saved: a run to its end, one that stays until covisor down.')
    .argument('<folder>', 'a checkpoint')
    .addOption(socketOption())
    .option('--detach', 'return once it runs (of a system that stays)')
    .option('--out <folder>', "where results and domains' files go")
    .option('--for <length>', 'end the domains after this long (of a run)')
    .option('--no-files', 'write no files (of a run)')
    .option('--no-dumps', 'write no crash dumps (of a run)')
    .option('--dumps-to <folder>', 'where crash dumps go (of a system that stays; default: none are written)')
    .option('--json', 'print the run as one JSON document')
    .option('--quiet', 'print nothing but errors and --json')
    .addHelpText(
      'after',
      '\nExamples:\n  covisor resume saved --detach\n  covisor resume saved --out out/again',
    )
    .action(async (given: string, { dumpsTo, ...flags }: ResumeFlags) => {
      const folder = resolve(given);
      const checkpoint = readCheckpoint(folder);
      const { mode } = checkpoint;
      refuseOthers(mode, { ...flags, dumpsTo });
      const staying: Staying = {
        ...(flags.socket === undefined ? {} : { socket: flags.socket }),
        ...(flags.out === undefined ? {} : { out: flags.out }),
        ...(flags.detach === undefined ? {} : { detach: flags.detach }),
        ...(dumpsTo === undefined ? {} : { dumps: dumpsTo }),
      };
      exit(
        mode === 'run'
          ? await resumeRun(checkpoint, flags, terminal)
          : await resumeStaying(folder, checkpoint, staying, terminal),
      );
    });

function refuseOthers(mode: Checkpoint['mode'], flags: object): void {
  const known: readonly string[] = ONLY[mode];
  const other = mode === 'run' ? ONLY.up : ONLY.run;
  const wrong = other.find(
    (name) => !known.includes(name) && (flags as Record<string, unknown>)[name] !== undefined,
  );
  if (wrong === undefined) return;
  const option = `--${wrong.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
  const what = mode === 'run' ? 'a run, which goes to its end' : 'a system that stays';
  throw new UsageError(`${option} means nothing here: the checkpoint is of ${what}`);
}
