import type { Doorbell } from '../../src/memory/doorbell.ts';
import {
  DESCRIPTOR_WORDS,
  copyDescriptor,
  type RingConsumer,
  type RingProducer,
} from '../../src/memory/ring.ts';

/** Looks at an empty ring before a side sleeps: about 15 us. */
export const SPINS = 2000;

/** One end of a pair of rings: what goes out with the other side's bell, what comes in with its own. */
export interface End {
  readonly out: RingProducer;
  readonly in: RingConsumer;
  readonly theirs: Doorbell;
  readonly mine: Doorbell;
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
  const count = Math.min(from.available(), batch, to.room());
  for (let k = 0; k < count; k++) copyDescriptor(to.wide, to.claim() >> 1, from.wide, from.peek(k) >> 1);
  if (count > 0) {
    send(end);
    from.release(count);
  }
  return count;
}

const template = new BigInt64Array([0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n]);
const sink = new BigInt64Array(DESCRIPTOR_WORDS / 2);
const sinkWords = new Int32Array(sink.buffer);
const never = (): boolean => false;

function produce(to: RingProducer, first: number, count: number): void {
  for (let k = 0; k < count; k++) {
    const at = to.claim();
    copyDescriptor(to.wide, at >> 1, template, 0);
    to.words[at] = first + k;
  }
}

/** Takes `count` descriptors out, every byte of them. Says how many were not the ones that were due. */
function consume(from: RingConsumer, first: number, count: number): number {
  let wrong = 0;
  for (let k = 0; k < count; k++) {
    copyDescriptor(sink, 0, from.wide, from.peek(k) >> 1);
    if (sinkWords[0] !== first + k || sinkWords[14] !== 7) wrong++;
  }
  from.release(count);
  return wrong;
}

/** Sends descriptors in batches for so long, takes them back, and checks each. Says how many per second. */
export function drive(end: End, milliseconds: number, batch: number): number {
  const { out, in: back } = end;
  let sent = 0;
  let got = 0;
  let wrong = 0;
  const start = performance.now();
  for (let turn = 0, open = true; open || got < sent; turn++) {
    if ((turn & 63) === 0) open = performance.now() - start < milliseconds;
    const sends = open && sent - got <= out.capacity - batch && out.room() >= batch;
    if (sends) {
      produce(out, sent, batch);
      send(end);
      sent += batch;
    }
    const n = back.available();
    if (n > 0) {
      wrong += consume(back, got, n);
      got += n;
    } else if (!sends && got < sent) wait(end, never);
  }
  const seconds = (performance.now() - start) / 1e3;
  if (wrong > 0) throw new Error(`${wrong} of ${sent} descriptors came back wrong`);
  return sent / seconds;
}

/** One descriptor there and back, each timed, for so long. Says the median in nanoseconds. */
export function alone(end: End, milliseconds: number): number {
  const each = new Float64Array(100_000);
  const until = performance.now() + milliseconds;
  let count = 0;
  for (let start = 0; start < until && count < each.length; count++) {
    start = performance.now();
    produce(end.out, count, 1);
    send(end);
    while (end.in.available() === 0) wait(end, never);
    if (consume(end.in, count, 1) > 0) throw new Error('a descriptor came back wrong');
    each[count] = performance.now() - start;
  }
  return each.subarray(0, count).sort()[count >> 1]! * 1e6;
}
