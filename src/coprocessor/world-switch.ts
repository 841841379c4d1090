import { failed, ok, type Outcome } from '../base/outcome.ts';
import type { Duration, Instant } from '../base/units.ts';
import { IMAGE_STATE } from '../memory/context-image.ts';
import type { Context } from './context.ts';
import type { CoreParts } from './parts.ts';

// A context's local memory is a memory of its own, shared with the hypervisor: to leave is to stop using it, to come
// is to use it again. So a switch costs the same whatever the size of the contexts, no byte of one is ever where
// another could read it, and a thread that dies takes no resting context with it. A board may have to move the bytes:
// a simulated run charges for that.

/** A world switch that the hypervisor asked for. The steps before and after it are in `src/hypervisor/world-switch.ts`. */
export interface SwitchRequest {
  readonly next: Context | undefined;
  readonly sequence: number;
  /** How long the next context may stay. */
  readonly slice: Duration;
  /** It waits for the end of the slice, or for the context to have no work. */
  readonly atEnd: boolean;
  /** Since when the context that leaves is asked to; `undefined` before. */
  started: Instant | undefined;
  /** For how long it went on after that, until it could be taken out. */
  drained: Duration;
}

/** Steps 4 to 6: the context, which is quiet, leaves. Returns the bytes that changed hands. */
export function depart(core: CoreParts, context: Context): number {
  const { image, firmware } = context;
  core.host.witness?.leaves(core, context);
  // 4. Save. Pending interrupts are in the image already: they are counted there.
  image.registers.set(core.window);
  firmware.instance.saveGlobals(image.globals);
  image.setFirmware(context.digest);
  image.saveFrontEnd(context);
  image.seal(context.verified);
  core.host.spend(core.moving(context.bytes, core.spec.switchBandwidth));
  // 5. Fence: from here on no DMA of this context can happen.
  core.iommu.leave();
  // Whole from here on: a coprocessor that dies later costs this context nothing.
  image.state = IMAGE_STATE.saved;
  // 6. Harvest: nobody finds what this context left behind.
  core.resetWindow();
  return context.bytes;
}

/** A context that is lost: what a crash dump shows goes to the image, which stays torn. */
export function leaveRemains(core: CoreParts, context: Context): void {
  context.image.registers.set(core.window);
  context.firmware.instance.saveGlobals(context.image.globals);
  context.image.saveFrontEnd(context);
}

/** Step 7: the next context comes, firmware first, IOMMU before any DMA. Returns the bytes that changed hands. */
export function arrive(core: CoreParts, context: Context): Outcome<number> {
  const { image, firmware } = context;
  if (image.state === IMAGE_STATE.away) return failed('its image is torn');
  const fresh = image.state === IMAGE_STATE.fresh;
  if (!fresh && !image.isFirmware(context.digest)) return failed('its image is of another firmware');
  if (!fresh && !image.intact(context.verified)) return failed('its image is damaged');
  firmware.instance.loadGlobals(fresh ? firmware.firstGlobals : image.globals);
  // A fresh context's registers stand at their reset values, but for what its guest wrote already.
  core.window.set(image.registers);
  image.loadFrontEnd(context);
  if (context.active && context.queues.get(context.queue) === undefined)
    return failed('its image is of a queue that is not there');
  core.host.spend(core.moving(context.bytes, core.spec.switchBandwidth));
  core.iommu.enter(context.reach);
  image.state = IMAGE_STATE.away;
  core.host.witness?.arrived(core, context, fresh);
  return ok(context.bytes);
}
