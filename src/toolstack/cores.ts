import { Option } from 'commander';
import { Cores } from '../runtime/threads/pinning.ts';
import { UsageError } from './usage.ts';

export const pinOption = (): Option =>
  new Option(
    '--pin',
    'hold the hypervisor and each coprocessor on a core of its own, as far as there are cores (Linux)',
  );

/** The cores of a run whose threads are to be held each on its own; the calling thread is from now on. */
export function takeCores(): Cores {
  const taken = Cores.take();
  if (taken.kind === 'ok') return taken.value;
  throw new UsageError(`--pin: ${taken.reason}; leave it out to let the kernel place them`);
}
