import { us } from '../../base/units.ts';
import { DRAINING, QUIET, type Device } from '../../contract/platform.ts';
import { CONTROL, GPU, STATUS } from './registers.ts';

/** Steps that are under way in the tile pipeline when the front end stops: they are finished, not saved. */
const PIPELINE_STEPS = 2;

/**
 * Preemption at tile boundaries: the front end stops, the tiles in the pipeline are finished, then the
 * context may leave, if its firmware agrees.
 */
export function gpuDevice(): Device {
  let drained = 0;
  return {
    onWrite(window, offset, value) {
      if (offset === GPU.interruptStatus) Atomics.and(window, GPU.interruptStatus >> 2, ~value);
    },
    accepts: (window) => (Atomics.load(window, GPU.control >> 2) & CONTROL.halt) === 0,
    onStart(window) {
      Atomics.store(window, GPU.status >> 2, STATUS.busy);
    },
    onStep(window) {
      Atomics.add(window, GPU.tiles >> 2, 1);
    },
    onEnd(window, ok) {
      Atomics.store(window, GPU.status >> 2, ok ? 0 : STATUS.failed);
    },
    quiesce(_window, active, firmware) {
      if (active && drained < PIPELINE_STEPS) {
        drained++;
        return DRAINING;
      }
      drained = 0;
      const retryAfterUs = firmware();
      return retryAfterUs > 0 ? { kind: 'denied', retryAfter: us(retryAfterUs) } : QUIET;
    },
  };
}
