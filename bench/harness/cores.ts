import { Cores, pinThread } from '../../src/runtime/threads/pinning.ts';

/** Cores for a system whose threads are each held on one, as the native limits' are; none where that cannot be. */
export function ownCores(): Cores | undefined {
  const taken = Cores.take();
  if (taken.kind === 'failed') return undefined;
  // The peers in this process run where they like.
  taken.value.release();
  return taken.value;
}

/** Holds the calling thread, a peer's of this one, where a coprocessor's would be. */
export function beHeld(core: number | undefined): void {
  if (core !== undefined) pinThread([core]);
}

/** A sample during which this thread, the guest's, is held on its core. */
export const held =
  (cores: Cores | undefined, sample: () => Promise<number> | number) => async (): Promise<number> => {
    cores?.hold();
    try {
      return await sample();
    } finally {
      cores?.release();
    }
  };
