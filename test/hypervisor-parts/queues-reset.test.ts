import { describe, expect, test } from 'vitest';
import { BATCH_STATUS, BATCH_WORDS, type Completion, type GuestQueue } from '../../src/contract/guest.ts';
import { BUSY, firmwareText, ownFirmware, withCaptive } from '../hostile/support.ts';
import { RUNTIMES } from '../rig.ts';

const STAY = 1;
const ECHO = 2;

/** `STAY` says that it began and never ends; `ECHO` gives its argument. */
const firmware = ownFirmware({
  stays: firmwareText({
    start: '(call $irq (i32.const 2)) (i32.const 0)',
    step: `${BUSY.replace('(i32.const 0)', '')}
      (i32.store (i32.const 1088) (call $arg (i32.const 0)))
      (i32.eq (i32.load (i32.const 1028)) (i32.const ${ECHO}))`,
  }),
});

const fates = (all: readonly Completion[]): unknown[] =>
  all.map(({ status, reason, results }) => (status === 'ok' ? results[0] : reason));

const echo = (queue: Pick<GuestQueue, 'submit'>, words: readonly number[]): Promise<unknown[]> =>
  Promise.all(words.map((word) => queue.submit({ op: ECHO, args: [word] }))).then(fates);

const RESET = 'coprocessor reset';

describe.each(RUNTIMES)('a coprocessor that is reset, %s', (kind) => {
  /** Who has a command under way when it dies. */
  const death = async (busy: 'the default queue' | 'another queue'): Promise<Record<string, unknown[]>> => {
    const heard: Record<string, unknown[]> = {};
    await withCaptive(kind, { firmware }, async (rig, captive) => {
      await rig.domain('a', { gpu0: 'stays' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const urgent = gpu.createQueue({ priority: 15, capacity: 2 });
        const patient = [gpu.createQueue({ capacity: 2 }), gpu.createQueue({ priority: 15 })];
        const begun = new Promise<void>((resolve) => gpu.onInterrupt(() => resolve()));
        const stays = (busy === 'another queue' ? urgent : gpu).submit({ op: STAY, args: [] });
        await begun;
        const batch = gpu.createQueue({ capacity: 4 }).batch();
        const commands = new Int32Array(3 * BATCH_WORDS);
        for (let k = 0; k < 3; k++) commands.set([0, ECHO, 90 + k], k * BATCH_WORDS);
        expect(batch.submit(commands)).toBe(3);
        // More than fit in the rings.
        const all = [gpu, urgent, ...patient].map((queue, n) =>
          echo(queue, [10 * n, 10 * n + 1, 10 * n + 2]),
        );
        captive.kill();
        heard['stays'] = fates([await stays]);
        const [first, second, ...others] = await Promise.all(all);
        heard['default'] = first!;
        heard['urgent'] = second!;
        heard['patient'] = others.flat();
        const completions = new Int32Array(3 * BATCH_WORDS);
        heard['batch'] = [];
        while (batch.outstanding > 0) {
          await batch.ready();
          const count = batch.poll(completions);
          for (let at = 0; at < count * BATCH_WORDS; at += BATCH_WORDS)
            heard['batch'].push(completions[at + 1] === BATCH_STATUS.ok ? completions[at + 8] : 'lost');
        }
        // All of them go on.
        heard['afterwards'] = (
          await Promise.all([gpu, urgent, ...patient].map((queue, n) => echo(queue, [n])))
        ).flat();
      });
      const { vcoprocs } = await rig.run();
      expect(vcoprocs[0]!.commands).toMatchObject({ submitted: 20, cancelled: 0 });
    });
    return heard;
  };

  const KEPT = { patient: [20, 21, 22, 30, 31, 32], batch: [90, 91, 92], afterwards: [0, 1, 2, 3] };

  test('takes what a queue with a command under way has, and what the default queue has', async () => {
    expect(await death('another queue')).toEqual({
      ...KEPT,
      stays: [RESET],
      default: [RESET, RESET, RESET],
      urgent: [RESET, RESET, RESET],
    });
  });

  test('leaves every queue but the default one what it has not begun', async () => {
    expect(await death('the default queue')).toEqual({
      ...KEPT,
      stays: [RESET],
      default: [RESET, RESET, RESET],
      urgent: [10, 11, 12],
    });
  });
});
