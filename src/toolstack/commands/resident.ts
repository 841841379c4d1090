import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { Command } from 'commander';
import { firstLineOf } from '../../base/said.ts';
import type { Runtime } from '../../contract/port.ts';
import { Injector } from '../../faults/injector.ts';
import { NO_FAULTS } from '../../faults/plan.ts';
import { afterMilliseconds } from '../../runtime/threads/ticker.ts';
import { ThreadsRuntime } from '../../runtime/threads/runtime.ts';
import type { Checkpoint } from '../checkpoint/folder.ts';
import { resumedSystem } from '../checkpoint/resumed-system.ts';
import { ControlError, NotRunningError, SilentError, connect, type Connection } from '../control/client.ts';
import { ControlServer } from '../control/server.ts';
import { pinOption, takeCores } from '../cores.ts';
import { checkPlan, readPlanFile, verified } from '../fault-plan.ts';
import { checkWritable, makeFolder, shown } from '../files.ts';
import { readSystem } from '../known.ts';
import { ResidentSystem, type ResidentOptions } from '../resident.ts';
import { EXIT, type Terminal } from '../terminal.ts';
import { UsageError, parseWhole } from '../usage.ts';
import { socketOf, socketOption } from './connection.ts';

/** What a system that stays is told. */
export interface Staying {
  readonly socket?: string;
  readonly out?: string;
  readonly faults?: string | true;
  readonly dumps?: string;
  readonly detach?: true;
  readonly pin?: true;
}

interface Flags extends Staying {
  readonly seed: string;
}

/** How often, and how many times, a detached start is looked at before it counts as failed. */
const READY_MS = 50;
const READY_LOOKS = 600;

export const upCommand = (terminal: Terminal, exit: (code: number) => void): Command =>
  new Command('up')
    .description(
      'Run a system and stay: other terminals steer it through the control socket, until covisor down.',
    )
    .argument('<system>', 'a folder with system.dts and domains/*.cfg')
    .addOption(socketOption())
    .option('--detach', 'return once it runs; its log goes beside the socket')
    .addOption(pinOption())
    .option('--seed <number>', 'seed of all chance', '1')
    .option('--faults [plan]', 'take faults (covisor fault inject), and carry out this plan if one is given')
    .option('--out <folder>', "where the domains' files go (default: nowhere)")
    .option('--dumps <folder>', 'where crash dumps go (default: none are written)')
    .addHelpText(
      'after',
      `
Examples:
  covisor up examples/shares --detach
  covisor top
  covisor down`,
    )
    .action(async (folder: string, flags: Flags) => {
      const socket = socketOf(flags);
      const seed = parseWhole(flags.seed, '--seed', -(2 ** 31), 2 ** 31 - 1);
      const system = readSystem(folder);
      checkFolders(flags);
      exit(
        flags.detach
          ? await detach(['up', folder, '--seed', flags.seed], flags, socket, terminal)
          : await stay({ system, seed }, flags, socket, terminal),
      );
    });

/** Goes on with a system that was saved while it stayed. */
export async function resumeStaying(
  folder: string,
  checkpoint: Checkpoint,
  flags: Staying,
  terminal: Terminal,
): Promise<number> {
  const socket = socketOf(flags);
  checkFolders(flags);
  const origin = { system: resumedSystem(checkpoint), seed: checkpoint.seed, resume: checkpoint };
  return flags.detach
    ? detach(['resume', folder], flags, socket, terminal)
    : stay(origin, flags, socket, terminal);
}

async function stay(
  origin: Pick<ResidentOptions, 'system' | 'seed' | 'resume'>,
  flags: Staying,
  socket: string,
  { stderr }: Terminal,
): Promise<number> {
  const plan = typeof flags.faults === 'string' ? readPlanFile(flags.faults) : NO_FAULTS;
  checkPlan(plan, origin.system);
  const injector = flags.faults === undefined ? undefined : new Injector(plan, { live: true });
  // Who takes faults may be damaged later.
  const system = injector === undefined ? origin.system : verified(origin.system);
  let over: (code: number) => void = () => {};
  const end = new Promise<number>((resolveEnd) => (over = resolveEnd));
  let resident: ResidentSystem | undefined;
  // The socket first: of two that start at once, one hears of the other before it starts anything.
  const server = await ControlServer.listen(socket, async (verb, args) => {
    if (verb === 'events') return null;
    if (verb === 'down') {
      over(EXIT.ok);
      return null;
    }
    if (resident === undefined) throw new Error('the system starts; ask again in a moment');
    return (resident.verbs[verb] as (given: unknown) => unknown)(args);
  });
  const interrupt = (): void => over(EXIT.interrupted);
  process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
  try {
    const pinned = flags.pin ? takeCores() : undefined;
    const runtime: Runtime = new ThreadsRuntime(origin.seed, origin.resume?.saved.at, pinned);
    resident = await ResidentSystem.start({
      ...origin,
      system,
      runtime,
      socket,
      onEvent: (event) => server.publish(event),
      onStray: (error) => void stderr.write(`covisor: a guest let go: ${firstLineOf(error)}\n`),
      ...(flags.out === undefined ? {} : { out: resolve(flags.out) }),
      ...(injector === undefined ? {} : { injector }),
      ...(flags.dumps === undefined ? {} : { dumps: resolve(flags.dumps) }),
    });
    stderr.write(`${origin.system.model} is up, socket ${socket}\n`);
    return await Promise.race([end, resident.broken]);
  } finally {
    process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
    await resident?.close();
    await server.close();
  }
}

function checkFolders({ out, dumps }: Staying): void {
  if (out !== undefined) checkWritable(resolve(out), '--out');
  if (dumps !== undefined) checkWritable(resolve(dumps), '--dumps');
}

/** Starts another process that stays, and waits until it answers or is gone. */
async function detach(
  command: readonly string[],
  flags: Staying,
  socket: string,
  { stderr }: Terminal,
): Promise<number> {
  const running = await whoAnswers(socket);
  if (running !== undefined) {
    throw new UsageError(
      `a hypervisor listens on ${socket} already (process ${running}); stop it with covisor down, or name another --socket`,
    );
  }
  makeFolder(dirname(socket), 0o700);
  const log = join(dirname(socket), `${basename(socket, '.sock')}.log`);
  const out = openSync(log, 'w', 0o600);
  const args = [...command, '--socket', socket];
  if (flags.out !== undefined) args.push('--out', flags.out);
  if (flags.faults !== undefined) args.push('--faults', ...(flags.faults === true ? [] : [flags.faults]));
  if (flags.dumps !== undefined) args.push('--dumps', flags.dumps);
  if (flags.pin) args.push('--pin');
  const child = spawn(process.execPath, [...process.execArgv, process.argv[1]!, ...args], {
    detached: true,
    stdio: ['ignore', out, out],
  });
  closeSync(out);
  let gone: number | undefined;
  child.once('exit', (code) => (gone = code ?? EXIT.infrastructure));
  for (let look = 0; look < READY_LOOKS && gone === undefined; look++) {
    const answers = await whoAnswers(socket).catch((error: unknown) => {
      child.kill('SIGKILL');
      rmSync(log);
      throw error;
    });
    if (answers === child.pid) {
      child.unref();
      stderr.write(`up, process ${child.pid}, socket ${socket}, log ${shown(log)}\n`);
      return EXIT.ok;
    }
    await afterMilliseconds(READY_MS);
  }
  if (gone === undefined) child.kill('SIGKILL');
  stderr.write(readFileSync(log, 'utf8'));
  rmSync(log);
  if (gone === undefined) stderr.write('the system did not come up in time; run it without --detach\n');
  return gone ?? EXIT.infrastructure;
}

/** The process of the hypervisor that runs behind a socket, if one does. */
async function whoAnswers(socket: string): Promise<number | undefined> {
  let connection: Connection | undefined;
  try {
    connection = await connect({ socket });
    return (await connection.info()).pid;
  } catch (error) {
    // It starts or ends, or nobody is there.
    if (error instanceof SilentError) throw error;
    if (error instanceof NotRunningError || error instanceof ControlError) return undefined;
    throw error;
  } finally {
    connection?.close();
  }
}
