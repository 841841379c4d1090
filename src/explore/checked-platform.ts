import type { Platform } from '../contract/platform.ts';
import { BrokenLawError } from './decisions.ts';

const LAW = 'who denies to leave stays';

/** A platform whose device is held to what it tells the world switch. */
export const checkedPlatform = (platform: Platform): Platform => ({
  ...platform,
  createDevice() {
    const device = platform.createDevice();
    return {
      onWrite: (window, offset, value) => device.onWrite(window, offset, value),
      accepts: (window) => device.accepts(window),
      onStart: (window) => device.onStart(window),
      onStep: (window) => device.onStep(window),
      onEnd: (window, succeeded) => device.onEnd(window, succeeded),
      quiesce(window, active, firmware) {
        let denied = 0;
        const outcome = device.quiesce(window, active, () => (denied = firmware()));
        if (denied > 0 && outcome.kind === 'quiet')
          throw new BrokenLawError(
            LAW,
            `${platform.compatible}: the firmware denied, and its device says that it is quiet`,
          );
        return outcome;
      },
    };
  },
});
