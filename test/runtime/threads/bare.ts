import { bytes, mib, us } from '../../../src/base/units.ts';
import { coprocId } from '../../../src/contract/names.ts';
import type { CoprocessorPort } from '../../../src/contract/port.ts';
import { createChannel } from '../../../src/memory/channel.ts';
import { platforms } from '../../../src/platforms/index.ts';
import type { ThreadsRuntime } from '../../../src/runtime/threads/runtime.ts';

export interface Bare {
  readonly port: CoprocessorPort;
  /** Resolves when it has said something. */
  readonly spoke: Promise<void>;
  /** Resolves when its thread is over. */
  readonly over: Promise<void>;
}

/** A coprocessor's thread without a hypervisor above it. */
export function startBare(
  runtime: ThreadsRuntime,
  channel = createChannel(),
  hear: () => void = () => {},
): Bare {
  const spec = {
    id: coprocId('gpu0'),
    channel,
    localMemory: bytes(mib(1)),
    clock: 1e9,
    switchBandwidth: 1e9,
    dmaBandwidth: 1e9,
    interruptLatency: us(1),
    lead: us(1),
    stepLimit: us(1000),
  };
  const words = new Int32Array(channel.events);
  let heard = (): void => {};
  let end = (): void => {};
  const spoke = new Promise<void>((resolve) => (heard = resolve));
  const over = new Promise<void>((resolve) => (end = resolve));
  const onEvents = (): void => {
    if (Atomics.load(words, 0) !== 0) heard();
    hear();
  };
  const port = runtime.startCoprocessor(spec, platforms['covisor,tile-gpu']!, {
    onEvents,
    onExit: () => end(),
  });
  return { port, spoke, over };
}
