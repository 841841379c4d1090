import { LINES } from '../memory/context-image.ts';
import type { Context } from './context.ts';
import type { CoreParts } from './parts.ts';
import type { Reporter } from './reporter.ts';

// An interrupt is an event for the hypervisor, whose thread all domains share. So a context has its interrupts told
// one by one only as far as its gate lets them through. Beyond that they stay pending, where they are counted, and
// are told together: when the gate opens again, before the coprocessor goes to sleep, and when the context leaves.

/** Completions that wait behind a mask are told one by one up to here. */
const SINGLY = 64;

/** The lines that the guest does not mask. */
const unmasked = (core: CoreParts): number =>
  ~Atomics.load(core.window, core.platform.core.interruptMask >> 2);

/** Counts an interrupt on `line` of the loaded context: it is pending until it is delivered, however long that takes. */
export function raiseInterrupt(core: CoreParts, context: Context, line: number): void {
  context.image.countRaised();
  Atomics.add(context.image.pending, line, 1);
  context.lines |= 1 << line;
  Atomics.or(core.window, core.platform.core.interruptStatus >> 2, 1 << line);
}

/** A command completed and its guest wants to know: that is told at once, there are no more of these than commands. */
export function completionInterrupt(core: CoreParts, context: Context, reporter: Reporter): void {
  raiseInterrupt(core, context, 0);
  if ((unmasked(core) & 1) !== 0) tell(core, context, reporter, 0, SINGLY);
}

export function deliverable(core: CoreParts, context: Context): boolean {
  return context.lines !== 0 && (context.lines & unmasked(core)) !== 0;
}

/** Tells the hypervisor of what is pending and not masked, as far as the gate and the room for it go. */
export function deliverInterrupts(core: CoreParts, context: Context, reporter: Reporter): void {
  if (context.lines === 0) return;
  const open = unmasked(core);
  const now = core.host.now();
  for (let line = 0; line < LINES; line++) {
    if ((context.lines & open & (1 << line)) === 0) continue;
    const room = context.interrupts.room(now);
    if (room === 0) return;
    context.interrupts.take(now, tell(core, context, reporter, line, room));
  }
}

/** Tells all that is pending and not masked, whatever the gate says: an event for each line. */
export function flushInterrupts(core: CoreParts, context: Context, reporter: Reporter): void {
  if (context.lines === 0) return;
  const open = unmasked(core);
  for (let line = 0; line < LINES; line++)
    if ((context.lines & open & (1 << line)) !== 0) tell(core, context, reporter, line, 0);
}

/** Tells a line's pending interrupts one by one where there are no more than `singly`, else in one. Says in how many. */
function tell(core: CoreParts, context: Context, reporter: Reporter, line: number, singly: number): number {
  const { pending } = context.image;
  let told = 0;
  for (;;) {
    const waiting = Atomics.load(pending, line);
    if (waiting <= 0) break;
    const count = waiting <= singly ? 1 : waiting;
    // Counted down first: the hypervisor may count what is pending as soon as it has the event.
    Atomics.sub(pending, line, count);
    if (!reporter.interrupt(context.slot, core.host.now(), line, count)) {
      Atomics.add(pending, line, count);
      return told;
    }
    told++;
  }
  context.lines &= ~(1 << line);
  return told;
}
