import { readFileSync } from 'node:fs';
import { present } from '../../src/base/assert.ts';
import type { Outcome } from '../../src/base/outcome.ts';
import type { FirmwareImage } from '../../src/contract/firmware.ts';
import type { FirmwareHost, FirmwareInstance } from '../../src/firmware/instance.ts';
import { instantiateFirmware } from '../../src/firmware/instance.ts';
import { prepareFirmware } from '../../src/firmware/prepare.ts';

export function valueOf<T>(outcome: Outcome<T>): T {
  if (outcome.kind === 'failed') throw new Error(outcome.reason);
  return outcome.value;
}

export function reasonOf(outcome: Outcome<unknown>): string {
  if (outcome.kind === 'ok') throw new Error('it was expected to fail');
  return outcome.reason;
}

export const idleHost: FirmwareHost = {
  dmaIn: () => 0,
  dmaFetch: () => 0,
  dmaOut: () => 0,
  dmaFill: () => 0,
  dmaGather: () => 0,
  dmaScatter: () => 0,
  irq: () => undefined,
  registerGet: () => 0,
  registerSet: () => undefined,
};

export const localMemory = (pages = 1): WebAssembly.Memory =>
  new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });

export interface Loaded {
  readonly image: FirmwareImage;
  readonly memory: WebAssembly.Memory;
  readonly firmware: FirmwareInstance;
}

/** Prepares and instantiates, in one go; fails the test when either does. */
export function loadFirmware(
  bytes: Uint8Array,
  { metered = false, pages = 0, host = idleHost } = {},
): Loaded {
  const image = valueOf(prepareFirmware('test', bytes, { metered }));
  const memory = localMemory(Math.max(pages, image.memoryPages));
  return { image, memory, firmware: valueOf(instantiateFirmware(image, memory, host)) };
}

/** The bytes of a kernel of the repository, or undefined when it is not built. */
export function builtKernel(name: string): Uint8Array | undefined {
  try {
    return readFileSync(new URL(`../../build/firmware/${name}.wasm`, import.meta.url));
  } catch {
    return undefined;
  }
}

/** The reason of the trap that `run` must end in. */
export function trapOf(firmware: FirmwareInstance, run: () => unknown): string {
  let trap: unknown;
  try {
    run();
  } catch (error) {
    trap = error;
  }
  return firmware.trapReason(present(trap, 'the firmware was expected to trap'));
}

/** Writes a command block. */
export function command(loaded: Loaded, op: number, args: readonly number[]): void {
  const words = new Int32Array(loaded.memory.buffer, loaded.firmware.commandAddress, 24);
  words.fill(0);
  words[1] = op;
  words.set(args, 2);
}

export const results = ({ memory, firmware }: Loaded): number[] => [
  ...new Int32Array(memory.buffer, firmware.commandAddress + 64, 8),
];
