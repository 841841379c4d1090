import type { ContextSpec } from '../contract/port.ts';
import { IMAGE_HEADER_BYTES, IMAGE_STATE } from '../memory/context-image.ts';
import { HEAD } from '../memory/ring.ts';
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

/** Breaks the index up to which the coprocessor reads commands of the default queue, as a hostile guest would. */
export function corruptRing({ queues }: ContextSpec): void {
  Atomics.xor(new Int32Array(queues[0]!.memory.commands), HEAD, RUBBISH);
}
