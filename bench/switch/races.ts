import { createActor } from 'xstate';
import { coprocessorMachine, type CoprocessorEvent } from '../../machines/coprocessor.ts';
import { compileTable } from '../../machines/table.ts';
import { COPROC_STATES, type CoprocState } from '../../src/contract/states.ts';
import { imageBytes } from '../../src/memory/context-image.ts';
import type { Bench } from '../harness/bench.ts';
import { held, ownCores } from '../harness/cores.ts';
import { native, nativeLimits } from '../harness/native.ts';
import { touchFirmware } from '../sharing/touch.ts';
import { Scene } from './scene.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What a coprocessor's chart goes through in one world switch. */
const SWITCH: readonly CoprocessorEvent[] = ['QUIESCE', 'LOAD', 'LOADED'];

/** Nanoseconds of one `turn`. */
function time(milliseconds: number, turn: () => void): number {
  const start = performance.now();
  let count = 0;
  for (; performance.now() - start < milliseconds; count += 64) for (let n = 0; n < 64; n++) turn();
  return ((performance.now() - start) * 1e6) / count;
}

/** One world switch: what it takes, what deciding its steps takes, and what the size of a context adds. */
export const switchBench: Bench = {
  name: 'switch',
  what: 'one world switch between two contexts',
  async *races({ milliseconds }) {
    // Each switch has a pause before it.
    const small = milliseconds < 10;
    const long = small ? milliseconds : 3 * milliseconds;
    const warm = small ? 2 : 2000;
    if (nativeLimits()) {
      const image = await touchFirmware(64 * KIB);
      if (image.kind === 'failed') throw new Error(image.reason);
      const moved = 2 * imageBytes(image.value);
      const cores = ownCores();
      const scene = await Scene.of(64 * KIB, 64 * KIB, cores);
      await scene.warm(warm);
      const limit = 'memcpy and a wake-up';
      yield {
        title: 'world switch, 64 KiB contexts, all dirty',
        unit: 'ns',
        contestants: [
          { name: 'world switch', sample: held(cores, async () => (await scene.switches(long)).whole) },
          {
            name: '... on one core',
            sample: () =>
              native('memcpy', moved, milliseconds)['p50']! + native('futex', long, 3000, 1)['p50']! / 2,
          },
          {
            name: limit,
            sample: () =>
              native('memcpy', moved, milliseconds)['p50']! + native('futex', long, 3000, 2)['p50']! / 2,
          },
        ],
        questions: [
          { of: 'world switch', to: limit, goal: 1 / 3 },
          { of: 'world switch', to: '... on one core', goal: undefined },
        ],
        note: `from a guest's submit to the next context's running, all asleep before; ${moved} bytes are moved`,
      };
      await scene.close();
    }

    const table = compileTable<CoprocState, CoprocessorEvent>(coprocessorMachine, COPROC_STATES);
    let state: CoprocState = 'running';
    const actor = createActor(coprocessorMachine).start();
    for (const type of ['LOAD', 'LOADED'] as const) actor.send({ type });
    yield {
      title: 'logic of one world switch, three transitions',
      unit: 'ns',
      contestants: [
        {
          name: 'table',
          sample: () =>
            time(milliseconds, () => {
              for (const event of SWITCH) state = table.next(state, event)!;
            }),
        },
        {
          name: 'XState actor',
          sample: () =>
            time(milliseconds, () => {
              for (const type of SWITCH) actor.send({ type });
            }),
        },
      ],
      questions: [{ of: 'table', to: 'XState actor', goal: 100 }],
    };
    actor.stop();

    const sizes = [
      ['64 KiB', 64 * KIB],
      ['1 MiB', MIB],
      ['16 MiB', 16 * MIB],
    ] as const;
    const scenes: Scene[] = [];
    for (const [, size] of sizes) {
      const scene = await Scene.of(size, 64 * KIB);
      await scene.warm(warm);
      scenes.push(scene);
    }
    yield {
      title: 'world switch as the context grows, 64 KiB of it dirty',
      unit: 'ns',
      contestants: sizes.map(([name], at) => ({
        name,
        sample: async () => (await scenes[at]!.switches(long)).own,
      })),
      questions: [{ of: '16 MiB', to: '64 KiB', goal: 0.8 }],
      note: "the coprocessor's own part, from the first step that stops the old context",
    };
    for (const scene of scenes) await scene.close();
  },
};
