import type { Doorbell } from '../../src/memory/doorbell.ts';
import { DESCRIPTOR_WORDS, type RingConsumer, type RingProducer } from '../../src/memory/ring.ts';

/** Looks at an empty ring before a side sleeps: about 15 us. */
export const SPINS = 2000;

/** One end of a pair of rings: what goes out with the other side's bell, what comes in with its own. */
export interface End {
  readonly out: RingProducer;
  readonly in: RingConsumer;
  readonly theirs: Doorbell;
  readonly mine: Doorbell;
}

/** The end that drives: it reads what came in as numbers, where it is. */
export interface Driver extends End {
  readonly numbers: Float64Array;
}

export function send({ out, theirs }: End): void {
  if (out.publish()) theirs.ring();
}

/** Until something came in: looks for a while, then sleeps. Says false when `closed` says so meanwhile. */
export function wait(end: End, closed: () => boolean): boolean {
  for (let turn = 0; ; turn++) {
    if (end.in.available() !== 0) return true;
    if (turn < SPINS) continue;
    if (closed()) return false;
    end.mine.arm();
    if (end.in.ask()) end.mine.wait(100);
    else end.mine.disarm();
    turn = 0;
  }
}

/** Sends at most `batch` of what came in back. Says how many there were. */
export function echo(end: End, batch: number): number {
  const { in: from, out: to } = end;
  const count = Math.min(from.available(), batch, to.room(batch));
  for (let left = count; left > 0;) {
    const run = Math.min(left, from.run);
    to.write(from.wide, from.peek() >> 1, run);
    left -= run;
    if (left === 0) send(end);
    from.release(run);
  }
  return count;
}

/** Descriptors are eight numbers: one that counts, then 1 to 7, which make 28. */
const NUMBERS = DESCRIPTOR_WORDS / 2;
const outgoing = Float64Array.from({ length: 256 * NUMBERS }, (_, at) => at % NUMBERS);
const outgoingWide = new BigInt64Array(outgoing.buffer);
const never = (): boolean => false;

function produce(to: RingProducer, first: number, count: number): void {
  for (let k = 0; k < count; k++) outgoing[k * NUMBERS] = first + k;
  to.write(outgoingWide, 0, count);
}

/** Reads `count` descriptors, every byte of them, where they are. Says what all their numbers make. */
function consume({ in: from, numbers }: Driver, count: number): number {
  const end = numbers.length;
  let sum = 0;
  let at = from.peek() >> 1;
  for (let k = 0; k < count; k++) {
    // In pairs: one long chain of additions would take longer than the ring.
    const low = numbers[at]! + numbers[at + 1]! + (numbers[at + 2]! + numbers[at + 3]!);
    const high = numbers[at + 4]! + numbers[at + 5]! + (numbers[at + 6]! + numbers[at + 7]!);
    sum += low + high;
    at += NUMBERS;
    if (at === end) at = from.peek(k + 1) >> 1;
  }
  from.release(count);
  return sum;
}

interface Flow {
  sent: number;
  got: number;
  sum: number;
}

/** Some turns of a flow. A bounded function: a loop that runs as long as a sample does is never fast. */
function pump(end: Driver, flow: Flow, batch: number, open: boolean): void {
  const { out, in: back } = end;
  for (let turn = 0; turn < 64; turn++) {
    const sends = open && flow.sent - flow.got <= out.capacity - batch && out.room(batch) >= batch;
    if (sends) {
      produce(out, flow.sent, batch);
      send(end);
      flow.sent += batch;
    }
    const count = back.available();
    if (count > 0) {
      flow.sum += consume(end, count);
      flow.got += count;
    } else if (flow.got === flow.sent) return;
    else if (!sends) wait(end, never);
  }
}

/** Sends descriptors in batches for so long, takes them back, and checks each. Says how many per second. */
export function drive(end: Driver, milliseconds: number, batch: number): number {
  const flow: Flow = { sent: 0, got: 0, sum: 0 };
  const start = performance.now();
  while (performance.now() - start < milliseconds) pump(end, flow, batch, true);
  while (flow.got < flow.sent) pump(end, flow, batch, false);
  const seconds = (performance.now() - start) / 1e3;
  check(flow);
  return flow.sent / seconds;
}

function check({ sent, sum }: Flow): void {
  if (sum !== sent * 28 + (sent * (sent - 1)) / 2)
    throw new Error(`${sent} descriptors did not come back whole`);
}

/** One descriptor there and back, each timed, for so long. Says the median in nanoseconds. */
export function alone(end: Driver, milliseconds: number): number {
  const each = new Float64Array(100_000);
  const until = performance.now() + milliseconds;
  let count = 0;
  for (let start = 0; start < until && count < each.length; count++) {
    start = performance.now();
    produce(end.out, count, 1);
    send(end);
    while (end.in.available() === 0) wait(end, never);
    if (consume(end, 1) !== count + 28) throw new Error('a descriptor came back wrong');
    each[count] = performance.now() - start;
  }
  return each.subarray(0, count).sort()[count >> 1]! * 1e6;
}
