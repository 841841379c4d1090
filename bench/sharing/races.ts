import { once } from 'node:events';
import { mib, ms, us, type Duration } from '../../src/base/units.ts';
import type { GuestCoproc } from '../../src/contract/guest.ts';
import type { Bench } from '../harness/bench.ts';
import { startWorker } from '../harness/threads.ts';
import { System } from '../path/system.ts';
import { touchFirmware } from './touch.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const DOMAINS = 4;

interface Setting {
  readonly title: string;
  readonly context: number;
  readonly dirty: number;
  readonly slice: Duration;
  readonly goal: number;
}

const SETTINGS: readonly Setting[] = [
  { title: '64 KiB contexts, 1 ms slices', context: 64 * KIB, dirty: 64 * KIB, slice: ms(1), goal: 0.985 },
  { title: '64 KiB contexts, 100 us slices', context: 64 * KIB, dirty: 64 * KIB, slice: us(100), goal: 0.96 },
  { title: '1 MiB contexts, 1 ms slices', context: MIB, dirty: MIB, slice: ms(1), goal: 0.975 },
  {
    title: '16 MiB contexts of which 1 MiB is dirty, 5 ms slices',
    context: 16 * MIB,
    dirty: MIB,
    slice: ms(5),
    goal: 0.95,
  },
];

/** Steps per second that `coprocs`, which share one coprocessor, do of `steps` together. */
async function work(coprocs: readonly GuestCoproc[], steps: number, dirty: number): Promise<number> {
  const each = Math.ceil(steps / coprocs.length);
  const start = performance.now();
  const ended = await Promise.all(coprocs.map((coproc) => coproc.submit({ op: 1, args: [each, dirty] })));
  const seconds = (performance.now() - start) / 1e3;
  const bad = ended.find(({ status }) => status !== 'ok');
  if (bad !== undefined) throw new Error(bad.reason);
  return (each * coprocs.length) / seconds;
}

/** What sharing a coprocessor costs its owners: the same work, alone and among four. */
export const sharingBench: Bench = {
  name: 'sharing',
  what: `${DOMAINS} domains that share a coprocessor against one that owns it, the same work in all`,
  async *races({ milliseconds }) {
    for (const { title, context, dirty, slice, goal } of SETTINGS) {
      const image = await touchFirmware(context);
      if (image.kind === 'failed') throw new Error(image.reason);
      const options = { timeslice: slice, localMemory: mib(16), firmware: () => image };
      const [owned, shared] = [new System(1, options), new System(1, options)];
      const owner = (await owned.domain('owner', 'gpu0', 'touch')).coproc('gpu0');
      const sharers: GuestCoproc[] = [];
      for (let n = 0; n < DOMAINS; n++)
        sharers.push((await shared.domain(`d${n}`, 'gpu0', 'touch')).coproc('gpu0'));
      const worker = await startWorker(new URL('../workers/bare.ts', import.meta.url), {
        firmware: image.value,
      });
      const bare = async (count: number): Promise<number> => {
        worker.postMessage({ count, dirty });
        const [length] = (await once(worker, 'message')) as [number];
        return (count / length) * 1e3;
      };
      await bare(2000);
      // A switch or two in a moment say nothing: a sample is long enough for many slices.
      const long = milliseconds < 10 ? milliseconds : Math.max(4 * milliseconds, (100 * slice) / 1e6);
      const steps = Math.ceil(((await bare(2000)) / 1e3) * long);
      yield {
        title,
        unit: '/s',
        contestants: [
          { name: `${DOMAINS} domains`, sample: () => work(sharers, steps, dirty) },
          { name: 'one owner', sample: () => work([owner], steps, dirty) },
          { name: 'bare loop', sample: () => bare(steps) },
        ],
        questions: [
          { of: `${DOMAINS} domains`, to: 'one owner', goal },
          { of: `${DOMAINS} domains`, to: 'bare loop', goal: undefined },
        ],
        note: () => {
          const { switches, switchCost } = shared.hypervisor.figures().coprocs[0]!;
          return `steps of 64 KiB; ${switches} switches, ${Math.round(switchCost.p50 / 100) / 10} us each at the median`;
        },
      };
      await worker.terminate();
      await owned.close();
      await shared.close();
    }
  },
};
