import { ACCESSES } from '../contract/events.ts';
import { DESCRIPTOR_WORDS } from '../memory/ring.ts';
import { COMPLETED } from '../memory/completion.ts';
import type { Context } from './context.ts';
import type { Queue } from './queue.ts';

const RESULT_WORD = 16;
const RESULT_WORDS = 8;

/** Moves the oldest command into the firmware's command block. Returns its operation code. */
export function fetchCommand(context: Context, queue: Queue): number {
  const block = context.firmware.commandBlock;
  const ring = queue.commands;
  const at = ring.peek();
  for (let word = 0; word < DESCRIPTOR_WORDS; word++) block[word] = ring.words[at + word]!;
  block.fill(0, RESULT_WORD, RESULT_WORD + RESULT_WORDS);
  ring.release();
  context.queue = queue.index;
  context.sequence = block[0]!;
  context.active = true;
  context.fault = undefined;
  return block[1]!;
}

/** No-ops that are completed in one go: then it is looked again at what else there is to do. */
const BURST = 64;

/** Completions of no-ops, but for their sequence numbers: what the firmware would answer, with no results. */
const DONE = new Int32Array(BURST * DESCRIPTOR_WORDS);
for (let at = 0; at < DONE.length; at += DESCRIPTOR_WORDS) {
  DONE[at + 1] = COMPLETED.ok;
  DONE[at + 2] = 1;
}
const done = new BigInt64Array(DONE.buffer);

/**
 * Completes the no-ops that stand first among the `waiting` commands, as many as there is room for, without
 * showing them yet. Says how many: 0 when the first command is another one, or nothing can be completed now.
 */
export function completeNoops(context: Context, queue: Queue, waiting: number): number {
  const { commands, completions } = queue;
  const { words } = commands;
  const most = Math.min(waiting, BURST, completions.room(waiting));
  let count = 0;
  while (count < most && words[commands.peek(count) + 1] === 0) count++;
  if (count <= 0) return 0;
  const first = words[commands.peek()]!;
  completions.write(done, 0, count);
  completions.number(count, first);
  context.sequence = (first + count - 1) | 0;
  commands.release(count);
  return count;
}

/** Shows completions to the guest. Says whether it wants an interrupt for them. */
export function showCompletions({ completions }: Queue): boolean {
  const asked = completions.publish();
  return asked || !completions.quiet;
}

/**
 * Writes the completion of the command under way; shown is it by {@link showCompletions}. Says false when the ring
 * has no room: a guest has never more commands out than completions fit, so its index cannot be true.
 */
export function finishCommand(context: Context, queue: Queue, status: number): boolean {
  const ring = queue.completions;
  const at = ring.claim();
  context.active = false;
  if (at < 0) return false;
  const words = ring.words;
  const block = context.firmware.commandBlock;
  words[at] = context.sequence;
  words[at + 1] =
    context.fault !== undefined ? COMPLETED.dmaFault : status === 1 ? COMPLETED.ok : COMPLETED.failed;
  words[at + 2] = context.fault === undefined ? status : ACCESSES.indexOf(context.fault.access);
  words[at + 3] = (context.fault?.iova ?? 0) | 0;
  for (let word = 0; word < RESULT_WORDS; word++) words[at + 8 + word] = block[RESULT_WORD + word]!;
  return true;
}
