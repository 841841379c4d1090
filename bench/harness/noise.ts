import type { Worker } from 'node:worker_threads';
import { startWorker } from './threads.ts';

/**
 * How two threads stand to each other at this moment: on cores that share a cache (`near`), on cores that do not
 * (`far`), or not both on a core at all (`noisy`). Virtual machines move between these by themselves.
 */
export type Placement = 'near' | 'far' | 'noisy';

const ROUNDS = 2000;
const NEAR_NS = 400;
const FAR_NS = 1600;
const LONGEST_MS = 10;

/** Words: 0 the gate (0: the other side sleeps), 32 ping, 64 pong. */
export const GATE = 0;
export const PING = 32;
export const PONG = 64;

let words: Int32Array | undefined;
let worker: Worker | undefined;
/** Round trips of the last probe in nanoseconds: the figure behind the label. */
export let lastProbe = 0;

/** A cache line there and back between two spinning threads, {@link ROUNDS} times. */
export async function probe(): Promise<Placement> {
  if (words === undefined) {
    words = new Int32Array(new SharedArrayBuffer(4096));
    worker = await startWorker(new URL('../workers/pong.ts', import.meta.url), { memory: words.buffer });
  }
  Atomics.store(words, GATE, 1);
  Atomics.notify(words, GATE);
  pingPong(words, 200);
  lastProbe = pingPong(words, ROUNDS);
  Atomics.store(words, GATE, 0);
  return lastProbe < NEAR_NS ? 'near' : lastProbe < FAR_NS ? 'far' : 'noisy';
}

function pingPong(shared: Int32Array, rounds: number): number {
  const first = Atomics.load(shared, PING);
  const start = performance.now();
  for (let round = 1; round <= rounds; round++) {
    const now = (first + round) | 0;
    Atomics.store(shared, PING, now);
    for (let looks = 1; Atomics.load(shared, PONG) !== now; looks++)
      if (looks % 4096 === 0 && performance.now() - start > LONGEST_MS) return Infinity;
    if (round % 64 === 0 && performance.now() - start > LONGEST_MS) return Infinity;
  }
  return ((performance.now() - start) * 1e6) / rounds;
}

export async function endProbe(): Promise<void> {
  await worker?.terminate();
  worker = words = undefined;
}
