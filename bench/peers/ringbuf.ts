import { RingBuffer } from 'ringbuf.js';
import { startWorker } from '../harness/threads.ts';

/** A 64-byte descriptor as ringbuf.js copies it fastest. */
export const DOUBLES = 8;

/** Descriptors there and back through ringbuf.js, `batch` in each push. Says how many per second. */
export async function ringbuf(
  capacity: number,
  batch: number,
  core: number | undefined,
): Promise<{ sample: (milliseconds: number) => number; end: () => Promise<unknown> }> {
  const storage = (): SharedArrayBuffer =>
    RingBuffer.getStorageForCapacity(capacity * DOUBLES, Float64Array as never);
  const [there, back, gate] = [storage(), storage(), new SharedArrayBuffer(4)];
  const worker = await startWorker(new URL('../workers/ringbuf.ts', import.meta.url), {
    there,
    back,
    gate,
    batch,
    core,
  });
  const [out, into] = [
    new RingBuffer(there, Float64Array as never),
    new RingBuffer(back, Float64Array as never),
  ];
  const open = new Int32Array(gate);
  const held = new Float64Array(batch * DOUBLES);
  const come = new Float64Array(capacity * DOUBLES);

  const pump = (milliseconds: number): number => {
    let [sent, got, wrong] = [0, 0, 0];
    const start = performance.now();
    for (let turn = 0, goes = true; goes || got < sent; turn++) {
      if ((turn & 63) === 0) goes = performance.now() - start < milliseconds;
      if (goes && sent - got <= capacity - batch) {
        for (let k = 0; k < batch; k++) held[k * DOUBLES] = sent + k;
        sent += out.push(held, batch * DOUBLES) / DOUBLES;
      }
      const n = into.pop(come, come.length) / DOUBLES;
      for (let k = 0; k < n; k++) if (come[k * DOUBLES] !== got + k) wrong++;
      got += n;
    }
    if (wrong > 0) throw new Error(`ringbuf.js: ${wrong} of ${sent} descriptors came back wrong`);
    return sent / ((performance.now() - start) / 1e3);
  };
  return {
    sample(milliseconds) {
      Atomics.store(open, 0, 1);
      Atomics.notify(open, 0);
      const perSecond = pump(milliseconds);
      Atomics.store(open, 0, 0);
      return perSecond;
    },
    end: () => worker.terminate(),
  };
}
