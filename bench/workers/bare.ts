import { parentPort, workerData } from 'node:worker_threads';
import type { FirmwareImage } from '../../src/contract/firmware.ts';
import { instantiateFirmware } from '../../src/firmware/instance.ts';

// The limit of a coprocessor: the same firmware in a thread of its own, stepped in a loop that does nothing else.

const { firmware } = workerData as { firmware: FirmwareImage };
const pages = firmware.memoryPages;
const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
const none = (): number => 0;
const host = {
  dmaIn: none,
  dmaFetch: none,
  dmaOut: none,
  dmaFill: none,
  dmaGather: none,
  dmaScatter: none,
  irq: none,
  registerGet: none,
  registerSet: none,
};
const made = instantiateFirmware(firmware, memory, host);
if (made.kind === 'failed') throw new Error(made.reason);
const { start, step } = made.value;
const block = new Int32Array(memory.buffer, firmware.commandAddress, 24);

function bout(count: number): void {
  for (let turn = 0; turn < count; turn++) step(500);
}

parentPort!.on('message', ({ count, dirty }: { count: number; dirty: number }) => {
  block.set([0, 1, count, dirty]);
  const begun = performance.now();
  start();
  for (let done = 0; done < count; done += 1000) bout(Math.min(1000, count - done));
  parentPort!.postMessage(performance.now() - begun);
});
parentPort!.postMessage('ready');
