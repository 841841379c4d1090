import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { Cores, allowedCores, pinThread, readCores } from '../../../src/runtime/threads/pinning.ts';
import { ThreadsRuntime } from '../../../src/runtime/threads/runtime.ts';
import { startBare } from './bare.ts';

const allowed = allowedCores();
const possible = allowed.length > 1 && pinThread(allowed) === undefined;

/** On which cores each thread of this process may run. */
const threads = (): (readonly number[])[] =>
  readdirSync('/proc/self/task').flatMap((thread) => {
    try {
      const status = readFileSync(`/proc/self/task/${thread}/status`, 'utf8');
      return [readCores(/^Cpus_allowed_list:\s*(\S+)$/m.exec(status)![1]!)];
    } catch {
      return []; // It ended meanwhile.
    }
  });

/** How many threads are held on this core alone. */
const heldOn = (core: number): number =>
  threads().filter((cores) => cores.length === 1 && cores[0] === core).length;

test.each([
  ['0', [0]],
  ['0-2,5', [0, 1, 2, 5]],
  ['3,8-9', [3, 8, 9]],
  ['', []],
  ['x', []],
])('a list of cores as the kernel writes it: %j', (list, cores) => {
  expect(readCores(list)).toEqual(cores);
});

// Where there is one core, or no taskset, nothing can be held.
describe.skipIf(!possible)('threads that are held', () => {
  it('have the first core for the hypervisor, another for a coprocessor, the same after a death, and none at the end', async () => {
    const taken = Cores.take();
    if (taken.kind === 'failed') throw new Error(taken.reason);
    expect(allowedCores()).toEqual(allowed.slice(0, 1));
    const runtime = new ThreadsRuntime(1, undefined, taken.value);
    for (let life = 0; life < 2; life++) {
      const { port, spoke, over } = startBare(runtime);
      // Before it speaks it is held.
      await spoke;
      expect(heldOn(allowed[1]!)).toBeGreaterThan(0);
      port.kill('for the test');
      await over;
    }
    await runtime.close();
    expect(allowedCores()).toEqual(allowed);
  });

  it('take the other cores in turn, and as many as there are', () => {
    const taken = Cores.take();
    if (taken.kind === 'failed') throw new Error(taken.reason);
    const cores = taken.value;
    cores.release();
    const names = Array.from({ length: 2 * allowed.length }, (_, k) => `gpu${k}`);
    const given = names.map((name) => cores.of(name));
    expect(names.map((name) => cores.of(name))).toEqual(given);
    expect(new Set(given)).toEqual(new Set(allowed.slice(1)));
  });
});

it('says why where a thread cannot be held', () => {
  expect(pinThread([100_000])).toMatch(/./);
});
