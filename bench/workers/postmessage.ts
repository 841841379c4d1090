import { parentPort, workerData } from 'node:worker_threads';
import { beHeld } from '../harness/cores.ts';

beHeld((workerData as { readonly core: number | undefined }).core);
parentPort!.on('message', (command: Int32Array) => parentPort!.postMessage(command));
parentPort!.postMessage('ready');
