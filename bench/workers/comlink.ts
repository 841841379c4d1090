import { parentPort, workerData } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { beHeld } from '../harness/cores.ts';

beHeld((workerData as { readonly core: number | undefined }).core);
parentPort!.postMessage('ready');
Comlink.expose({ task: (command: Int32Array) => command }, nodeEndpoint(parentPort!));
