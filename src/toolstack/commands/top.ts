import { emitKeypressEvents } from 'node:readline';
import type { Command } from 'commander';
import { createLogUpdate } from 'log-update';
import pc from 'picocolors';
import { afterMilliseconds } from '../../runtime/threads/ticker.ts';
import { ControlError, type Connection } from '../control/client.ts';
import type { SystemState } from '../control/protocol.ts';
import type { Terminal } from '../terminal.ts';
import { parseLength, parseWhole } from '../usage.ts';
import {
  controlCommand,
  showParameters,
  withConnection,
  type ControlFlags,
  type Exit,
} from './connection.ts';
import { SORTS, topRows, topText } from './top-table.ts';

interface Flags extends ControlFlags {
  readonly delay: string;
  readonly batch?: true;
  readonly iterations?: string;
}

const SORT_NAMES = Object.keys(SORTS) as (keyof typeof SORTS)[];
const DEFAULT_WEIGHT = 256;
const MOST_WEIGHT = 65535;

export const topCommand = (terminal: Terminal, exit: Exit): Command =>
  controlCommand(
    'top',
    'Watch who has the coprocessors. On a terminal: s sorts, arrows select, + and - change a weight, q ends.',
    [
      'covisor top                   until q',
      'covisor top -b -i 3 > looks   three looks, for a file',
      'covisor top -i 1 --json       one look, for a program',
    ],
  )
    .option('-d, --delay <ms>', 'between two looks, in milliseconds or with a unit, as in 0.5s', '1000')
    .option('-b, --batch', 'print one table after the other, for files and pipes')
    .option('-i, --iterations <number>', 'end after so many looks')
    .action(async (flags: Flags) => {
      const delay = parseLength(flags.delay, '--delay', 'ms', 10, 3_600_000);
      const looks =
        flags.iterations === undefined
          ? Infinity
          : parseWhole(flags.iterations, '--iterations', 1, 1_000_000_000);
      exit(
        await withConnection(flags, terminal, (connection) => top(connection, terminal, delay, looks, flags)),
      );
    });

async function top(
  connection: Connection,
  { stdout }: Terminal,
  delay: number,
  looks: number,
  { batch, json }: Flags,
): Promise<void> {
  const interactive = !batch && !json && stdout.isTTY && process.stdin.isTTY;
  const screen = interactive ? new Screen(connection, stdout) : undefined;
  // Figures are counted from `base`, a whole look ago: a key that is pressed in between shortens nothing.
  let base: SystemState | undefined;
  let last: SystemState | undefined;
  try {
    for (let look = 0; look < looks && screen?.over !== true; look++) {
      if (look > 0) await (screen === undefined ? afterMilliseconds(delay) : screen.wait(delay));
      const state = await connection.state();
      if (last === undefined || state.at - last.at >= delay * 1e6) {
        base = last;
        last = state;
      }
      const seen = { state, before: base, sort: SORT_NAMES[0]!, width: stdout.columns ?? 120, color: false };
      if (screen !== undefined) screen.draw(state, base);
      else if (json) stdout.write(`${JSON.stringify({ at: state.at, rows: topRows(seen) })}\n`);
      else stdout.write(`${topText(seen).join('\n')}\n\n`);
    }
  } finally {
    screen?.close();
  }
}

/** The interactive top: one table that is redrawn, and keys. */
class Screen {
  readonly #connection: Connection;
  readonly #stdout: NodeJS.WriteStream;
  readonly #update: ReturnType<typeof createLogUpdate>;
  /** What is shown, in its order. */
  #shown: SystemState['vcoprocs'] = [];
  #sort = 0;
  #selected: string | undefined;
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
    // The hypervisor may go down while nobody presses a key.
    void connection.closed.then(() => this.#wake());
  }

  /** Until `delay` milliseconds are over or a key is pressed. */
  async wait(delay: number): Promise<void> {
    await Promise.race([afterMilliseconds(delay), new Promise<void>((resolve) => (this.#wake = resolve))]);
  }

  draw(state: SystemState, before: SystemState | undefined): void {
    const sort = SORT_NAMES[this.#sort]!;
    const color = (process.env['NO_COLOR'] ?? '') === '';
    const { dim, yellow } = pc.createColors(color);
    this.#shown = topRows({ state, before, sort }).map(({ vcoproc }) => vcoproc);
    const chosen = this.#chosen();
    const width = this.#stdout.columns ?? 80;
    const lines = topText({ state, before, sort, width, color, selected: chosen?.id });
    const about = chosen === undefined ? '' : `${chosen.id}  ${showParameters(chosen.parameters)}`;
    const keys = `sorted by ${sort} (s)  select (up, down)  weight (+, -)  end (q)`;
    this.#update([...lines, '', `> ${about}`, dim(keys), yellow(this.#message)].join('\n'));
  }

  close(): void {
    process.stdin.off('keypress', this.#onKey);
    process.stdin.setRawMode(false).pause();
    this.#update.done();
  }

  /** The selection stays with its vcoproc wherever the order puts it. */
  #chosen(): SystemState['vcoprocs'][number] | undefined {
    return this.#shown.find(({ id }) => id === this.#selected) ?? this.#shown[0];
  }

  #move(by: number): void {
    const at = this.#shown.findIndex(({ id }) => id === this.#chosen()?.id);
    this.#selected = this.#shown[Math.max(0, Math.min(this.#shown.length - 1, at + by))]?.id;
  }

  readonly #onKey = (_text: string, key: { name?: string; sequence?: string; ctrl?: boolean }): void => {
    this.#message = '';
    if (key.name === 'q' || (key.ctrl === true && key.name === 'c')) this.over = true;
    else if (key.name === 's') this.#sort = (this.#sort + 1) % SORT_NAMES.length;
    else if (key.name === 'up') this.#move(-1);
    else if (key.name === 'down') this.#move(1);
    else if (key.sequence === '+' || key.sequence === '-') {
      void this.#reweigh(key.sequence === '+' ? 2 : 0.5).finally(() => this.#wake());
      return;
    }
    this.#wake();
  };

  async #reweigh(factor: number): Promise<void> {
    const chosen = this.#chosen();
    if (chosen === undefined) return;
    const { weight = DEFAULT_WEIGHT } = chosen.parameters;
    const changed = Math.min(MOST_WEIGHT, Math.max(1, Math.round(Number(weight) * factor)));
    try {
      await this.#connection.schedule(chosen.coproc, chosen.domain, { weight: changed });
    } catch (error) {
      if (!(error instanceof ControlError)) return;
      this.#message = error.message;
    }
  }
}
