import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { BELL, createChannel } from '../../../src/memory/channel.ts';
import { Doorbell } from '../../../src/memory/doorbell.ts';
import { ThreadsRuntime } from '../../../src/runtime/threads/runtime.ts';
import { startBare } from './bare.ts';

/** Starts a coprocessor, ends it when it has said something, and gives what shows whether its channel is still there. */
async function dead(runtime: ThreadsRuntime): Promise<WeakRef<object>> {
  const channel = createChannel();
  const bell = new Doorbell(channel.bells, BELL.hypervisor);
  const { port, spoke, over } = startBare(runtime, channel);
  await spoke;
  while (!bell.asleep) await turn();
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
