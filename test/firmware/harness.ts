import { present } from '../../src/base/assert.ts';

/**
 * The smallest machine that runs a firmware: one flat guest memory (IOVA = offset), no switches.
 * Firmware tests use it to compare a kernel with its reference; everything else runs on Covisor.
 */
export interface FirmwareHarness {
  readonly guest: Uint8Array;
  readonly local: WebAssembly.Memory;
  readonly interrupts: number[];
  /** Runs one command to its end. Returns the final status, the eight result words and the steps it took. */
  run(
    op: number,
    args: readonly number[],
    budget?: number,
  ): { status: number; results: number[]; steps: number };
}

interface FirmwareExports {
  readonly command: WebAssembly.Global;
  readonly start: () => number;
  readonly step: (budget: number) => number;
  readonly quiesce?: () => number;
}

export function firmwareHarness(
  image: BufferSource,
  localBytes: number,
  guestBytes: number,
): FirmwareHarness {
  const pages = localBytes / 65536;
  const local = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const guest = new Uint8Array(guestBytes);
  const interrupts: number[] = [];
  const registers = new Int32Array(1024);
  const inside = (iova: number, size: number): boolean => (iova >>> 0) + (size >>> 0) <= guestBytes;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(image), {
    env: {
      memory: local,
      abort: (_message: number, _file: number, line: number, column: number) => {
        throw new Error(`firmware aborted at ${line}:${column}`);
      },
    },
    coproc: {
      dma_in: (to: number, iova: number, size: number) => {
        if (!inside(iova, size)) return 1;
        new Uint8Array(local.buffer).set(guest.subarray(iova >>> 0, (iova >>> 0) + (size >>> 0)), to >>> 0);
        return 0;
      },
      dma_out: (iova: number, from: number, size: number) => {
        if (!inside(iova, size)) return 1;
        guest.set(new Uint8Array(local.buffer, from >>> 0, size >>> 0), iova >>> 0);
        return 0;
      },
      irq: (number: number) => void interrupts.push(number),
      reg_get: (offset: number) => registers[offset >> 2] ?? 0,
      reg_set: (offset: number, value: number) => void (registers[offset >> 2] = value),
    },
  });
  const firmware = instance.exports as unknown as FirmwareExports;
  const block = present(firmware.command, 'the firmware exports `command`').value as number;
  let sequence = 0;
  return {
    guest,
    local,
    interrupts,
    run(op, args, budget = 1000) {
      const words = new Int32Array(local.buffer, block, 24);
      words.fill(0);
      words[0] = sequence++;
      words[1] = op;
      words.set(args, 2);
      let status = firmware.start();
      let steps = 0;
      for (; status === 0; steps++) status = firmware.step(budget);
      return { status, results: [...new Int32Array(local.buffer, block + 64, 8)], steps };
    },
  };
}
