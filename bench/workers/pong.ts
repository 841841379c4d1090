import { parentPort, workerData } from 'node:worker_threads';
import { GATE, PING, PONG } from '../harness/noise.ts';

const { memory } = workerData as { memory: SharedArrayBuffer };
const words = new Int32Array(memory);

function answer(): void {
  let seen = Atomics.load(words, PONG);
  while (Atomics.load(words, GATE) === 1) {
    const ping = Atomics.load(words, PING);
    if (ping === seen) continue;
    seen = ping;
    Atomics.store(words, PONG, seen);
  }
}

parentPort!.postMessage('ready');
for (;;) {
  Atomics.wait(words, GATE, 0);
  answer();
}
