import { fileURLToPath } from 'node:url';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { Piscina } from 'piscina';
import type { Cores } from '../../src/runtime/threads/pinning.ts';
import { startWorker } from '../harness/threads.ts';

/** A way to have one worker do one command of 64 bytes. */
export interface Peer {
  call(command: Int32Array): Promise<unknown>;
  end(): Promise<unknown>;
}

const worker = (name: string): URL => new URL(`../workers/${name}`, import.meta.url);

export async function comlink(cores?: Cores): Promise<Peer> {
  const thread = await startWorker(worker('comlink.ts'), { core: cores?.of('peer') });
  thread.ref();
  const remote = Comlink.wrap<{ task(command: Int32Array): Int32Array }>(nodeEndpoint(thread));
  return { call: (command) => remote.task(command), end: () => thread.terminate() };
}

export async function piscina(cores?: Cores): Promise<Peer> {
  const workerData = { core: cores?.of('peer') };
  const filename = fileURLToPath(worker('task.mjs'));
  const pool = new Piscina({ filename, workerData, minThreads: 1, maxThreads: 1 });
  await pool.run(new Int32Array(16));
  return { call: (command) => pool.run(command), end: () => pool.destroy() };
}

export async function postMessage(cores?: Cores): Promise<Peer> {
  const thread = await startWorker(worker('postmessage.ts'), { core: cores?.of('peer') });
  thread.ref();
  // Answers come in order: no command needs a number.
  const waiting: ((answer: unknown) => void)[] = [];
  let first = 0;
  thread.on('message', (answer) => {
    waiting[first++]!(answer);
    if (first === waiting.length) first = waiting.length = 0;
  });
  return {
    call: (command) =>
      new Promise((resolve) => {
        waiting.push(resolve);
        thread.postMessage(command);
      }),
    end: () => thread.terminate(),
  };
}

/** Calls for so long, `concurrency` at a time. Says how many per second. */
export async function calls(peer: Peer, concurrency: number, milliseconds: number): Promise<number> {
  const command = new Int32Array(16);
  const start = performance.now();
  let done = 0;
  const one = async (): Promise<void> => {
    do {
      await peer.call(command);
      done++;
    } while (performance.now() - start < milliseconds);
  };
  await Promise.all(Array.from({ length: concurrency }, one));
  return done / ((performance.now() - start) / 1e3);
}

/** Calls one after the other for so long. Says the median in nanoseconds. */
export async function oneByOne(peer: Peer, milliseconds: number): Promise<number> {
  const command = new Int32Array(16);
  const each: number[] = [];
  for (const end = performance.now() + milliseconds; performance.now() < end || each.length === 0;) {
    const start = performance.now();
    await peer.call(command);
    each.push(performance.now() - start);
  }
  return each.sort((a, b) => a - b)[each.length >> 1]! * 1e6;
}
