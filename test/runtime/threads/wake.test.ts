import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';
import { it } from 'vitest';
import { seededRandom } from '../../../src/base/random.ts';
import { CONTROL, EVENT, createChannel } from '../../../src/memory/channel.ts';
import { RingConsumer, RingProducer } from '../../../src/memory/ring.ts';
import { ThreadsRuntime } from '../../../src/runtime/threads/runtime.ts';
import { startBare } from './bare.ts';

const ROUNDS = 400;

it('whatever sleeps when something is said hears of it, roused before or not, without anybody who looks after it', async () => {
  const random = seededRandom(1);
  const runtime = new ThreadsRuntime(1);
  const channel = createChannel();
  const control = new RingProducer(channel.control);
  const events = new RingConsumer(channel.events);
  let answered: (slot: number) => void = () => {};
  const { port, spoke, over } = startBare(runtime, channel, () => {
    for (; events.available() > 0; events.release()) {
      const at = events.peek();
      if (events.words[at] === EVENT.dropped) answered(events.words[at + 1]!);
    }
  });
  await spoke;
  for (let round = 0; round < ROUNDS; round++) {
    // From both awake to both asleep: 50 us the one looks for more, 1.2 ms the other.
    const pause = random.below(4);
    if (pause === 1) await turn();
    else if (pause > 1) await sleep(pause);
    const answer = new Promise<void>((resolve) => {
      answered = (slot) => slot === round && resolve();
    });
    const rousing = random.below(3);
    if (rousing > 0) port.rouse();
    if (rousing > 1) await turn();
    const at = control.claim();
    control.words.fill(0, at, at + 16);
    control.words[at] = CONTROL.drop;
    control.words[at + 1] = round;
    control.publish();
    port.ring();
    // A wake-up that is lost is waited for until the test is given up.
    await answer;
  }
  port.kill('for the test');
  await over;
  await runtime.close();
});
