import { Doorbell, doorbellBytes } from '../../src/memory/doorbell.ts';
import { RingConsumer, RingProducer, ringMemory } from '../../src/memory/ring.ts';
import type { Bench } from '../harness/bench.ts';
import { held, ownCores } from '../harness/cores.ts';
import { native, nativeLimits } from '../harness/native.ts';
import type { Contestant } from '../harness/race.ts';
import { startWorker } from '../harness/threads.ts';
import { ringbuf } from '../peers/ringbuf.ts';
import { SPINS, alone, drive, type Driver } from './drive.ts';

const CAPACITY = 256;
const GOALS = { 1: 0.5, 16: 0.65, 64: 0.75 } as const;

/** The ring and its doorbells alone, between two threads. */
export const ringBench: Bench = {
  name: 'ring',
  what: '64-byte descriptors there and back between two threads, with sleep and wake',
  async *races({ milliseconds }) {
    const cores = ownCores();
    const core = cores?.of('echo');
    for (const batch of [1, 16, 64] as const) {
      const ours = await rings(batch, core);
      const theirs = await ringbuf(CAPACITY, batch, core);
      const contestants: Contestant[] = [
        { name: 'ring', sample: held(cores, () => drive(ours.end, milliseconds, batch)) },
        { name: 'ringbuf.js', sample: held(cores, () => theirs.sample(milliseconds)) },
      ];
      if (nativeLimits())
        contestants.push({
          name: 'C++ ring',
          sample: () => native('ring', CAPACITY, batch, milliseconds, SPINS)['perSecond']!,
        });
      yield {
        title: `ring, batch ${batch}`,
        unit: '/s',
        contestants,
        questions: [
          { of: 'ring', to: 'C++ ring', goal: GOALS[batch] },
          { of: 'ring', to: 'ringbuf.js', goal: 4 },
        ],
      };
      await Promise.all([ours.close(), theirs.end()]);
    }
    if (!nativeLimits()) return;
    const ours = await rings(1, core);
    yield {
      title: 'ring, one descriptor there and back, both awake',
      unit: 'ns',
      contestants: [
        { name: 'ring', sample: held(cores, () => alone(ours.end, milliseconds)) },
        { name: 'C++ ring', sample: () => native('latency', milliseconds, SPINS)['p50']! },
      ],
      questions: [{ of: 'ring', to: 'C++ ring', goal: 1 / 1.5 }],
    };
    await ours.close();
  },
};

async function rings(
  batch: number,
  core: number | undefined,
): Promise<{ end: Driver; close: () => Promise<unknown> }> {
  const [there, back] = [ringMemory(CAPACITY), ringMemory(CAPACITY)];
  const bells = new SharedArrayBuffer(doorbellBytes(2));
  const worker = await startWorker(new URL('../workers/echo.ts', import.meta.url), {
    there,
    back,
    bells,
    batch,
    core,
  });
  const end = {
    out: new RingProducer(there),
    in: new RingConsumer(back),
    numbers: new Float64Array(back),
    mine: new Doorbell(bells, 0),
    theirs: new Doorbell(bells, 1),
  };
  return { end, close: () => worker.terminate() };
}
