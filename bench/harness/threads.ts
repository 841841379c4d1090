import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

const BOOT = new URL('../../workers/boot.mjs', import.meta.url);

const compiled = import.meta.url.endsWith('.js');

/** Starts a worker whose module says 'ready' when it is. It does not keep the process alive. */
export async function startWorker(entry: URL, data: object): Promise<Worker> {
  const worker = new Worker(BOOT, {
    workerData: { ...data, entry: compiled ? entry.href.replace(/\.ts$/, '.js') : entry.href },
    execArgv: [],
  });
  await once(worker, 'message');
  worker.unref();
  return worker;
}
