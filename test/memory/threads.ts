import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { ThreadData } from './thread-parts.ts';

const boot = new URL('../../workers/boot.mjs', import.meta.url);
const entry = new URL('thread.ts', import.meta.url).href;
const workers: Worker[] = [];

/** Starts a thread and resolves with what it posts at its end. */
export function start<T>(data: ThreadData): Promise<T> {
  const worker = new Worker(boot, { workerData: { entry, ...data }, execArgv: [] });
  workers.push(worker);
  return once(worker, 'message').then(([message]) => message as T);
}

/** Ends threads that a failed test left waiting. */
export async function endThreads(): Promise<void> {
  await Promise.all(workers.splice(0).map((worker) => worker.terminate()));
}
