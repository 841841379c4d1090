import { parentPort } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';

parentPort!.postMessage('ready');
Comlink.expose({ task: (command: Int32Array) => command }, nodeEndpoint(parentPort!));
