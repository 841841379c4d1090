import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { bytes, mib, us } from '../../../src/base/units.ts';
import { coprocId } from '../../../src/contract/names.ts';
import { BELL, createChannel } from '../../../src/memory/channel.ts';
import { Doorbell } from '../../../src/memory/doorbell.ts';
import { platforms } from '../../../src/platforms/index.ts';
import { ThreadsRuntime } from '../../../src/runtime/threads/runtime.ts';

/** Starts a coprocessor, ends it when it has said something, and gives what shows whether its channel is still there. */
async function dead(runtime: ThreadsRuntime): Promise<WeakRef<object>> {
  const channel = createChannel();
  const platform = platforms['covisor,tile-gpu']!;
  const spec = {
    id: coprocId('gpu0'),
    channel,
    localMemory: bytes(mib(1)),
    clock: 1e9,
    switchBandwidth: 1e9,
    dmaBandwidth: 1e9,
    interruptLatency: us(1),
    lead: us(1),
    stepLimit: us(1000),
  };
  const words = new Int32Array(channel.events);
  const bell = new Doorbell(channel.bells, BELL.hypervisor);
  let end = (): void => {};
  const over = new Promise<void>((resolve) => (end = resolve));
  let heard = false;
  const port = runtime.startCoprocessor(spec, platform, {
    onEvents: () => (heard ||= Atomics.load(words, 0) !== 0),
    onExit: () => end(),
  });
  while (!heard || !bell.asleep) await turn();
  port.kill('for the test');
  await over;
  return new WeakRef(channel.events);
}

it('a thread that died leaves no memory behind, though its hypervisor was waiting to hear from it', async () => {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  const runtime = new ThreadsRuntime(1);
  const channels: WeakRef<object>[] = [];
  for (let death = 0; death < 3; death++) channels.push(await dead(runtime));
  // What a collection finds dead may let go of more, a turn later.
  for (let collection = 0; collection < 5; collection++) {
    await turn();
    gc();
  }
  expect(channels.filter((channel) => channel.deref() !== undefined)).toHaveLength(0);
  await runtime.close();
});
