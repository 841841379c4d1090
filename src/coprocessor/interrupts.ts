import { LINES } from '../memory/context-image.ts';
import type { Context } from './context.ts';
import type { CoreParts } from './parts.ts';
import type { Reporter } from './reporter.ts';

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

export function deliverable(core: CoreParts, context: Context): boolean {
  return context.lines !== 0 && (context.lines & unmasked(core)) !== 0;
}

/** Tells the hypervisor of all that is pending and not masked, as far as it has room for it. */
export function deliverInterrupts(core: CoreParts, context: Context, reporter: Reporter): void {
  if (context.lines === 0) return;
  const open = unmasked(core);
  const { pending } = context.image;
  for (let line = 0; line < LINES; line++) {
    if ((context.lines & open & (1 << line)) === 0) continue;
    while (Atomics.load(pending, line) > 0) {
      // Counted down first: the hypervisor may count what is pending as soon as it has the event.
      Atomics.sub(pending, line, 1);
      if (reporter.interrupt(context.slot, core.host.now(), line)) continue;
      Atomics.add(pending, line, 1);
      return;
    }
    context.lines &= ~(1 << line);
  }
}
