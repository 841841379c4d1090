import { parentPort, workerData } from 'node:worker_threads';
import { RingBuffer } from 'ringbuf.js';
import { beHeld } from '../harness/cores.ts';
import { DOUBLES } from '../peers/ringbuf.ts';

const { there, back, gate, batch, core } = workerData as Record<
  'there' | 'back' | 'gate',
  SharedArrayBuffer
> & {
  batch: number;
  core: number | undefined;
};
beHeld(core);
const [from, to] = [new RingBuffer(there, Float64Array), new RingBuffer(back, Float64Array)];
const open = new Int32Array(gate);
const held = new Float64Array(batch * DOUBLES);

// It cannot sleep: it looks until the gate closes.
function turns(): void {
  while (Atomics.load(open, 0) === 1) {
    const taken = from.pop(held, held.length);
    for (let put = 0; put < taken;) put += to.push(held, taken - put, put);
  }
}

parentPort!.postMessage('ready');
for (;;) {
  Atomics.wait(open, 0, 0);
  turns();
}
