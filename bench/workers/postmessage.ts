import { parentPort } from 'node:worker_threads';

parentPort!.on('message', (command: Int32Array) => parentPort!.postMessage(command));
parentPort!.postMessage('ready');
