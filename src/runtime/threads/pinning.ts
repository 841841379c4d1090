import { spawnSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { failed, ok, type Outcome } from '../../base/outcome.ts';
import { messageOf } from '../../base/said.ts';

// Node has no affinity of its own: util-linux sets it, for one thread by its number. Linux only.

/** Which core each thread is held on: the hypervisor's the first, coprocessors the others in turn. */
export class Cores {
  readonly #all: readonly number[];
  readonly #taken = new Map<string, number>();

  private constructor(all: readonly number[]) {
    this.#all = all;
  }

  /** Those that the calling thread, the hypervisor's, is allowed; it is held on the first. */
  static take(): Outcome<Cores> {
    const cores = new Cores(allowedCores());
    if (cores.count < 2) return failed(`${cores.count} cores are allowed; it takes two`);
    const refused = cores.hold();
    return refused === undefined ? ok(cores) : failed(refused);
  }

  get count(): number {
    return this.#all.length;
  }

  /** A coprocessor's core: the same one when it is started again. */
  of(coproc: string): number {
    const { size } = this.#taken;
    const core = this.#taken.get(coproc) ?? this.#all[1 + (size % (this.#all.length - 1))]!;
    this.#taken.set(coproc, core);
    return core;
  }

  /** Holds the calling thread on the first core. Says why where it cannot be. */
  hold(): string | undefined {
    return pinThread(this.#all.slice(0, 1));
  }

  /** Lets the calling thread run on all of them again. */
  release(): void {
    pinThread(this.#all);
  }
}

/** Holds the calling thread, and those that it starts from now on, on these cores. Says why where it cannot be. */
export function pinThread(cores: readonly number[]): string | undefined {
  try {
    const thread = basename(readlinkSync('/proc/thread-self'));
    const args = ['--pid', '--cpu-list', cores.join(','), thread];
    const { error, status, stderr } = spawnSync('taskset', args, { encoding: 'utf8' });
    if (error !== undefined) return `taskset, of util-linux: ${messageOf(error)}`;
    return status === 0 ? undefined : stderr.trim();
  } catch (error) {
    return messageOf(error);
  }
}

/** The cores that the calling thread may run on, by number; none where the system does not say. */
export function allowedCores(): readonly number[] {
  try {
    const status = readFileSync('/proc/thread-self/status', 'utf8');
    return readCores(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '');
  } catch {
    return [];
  }
}

/** `0-2,5`: four cores. */
export function readCores(list: string): readonly number[] {
  return list.split(',').flatMap((range) => {
    const [, first, last = first] = /^(\d+)(?:-(\d+))?$/.exec(range) ?? [];
    if (first === undefined) return [];
    return Array.from({ length: Number(last) - Number(first) + 1 }, (_, k) => Number(first) + k);
  });
}
