import type { Bench } from '../harness/bench.ts';
import { held, ownCores } from '../harness/cores.ts';
import { native, nativeLimits } from '../harness/native.ts';
import { calls, comlink, oneByOne, piscina, postMessage } from '../peers/messages.ts';
import { SPINS } from '../ring/drive.ts';
import { PAUSE_MS, asleep, awake, through } from './drive.ts';
import { System } from './system.ts';

const BATCH = 16;
const CAPACITY = 256;
/** Commands in flight at which message peers do best on two cores, measured from 1 to 1024. */
const IN_FLIGHT = 128;

/** The whole way of a command: guest, queue, coprocessor, completion, guest. */
export const pathBench: Bench = {
  name: 'path',
  what: 'guest to coprocessor and back: validation, accounting and interrupts on',
  async *races({ milliseconds }) {
    const cores = ownCores();
    const system = new System(1, { pinned: cores });
    const domain = await system.domain('guest', 'gpu0', 'noop');
    const gpu = domain.coproc('gpu0');
    const peers = {
      piscina: await piscina(cores),
      comlink: await comlink(cores),
      postMessage: await postMessage(cores),
    };
    const limits = nativeLimits()
      ? [
          {
            name: 'C++ ring',
            sample: () => native('ring', CAPACITY, BATCH, milliseconds, SPINS)['perSecond']!,
          },
        ]
      : [];
    yield {
      title: 'no-op commands, batch 16',
      unit: '/s',
      contestants: [
        { name: 'guest path', sample: held(cores, () => through(gpu, 0, BATCH, milliseconds)) },
        {
          name: 'guest path, firmware',
          sample: held(cores, () => through(gpu, 1, BATCH, milliseconds)),
        },
        ...limits,
        ...Object.entries(peers).map(([name, peer]) => ({
          name,
          sample: held(cores, () => calls(peer, IN_FLIGHT, milliseconds)),
        })),
      ],
      questions: [
        { of: 'guest path', to: 'C++ ring', goal: 0.35 },
        { of: 'guest path', to: 'piscina', goal: 100 },
        { of: 'guest path', to: 'comlink', goal: 100 },
        { of: 'guest path', to: 'postMessage', goal: 20 },
        { of: 'guest path, firmware', to: 'C++ ring', goal: undefined },
      ],
      note: `message peers with ${IN_FLIGHT} commands in flight; "firmware": each command is run by WebAssembly`,
    };
    yield {
      title: 'one command at a time, both awake',
      unit: 'ns',
      contestants: [
        { name: 'guest path', sample: held(cores, () => awake(gpu, milliseconds)) },
        ...(nativeLimits()
          ? [{ name: 'C++ ring', sample: () => native('latency', milliseconds, SPINS)['p50']! }]
          : []),
        { name: 'comlink', sample: held(cores, () => oneByOne(peers.comlink, milliseconds)) },
        { name: 'postMessage', sample: held(cores, () => oneByOne(peers.postMessage, milliseconds)) },
      ],
      questions: [
        { of: 'guest path', to: 'C++ ring', goal: 1 / 1.5 },
        { of: 'guest path', to: 'comlink', goal: 50 },
        { of: 'guest path', to: 'postMessage', goal: undefined },
      ],
    };
    yield {
      title: 'one command at a time, both asleep',
      unit: 'ns',
      contestants: [
        { name: 'guest path', sample: held(cores, () => asleep(gpu, milliseconds)) },
        ...(nativeLimits()
          ? [
              {
                name: 'futex to futex',
                sample: () => native('futex', milliseconds, 1000 * PAUSE_MS, 2)['p50']!,
              },
              {
                name: '... on one core',
                sample: () => native('futex', milliseconds, 1000 * PAUSE_MS, 1)['p50']!,
              },
            ]
          : []),
      ],
      questions: [
        { of: 'guest path', to: 'futex to futex', goal: 1 / 1.2 },
        { of: 'guest path', to: '... on one core', goal: undefined },
      ],
      note: `a pause of ${PAUSE_MS} ms before each command; the guest awaits a promise`,
    };
    await Promise.all(Object.values(peers).map((peer) => peer.end()));
    await system.close();
  },
};
