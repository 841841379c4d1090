import { fileURLToPath } from 'node:url';
import { parentPort, workerData } from 'node:worker_threads';
import * as Comlink from 'comlink';
import nodeEndpoint from 'comlink/dist/esm/node-adapter.mjs';
import { present } from '../src/base/assert.ts';
import type { Platform } from '../src/contract/platform.ts';
import { CoprocessorCore, TURN } from '../src/coprocessor/core.ts';
import { BELL, MESSAGES_SENT } from '../src/memory/channel.ts';
import { Doorbell } from '../src/memory/doorbell.ts';
import { threadClock } from '../src/runtime/threads/clock.ts';
import { pinThread } from '../src/runtime/threads/pinning.ts';
import { Spinners } from '../src/runtime/threads/spinners.ts';
import { loadDefault } from '../src/runtime/threads/module.ts';
import type { CoprocessorControl, CoprocessorWorkerData } from '../src/runtime/threads/runtime.ts';

// The thread of one coprocessor: turns the core, sleeps when there is nothing to do, and returns to its event loop
// when the control plane has a message, which Atomics.wait would otherwise keep out.

const {
  spec,
  platformModule,
  epoch,
  spinners,
  number,
  cores,
  core: place,
} = workerData as CoprocessorWorkerData;
// It begins where the hypervisor is held.
if (place !== undefined) pinThread([place]);
// A user's own platform may be TypeScript.
const platform = (await loadDefault(fileURLToPath(platformModule))) as Platform;
const words = new Int32Array(spec.channel.bells);
const bell = new Doorbell(spec.channel.bells, BELL.coprocessor);
const now = threadClock(epoch);
const spinning = new Spinners(spinners, number, now, cores);
const host = { now, spend: () => {} };
const hypervisor = new Doorbell(spec.channel.bells, BELL.hypervisor);
const { ailments } = spec;
const core =
  ailments === undefined
    ? new CoprocessorCore(spec, platform, host, hypervisor)
    : (await import('../src/runtime/threads/ailing.ts')).ailingCore(
        { ...spec, ailments },
        platform,
        host,
        hypervisor,
      );

let handled = 0;
const control: CoprocessorControl = {
  attach(context) {
    handled++;
    return core.attach(context);
  },
  detach(slot) {
    handled++;
    return core.detach(slot);
  },
  addQueues(slot, queues) {
    handled++;
    return core.addQueues(slot, queues);
  },
};
Comlink.expose(control, nodeEndpoint(present(parentPort, 'a coprocessor has its own thread')));

const messages = (): boolean => Atomics.load(words, MESSAGES_SENT) !== handled;

/** Looks at one short bout of everything: most of all for the next command. */
function found(): boolean {
  for (let look = 0; look < 16; look++) if (core.hasCommand()) return true;
  return core.hasWork() || messages();
}

/** Turns until there is nothing to do or a message waits. A plain function: hot loops in async ones are slow. */
function turnUntilIdle(): void {
  while (!messages()) {
    const turn = core.turn(true);
    if (turn === TURN.again || (turn === TURN.linger && spinning.spin(found, core.sharers))) continue;
    // Nothing came meanwhile: now the hypervisor is told, which itself may find something.
    if (turn !== TURN.linger || core.turn() !== TURN.again) return;
  }
}

function sleep(): void {
  bell.arm();
  // Looked at once more after saying so: whoever came before that did not ring.
  if (core.hasWork() || messages()) bell.disarm();
  else {
    bell.wait(Infinity);
    // It may have been roused, for something that is still on its way.
    spinning.expect(found);
  }
}

for (;;) {
  turnUntilIdle();
  while (messages()) await new Promise(setImmediate);
  sleep();
}
