import { DESCRIPTOR_WORDS, FULL } from '../memory/ring.ts';
import { COMPLETED } from '../memory/completion.ts';
import type { Context } from './context.ts';

const RESULT_WORD = 16;
const RESULT_WORDS = 8;

/** Moves the oldest command into the firmware's command block. Returns its operation code. */
export function fetchCommand(context: Context): number {
  const block = context.firmware.commandBlock;
  const ring = context.commands;
  const at = ring.peek();
  for (let word = 0; word < DESCRIPTOR_WORDS; word++) block[word] = ring.words[at + word]!;
  block.fill(0, RESULT_WORD, RESULT_WORD + RESULT_WORDS);
  ring.release();
  context.sequence = block[0]!;
  context.active = true;
  context.fault = undefined;
  context.ended = undefined;
  return block[1]!;
}

/**
 * Writes the completion of the command under way. Says false while the ring is full.
 */
export function finishCommand(context: Context, status: number): boolean {
  const ring = context.completions;
  const at = ring.claim();
  if (at === FULL) return false;
  context.active = false;
  context.ended = undefined;
  // An index that cannot be true is the guest's own doing: its completions go nowhere.
  if (at < 0) return true;
  const words = ring.words;
  const block = context.firmware.commandBlock;
  words[at] = context.sequence;
  words[at + 1] =
    context.fault !== undefined ? COMPLETED.dmaFault : status === 1 ? COMPLETED.ok : COMPLETED.failed;
  words[at + 2] = context.fault === undefined ? status : context.fault.access === 'write' ? 1 : 0;
  words[at + 3] = (context.fault?.iova ?? 0) | 0;
  for (let word = 0; word < RESULT_WORDS; word++) words[at + 8 + word] = block[RESULT_WORD + word]!;
  ring.publish();
  return true;
}
