import type { ContextSpec } from '../contract/port.ts';
import { IMAGE_HEADER_BYTES, IMAGE_STATE } from '../memory/context-image.ts';
import { HEAD, indicesOf } from '../memory/ring.ts';
import type { Fault } from './plan.ts';

/** Damages a context whose image is at rest. Says whether it was. */
export function damageAtRest(
  context: ContextSpec,
  fault: Extract<Fault, { fault: 'flip-bit' | 'truncate' }>,
): boolean {
  if (Atomics.load(new Int32Array(context.image, 0, 1), 0) !== IMAGE_STATE.saved) return false;
  const image = new Uint8Array(context.image, IMAGE_HEADER_BYTES);
  const local = new Uint8Array(context.local.buffer);
  const size = image.length + local.length;
  if (fault.fault === 'flip-bit') {
    const bit = Math.min(size * 8 - 1, Math.floor(fault.bit * size * 8));
    const at = bit >> 3;
    const part = at < image.length ? image : local;
    part[at < image.length ? at : at - image.length]! ^= 1 << (bit & 7);
  } else {
    const kept = Math.floor(fault.keep * size);
    image.fill(0, kept);
    local.fill(0, Math.max(0, kept - image.length));
  }
  return true;
}

/** An index that cannot be true: half of all indices away from any that is. */
const RUBBISH = 0x4000_0000;

/**
 * Breaks the index up to which the coprocessor reads commands of a queue, as a hostile guest would. Says whether there
 * is such a queue.
 */
export function corruptRing(context: ContextSpec | undefined, index = 0): boolean {
  const queue = context?.queues.find((candidate) => candidate.index === index);
  if (queue === undefined) return false;
  Atomics.xor(new Int32Array(queue.memory.commands), HEAD, RUBBISH);
  return true;
}

/** Whether commands wait in this queue, or in some queue when none is given. */
export function hasWaiting(context: ContextSpec | undefined, queue: number | undefined): boolean {
  const queues = context?.queues ?? [];
  return queues.some(({ index, memory }) => {
    const { head, tail } = indicesOf(new Int32Array(memory.commands));
    return (queue ?? index) === index && head !== tail;
  });
}
