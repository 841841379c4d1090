import type { Platform } from '../../contract/platform.ts';
import type { CoprocessorSpec } from '../../contract/port.ts';
import { AilingCore } from '../../coprocessor/ailing-core.ts';
import type { Body } from '../../coprocessor/ailments.ts';
import type { CoreHost } from '../../coprocessor/parts.ts';
import type { Doorbell } from '../../memory/doorbell.ts';

/** What happens to the thread that this runs in. */
const thread: Body = {
  lose: (length) => sleep(length / 1e6),
  hang: () => sleep(Infinity),
  exhaust: () => {
    const hoard: number[][] = [];
    for (;;) hoard.push(Array.from({ length: 100_000 }, () => hoard.length + 0.5));
  },
  die: (reason) => {
    throw new Error(reason);
  },
};

function sleep(milliseconds: number): void {
  if (milliseconds > 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/** The core of a thread with a fault plan. Loaded by such threads only. */
export const ailingCore = (
  spec: CoprocessorSpec & { readonly ailments: SharedArrayBuffer },
  platform: Platform,
  host: CoreHost,
  hypervisor: Doorbell,
): AilingCore => new AilingCore(spec, platform, host, hypervisor, thread);
