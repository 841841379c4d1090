import { emitKeypressEvents } from 'node:readline';
import { Command, Option } from 'commander';
import { createLogUpdate } from 'log-update';
import pc from 'picocolors';
import type { VcoprocReport } from '../../contract/report.ts';
import { liveText } from '../../observe/live.ts';
import { liveSnapshot, type LiveSnapshot } from '../../observe/live-snapshot.ts';
import { afterMilliseconds } from '../../runtime/threads/ticker.ts';
import { ControlError, type Connection } from '../control/client.ts';
import type { SystemState } from '../control/protocol.ts';
import type { Terminal } from '../terminal.ts';
import { parseWhole } from '../usage.ts';
import { withConnection } from './connection.ts';

interface Flags {
  readonly socket?: string;
  readonly delay: string;
  readonly batch?: true;
  readonly iterations?: string;
}

const SORTS = ['time', 'wait', 'name'] as const;
const DEFAULT_WEIGHT = 256;
const MOST_WEIGHT = 65535;

export const topCommand = (terminal: Terminal, exit: (code: number) => void): Command =>
  new Command('top')
    .description(
      'Watch coprocessors and vcoprocs. On a terminal: s sorts, arrows select, + and - change a weight, q ends.',
    )
    .addOption(new Option('--socket <path>', "the control socket (default: in the user's runtime directory)"))
    .option('-d, --delay <ms>', 'milliseconds between two looks', '1000')
    .option('-b, --batch', 'print one table after the other, for files and pipes')
    .option('-i, --iterations <number>', 'end after so many looks')
    .action(async (flags: Flags) => {
      const delay = parseWhole(flags.delay, '--delay', 10, 3_600_000);
      const looks =
        flags.iterations === undefined
          ? Infinity
          : parseWhole(flags.iterations, '--iterations', 1, 1_000_000_000);
      exit(
        await withConnection(flags, terminal, (connection) =>
          top(connection, terminal, delay, looks, flags.batch === true),
        ),
      );
    });

async function top(
  connection: Connection,
  terminal: Terminal,
  delay: number,
  looks: number,
  batch: boolean,
): Promise<void> {
  const { stdout } = terminal;
  const interactive = !batch && stdout.isTTY && process.stdin.isTTY;
  const screen = interactive ? new Screen(connection, stdout) : undefined;
  let before: LiveSnapshot | undefined;
  try {
    for (let look = 0; look < looks && screen?.over !== true; look++) {
      if (look > 0) await (screen === undefined ? afterMilliseconds(delay) : screen.wait(delay));
      const state = await connection.ask('state', {});
      const snapshot = snapshotOf(state, before);
      if (snapshot.at - (before?.at ?? 0) > (delay * 1e6) / 2) before = snapshot;
      if (screen !== undefined) screen.draw(state, snapshot);
      else stdout.write(`${liveText(snapshot, stdout.columns ?? 120, false).join('\n')}\n\n`);
    }
  } finally {
    screen?.close();
  }
}

/** Shares and rates of the time since the look before, where there was one. */
function snapshotOf(state: SystemState, before: LiveSnapshot | undefined): LiveSnapshot {
  return liveSnapshot(
    state.at as LiveSnapshot['at'],
    state,
    ({ id }) =>
      state.coprocs.find((coproc) => coproc.id === id)?.now ?? {
        state: 'idle',
        owner: null,
        sliceLeft: null,
      },
    before,
  );
}

/** The interactive top: one table that is redrawn, and keys. */
class Screen {
  readonly #connection: Connection;
  readonly #stdout: NodeJS.WriteStream;
  readonly #update: ReturnType<typeof createLogUpdate>;
  #state: SystemState | undefined;
  #sort = 0;
  #selected = 0;
  #message = '';
  #wake = (): void => {};
  over = false;

  constructor(connection: Connection, stdout: NodeJS.WriteStream) {
    this.#connection = connection;
    this.#stdout = stdout;
    this.#update = createLogUpdate(stdout);
    emitKeypressEvents(process.stdin);
    process.stdin.setRawMode(true).resume();
    process.stdin.on('keypress', this.#onKey);
  }

  /** Until `delay` milliseconds are over or a key is pressed. */
  async wait(delay: number): Promise<void> {
    await Promise.race([afterMilliseconds(delay), new Promise<void>((resolve) => (this.#wake = resolve))]);
  }

  draw(state: SystemState, snapshot: LiveSnapshot): void {
    this.#state = state;
    const vcoprocs = this.#sorted(snapshot.vcoprocs);
    this.#selected = Math.min(this.#selected, Math.max(0, vcoprocs.length - 1));
    const lines = liveText(
      { ...snapshot, vcoprocs },
      this.#stdout.columns ?? 80,
      (process.env['NO_COLOR'] ?? '') === '',
    );
    const chosen = vcoprocs[this.#selected];
    const parameters = Object.entries(state.vcoprocs.find(({ id }) => id === chosen?.id)?.parameters ?? {});
    const about =
      chosen === undefined
        ? ''
        : `${chosen.id}  ${parameters.map(([key, value]) => `${key}=${value}`).join(' ')}`;
    const keys = `sorted by ${SORTS[this.#sort]} (s)  select (up, down)  weight (+, -)  end (q)`;
    this.#update(`${[...lines, '', `> ${about}`, pc.dim(keys), this.#message].join('\n')}\n`);
  }

  close(): void {
    process.stdin.off('keypress', this.#onKey);
    process.stdin.setRawMode(false).pause();
    this.#update.done();
  }

  #sorted(vcoprocs: readonly VcoprocReport[]): VcoprocReport[] {
    const by = {
      time: (a: VcoprocReport, b: VcoprocReport) => b.time - a.time,
      wait: (a: VcoprocReport, b: VcoprocReport) => b.wait.p99 - a.wait.p99,
      name: (a: VcoprocReport, b: VcoprocReport) => (a.id < b.id ? -1 : 1),
    } as const;
    return [...vcoprocs].sort(by[SORTS[this.#sort]!]);
  }

  readonly #onKey = (_text: string, key: { name?: string; sequence?: string; ctrl?: boolean }): void => {
    this.#message = '';
    if (key.name === 'q' || (key.ctrl === true && key.name === 'c')) this.over = true;
    else if (key.name === 's') this.#sort = (this.#sort + 1) % SORTS.length;
    else if (key.name === 'up') this.#selected = Math.max(0, this.#selected - 1);
    else if (key.name === 'down') this.#selected++;
    else if (key.sequence === '+' || key.sequence === '-') {
      void this.#reweigh(key.sequence === '+' ? 2 : 0.5).finally(this.#wake);
      return;
    }
    this.#wake();
  };

  async #reweigh(factor: number): Promise<void> {
    const vcoproc = this.#sorted(this.#state?.vcoprocs ?? [])[this.#selected];
    if (vcoproc === undefined) return;
    const { weight = DEFAULT_WEIGHT } =
      this.#state!.vcoprocs.find(({ id }) => id === vcoproc.id)?.parameters ?? {};
    const changed = Math.min(MOST_WEIGHT, Math.max(1, Math.round(Number(weight) * factor)));
    try {
      await this.#connection.ask('sched', {
        coproc: vcoproc.coproc,
        domain: vcoproc.domain,
        parameters: { weight: changed },
      });
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
      this.#message = error.message;
    }
  }
}
