import { parentPort, workerData } from 'node:worker_threads';
import { Doorbell } from '../../src/memory/doorbell.ts';
import { RingConsumer, RingProducer } from '../../src/memory/ring.ts';
import { beHeld } from '../harness/cores.ts';
import { echo, wait, type End } from '../ring/drive.ts';

export interface EchoData {
  readonly there: SharedArrayBuffer;
  readonly back: SharedArrayBuffer;
  readonly bells: SharedArrayBuffer;
  readonly batch: number;
  readonly core: number | undefined;
}

const { there, back, bells, batch, core } = workerData as EchoData;
beHeld(core);
const end: End = {
  in: new RingConsumer(there),
  out: new RingProducer(back),
  mine: new Doorbell(bells, 1),
  theirs: new Doorbell(bells, 0),
};
const never = (): boolean => false;

function turns(): void {
  for (let turn = 0; turn < 1000; turn++) if (echo(end, batch) === 0) wait(end, never);
}

parentPort!.postMessage('ready');
for (;;) turns();
