import type { GuestCoproc } from '../../src/contract/guest.ts';
import type { Bench } from '../harness/bench.ts';
import type { Race } from '../harness/race.ts';
import { awake } from '../path/drive.ts';
import { System } from '../path/system.ts';

/** Commands of a firmware that only computes, `jobs` at once on each coprocessor. Says steps per second. */
async function work(coprocs: readonly GuestCoproc[], steps: number, jobs: number): Promise<number> {
  const start = performance.now();
  await Promise.all(
    coprocs.flatMap((coproc) => Array.from({ length: jobs }, () => coproc.submit({ op: 4, args: [steps] }))),
  );
  return (coprocs.length * jobs * steps) / ((performance.now() - start) / 1e3);
}

/** What becomes of a path when there is more of everything. */
export const growthBench: Bench = {
  name: 'growth',
  what: 'many vcoprocs on one coprocessor, and more coprocessors than cores',
  async *races({ milliseconds }) {
    const small = milliseconds < 10;
    const sizes = small ? [1, 20] : [1, 30, 300, 1000];
    const contestants = [];
    const systems: System[] = [];
    for (const size of sizes) {
      const system = new System();
      systems.push(system);
      const first = await system.domain('first', 'gpu0', 'noop');
      const before = process.memoryUsage().rss;
      for (let n = 1; n < size; n++) await system.domain(`other${n}`, 'gpu0', 'noop');
      const each = size > 1 ? (process.memoryUsage().rss - before) / (size - 1) : undefined;
      const gpu = first.coproc('gpu0');
      contestants.push({
        name: `${size} vcoprocs`,
        each,
        sample: async (): Promise<number> => {
          await gpu.submit({ op: 0 });
          return awake(gpu, milliseconds);
        },
      });
    }
    const last = contestants.at(-1)!;
    yield {
      title: 'submit to completion of one, the others idle',
      unit: 'ns',
      contestants,
      questions: [{ of: last.name, to: contestants[0]!.name, goal: 0.8 }],
      note: `resident memory for each idle domain with a vcoproc: ${Math.round((last.each ?? 0) / 1024)} KiB`,
    };
    for (const system of systems) await system.close();

    yield* queueRaces(small, milliseconds);

    const one = new System(1);
    const four = new System(4);
    const alone = (await one.domain('a', 'gpu0', 'spin')).coproc('gpu0');
    const together: GuestCoproc[] = [];
    for (let n = 0; n < 4; n++)
      together.push((await four.domain(`d${n}`, `gpu${n}`, 'spin')).coproc(`gpu${n}`));
    const steps = small ? 2_000 : 40_000;
    yield {
      title: 'coprocessors on the cores of this machine, one domain each',
      unit: '/s',
      contestants: [
        { name: '1 coprocessor', sample: () => work([alone], steps, 2) },
        { name: '4 coprocessors', sample: () => work(together, steps, 2) },
      ],
      questions: [{ of: '4 coprocessors', to: '1 coprocessor', goal: 1.5 }],
      note: 'steps of WebAssembly per second, over all coprocessors; a round ends when each has done its part',
    };
    await one.close();
    await four.close();
  },
};

/** One queue among many: the others were used once, and are idle. */
async function* queueRaces(small: boolean, milliseconds: number): AsyncGenerator<Race, void, void> {
  const systems: System[] = [];
  const contestants = [];
  let bytes = 0;
  for (const size of small ? [1, 20] : [1, 64, 1024, 4095]) {
    const system = new System();
    systems.push(system);
    const gpu = (await system.domain('guest', 'gpu0', 'noop')).coproc('gpu0');
    const before = process.memoryUsage().rss;
    const queues = Array.from({ length: size }, () => gpu.createQueue());
    await Promise.all(queues.map((queue) => queue.submit({ op: 0 })));
    bytes = (process.memoryUsage().rss - before) / size;
    const queue = queues[size >> 1]!;
    contestants.push({
      name: `${size} queues`,
      sample: (): Promise<number> => awake(queue, milliseconds),
    });
  }
  yield {
    title: 'submit to completion of one queue, the others of its vcoproc idle',
    unit: 'ns',
    contestants,
    questions: [{ of: contestants.at(-1)!.name, to: contestants[0]!.name, goal: 0.8 }],
    note: `resident memory for each queue, 16 commands large, both sides together: ${(bytes / 1024).toFixed(1)} KiB`,
  };
  for (const system of systems) await system.close();
}
