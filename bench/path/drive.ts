import { BATCH_STATUS, BATCH_WORDS, type CommandBatch, type GuestCoproc } from '../../src/contract/guest.ts';

/** Looks at an empty queue before the guest sleeps on the interrupt. */
const LOOKS = 500;

interface Flow {
  readonly batch: CommandBatch;
  readonly commands: Int32Array;
  readonly completions: Int32Array;
  sent: number;
  done: number;
  wrong: number;
}

/** Submits and polls until there has been nothing to do for a while, or the time is over. Plain, so that it runs fast. */
function pump(flow: Flow, size: number, until: number): void {
  const { batch, commands, completions } = flow;
  let idle = 0;
  for (let turn = 1; idle < LOOKS; turn++) {
    if ((turn & 63) === 0 && performance.now() > until) return;
    const sent = batch.room >= size ? batch.submit(commands, 0, size) : 0;
    const count = batch.poll(completions);
    for (let k = 0; k < count; k++) if (completions[k * BATCH_WORDS + 1] !== BATCH_STATUS.ok) flow.wrong++;
    flow.sent += sent;
    flow.done += count;
    idle = sent + count === 0 ? idle + 1 : 0;
  }
}

/** Commands with operation `op` through the queue for so long, `size` in each submit. Says how many per second. */
export async function through(
  gpu: GuestCoproc,
  op: number,
  size: number,
  milliseconds: number,
): Promise<number> {
  const commands = new Int32Array(size * BATCH_WORDS);
  for (let k = 0; k < size; k++) commands[k * BATCH_WORDS + 1] = op;
  const completions = new Int32Array(256 * BATCH_WORDS);
  const flow: Flow = { batch: gpu.batch(), commands, completions, sent: 0, done: 0, wrong: 0 };
  const start = performance.now();
  while (performance.now() - start < milliseconds) {
    pump(flow, size, start + milliseconds);
    if (flow.done < flow.sent) await flow.batch.ready();
  }
  while (flow.done < flow.sent) {
    flow.done += flow.batch.poll(completions);
    if (flow.done < flow.sent) await flow.batch.ready();
  }
  const seconds = (performance.now() - start) / 1e3;
  flow.batch.close();
  if (flow.wrong > 0) throw new Error(`${flow.wrong} of ${flow.sent} commands did not end well`);
  return flow.sent / seconds;
}

function rounds(batch: CommandBatch, each: Float64Array, until: number): number {
  const command = new Int32Array(BATCH_WORDS);
  const completion = new Int32Array(BATCH_WORDS);
  let count = 0;
  for (let start = 0; start < until && count < each.length; count++) {
    start = performance.now();
    batch.submit(command, 0, 1);
    while (batch.poll(completion) === 0);
    each[count] = performance.now() - start;
  }
  return count;
}

/** No-ops one at a time, each polled for without sleeping, for so long. Says the median in nanoseconds. */
export async function awake(gpu: Pick<GuestCoproc, 'batch'>, milliseconds: number): Promise<number> {
  const each = new Float64Array(100_000);
  const batch = gpu.batch();
  const end = performance.now() + milliseconds;
  let count = 0;
  // In bouts, so that the hypervisor, which shares this thread, is heard in between.
  while (performance.now() < end && count < each.length - 2000) {
    count += rounds(batch, each.subarray(count, count + 2000), end);
    await new Promise(setImmediate);
  }
  batch.close();
  return each.subarray(0, count).sort()[count >> 1]! * 1e6;
}

/** So long that the hypervisor has given up watching. */
export const PAUSE_MS = 3;

/** No-ops one at a time, each awaited, a pause before each so that everybody sleeps. Says the median in nanoseconds. */
export async function asleep(gpu: GuestCoproc, milliseconds: number): Promise<number> {
  const each: number[] = [];
  for (const end = performance.now() + milliseconds; performance.now() < end || each.length === 0;) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    const start = performance.now();
    await gpu.submit({ op: 0 });
    each.push(performance.now() - start);
  }
  return each.sort((a, b) => a - b)[each.length >> 1]! * 1e6;
}
