import { us } from '../../base/units.ts';
import { QUIET, type Device } from '../../contract/platform.ts';
import { DSP, RUN, STATE } from './registers.ts';

/** Preemption between any two steps, as soon as the firmware agrees to leave. */
export function dspDevice(): Device {
  return {
    onWrite(window, offset, value) {
      if (offset === DSP.interruptStatus) Atomics.and(window, DSP.interruptStatus >> 2, ~value);
      else if (offset === DSP.mailboxIn) {
        // The flag last: the firmware trusts it.
        Atomics.store(window, DSP.mailboxIn >> 2, value);
        Atomics.store(window, DSP.mailboxFull >> 2, 1);
      }
    },
    accepts: (window) => (Atomics.load(window, DSP.run >> 2) & RUN.hold) === 0,
    onStart(window) {
      Atomics.store(window, DSP.state >> 2, STATE.busy);
    },
    onStep() {},
    onEnd(window, ok) {
      Atomics.store(window, DSP.state >> 2, ok ? 0 : STATE.error);
    },
    quiesce(_window, _active, firmware) {
      const retryAfterUs = firmware();
      return retryAfterUs > 0 ? { kind: 'denied', retryAfter: us(retryAfterUs) } : QUIET;
    },
  };
}
