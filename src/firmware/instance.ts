import { assert } from '../base/assert.ts';
import type { Outcome } from '../base/outcome.ts';
import { failed, ok } from '../base/outcome.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import { PAGE_BYTES } from './abi.ts';
import { STACK_WORDS } from './rewrite-body.ts';
import { FUEL, STACK } from './rewrite.ts';
import { FirmwareTrap, classifyTrap } from './trap.ts';

/** What the coprocessor does for its firmware. Every number is an unsigned 32-bit integer unless it says so. */
export interface FirmwareHost {
  /** Copies guest memory to local memory; the range in local memory is checked. 0, or 1 for a fault. */
  dmaIn(local: number, iova: number, bytes: number): number;
  /** As `dmaIn`, for a program. */
  dmaFetch(local: number, iova: number, bytes: number): number;
  /** Copies local memory to guest memory; the range in local memory is checked. 0, or 1 for a fault. */
  dmaOut(iova: number, local: number, bytes: number): number;
  /** Writes the byte `value` into guest memory. 0, or 1 for a fault. */
  dmaFill(iova: number, value: number, bytes: number): number;
  /** Copies ranges of guest memory, addresses and lengths in turn, to local memory; the range there is checked. */
  dmaGather(local: number, list: Uint32Array, bytes: number): number;
  dmaScatter(list: Uint32Array, local: number, bytes: number): number;
  /** Raises interrupt 2 to 31. */
  irq(number: number): void;
  /** The register at a byte offset, which may be any number. */
  registerGet(offset: number): number;
  /** `value` is signed. */
  registerSet(offset: number, value: number): void;
}

/** A firmware in local memory. `start`, `step` and `quiesce` throw when it traps: see {@link trapReason}. */
export interface FirmwareInstance {
  readonly commandAddress: number;
  readonly start: () => number;
  readonly step: (budget: number) => number;
  /** Always 0 for a firmware that exports none. */
  readonly quiesce: () => number;
  /** Writes its mutable globals, 8 bytes each, little-endian; `into` holds {@link globalBytes}. */
  saveGlobals(into: DataView): void;
  loadGlobals(from: DataView): void;
  /** Sets the fuel that a metered firmware may use from now on, 0 to 2^31 - 1 instructions. */
  refuel(units: number): void;
  /** Fuel left, at least 0; 0 when it is not metered. */
  fuelLeft(): number;
  /** The one-line reason of an error that one of the three calls threw; throws what is no trap. */
  trapReason(error: unknown): string;
}

/** Bytes that a context needs for a firmware's globals. */
export const globalBytes = (image: FirmwareImage): number => 8 * image.globals.length;

const FIRST_INTERRUPT = 2;
const LAST_INTERRUPT = 31;
/** Ranges in one scatter-gather list. */
const MAXIMUM_LIST = 1024;
const noQuiesce = (): number => 0;

/** Compiled modules: a context that comes back does not compile its firmware again. */
const compiled = new WeakMap<FirmwareImage, WebAssembly.Module>();

function compile(image: FirmwareImage): WebAssembly.Module {
  let module = compiled.get(image);
  if (module === undefined) {
    // The type wants unshared bytes; the engine takes shared ones and copies them.
    module = new WebAssembly.Module(image.bytes as Uint8Array as Uint8Array<ArrayBuffer>);
    compiled.set(image, module);
  }
  return module;
}

/**
 * Makes a fresh instance in `memory`, which must not be able to grow: active segments are written and the
 * start function runs. Fails when the memory does not fit or the start function traps. A metered instance
 * has no fuel until it is refuelled.
 */
export function instantiateFirmware(
  image: FirmwareImage,
  memory: WebAssembly.Memory,
  host: FirmwareHost,
): Outcome<FirmwareInstance> {
  const pages = memory.buffer.byteLength / PAGE_BYTES;
  if (pages < image.memoryPages)
    return failed(
      `firmware ${image.name} needs ${image.memoryPages} pages of local memory, the coprocessor has ${pages}; give it more or build the firmware for less`,
    );
  if (image.maximumPages !== undefined && pages > image.maximumPages)
    return failed(
      `firmware ${image.name} accepts at most ${image.maximumPages} pages of local memory, the coprocessor has ${pages}; build it without a maximum`,
    );

  const imports = firmwareImports(memory.buffer, host);
  let exports: WebAssembly.Exports;
  try {
    exports = new WebAssembly.Instance(compile(image), {
      env: { ...imports.env, memory },
      coproc: imports.coproc,
    }).exports;
  } catch (error) {
    return failed(`firmware ${image.name} failed while it was set up: ${classifyTrap(error)}`);
  }
  imports.open();

  const fuel = image.metered ? (exports[FUEL] as WebAssembly.Global<'i32'>) : undefined;
  const stack = image.metered ? (exports[STACK] as WebAssembly.Global<'i32'>) : undefined;
  if (fuel !== undefined) fuel.value = 0;
  const globals = image.globals.map(({ exportName, type }) => ({
    global: exports[exportName] as WebAssembly.Global,
    wide: type === 'i64' || type === 'f64',
  }));

  return ok({
    commandAddress: image.commandAddress,
    start: exports['start'] as () => number,
    step: exports['step'] as (budget: number) => number,
    quiesce: image.hasQuiesce ? (exports['quiesce'] as () => number) : noQuiesce,
    saveGlobals(into) {
      for (let place = 0; place < globals.length; place++) {
        const { global, wide } = globals[place]!;
        if (wide) into.setBigInt64(8 * place, global.value as bigint, true);
        else {
          into.setInt32(8 * place, global.value as number, true);
          into.setInt32(8 * place + 4, 0, true);
        }
      }
    },
    loadGlobals(from) {
      for (let place = 0; place < globals.length; place++) {
        const { global, wide } = globals[place]!;
        global.value = wide ? from.getBigInt64(8 * place, true) : from.getInt32(8 * place, true);
      }
      // A context is only ever saved between calls.
      if (stack !== undefined) stack.value = 0;
    },
    refuel(units) {
      assert(Number.isInteger(units) && units >= 0 && units < 2 ** 31, 'fuel is a 31-bit number');
      if (fuel !== undefined) fuel.value = units;
    },
    fuelLeft: () => (fuel === undefined ? 0 : Math.max(0, fuel.value)),
    trapReason(error) {
      const reason = classifyTrap(error);
      if (reason !== 'unreachable executed') return reason;
      if (fuel !== undefined && fuel.value < 0) return 'out of fuel';
      return stack !== undefined && stack.value > STACK_WORDS ? 'stack overflow' : reason;
    },
  });
}

/** The functions that a firmware imports. They refuse everything until `open`: a start function has no coprocessor. */
function firmwareImports(memory: ArrayBufferLike, host: FirmwareHost) {
  const localBytes = memory.byteLength;
  const view = new DataView(memory);
  const held = new Uint32Array(2 * MAXIMUM_LIST);
  let isOpen = false;
  const present = (): void => {
    if (!isOpen) throw new FirmwareTrap('its start function used the coprocessor, which only a command may');
  };
  const local = (call: string, address: number, bytes: number): void => {
    if (address + bytes > localBytes)
      throw new FirmwareTrap(
        `${call} of ${bytes} bytes at local address ${address} is outside of local memory (${localBytes} bytes)`,
      );
  };
  /** A copy of a list, which a transfer may overwrite, and the bytes that it stands for. */
  const listed = (call: string, at: number, count: number): { list: Uint32Array; bytes: number } => {
    if (count > MAXIMUM_LIST)
      throw new FirmwareTrap(`${call} of a list of ${count} ranges; there may be ${MAXIMUM_LIST}`);
    local(call, at, 8 * count);
    let bytes = 0;
    for (let word = 0; word < 2 * count; word++) {
      held[word] = view.getUint32(at + 4 * word, true);
      if (word % 2 === 1) bytes += held[word]!;
    }
    return { list: held.subarray(0, 2 * count), bytes };
  };
  return {
    open: (): void => {
      isOpen = true;
    },
    env: {
      abort: (_message: number, _file: number, line: number, column: number): never => {
        throw new FirmwareTrap(`aborted at line ${line >>> 0}, column ${column >>> 0}`);
      },
    },
    coproc: {
      dma_in(to: number, iova: number, bytes: number): number {
        present();
        local('dma_in', to >>> 0, bytes >>> 0);
        return host.dmaIn(to >>> 0, iova >>> 0, bytes >>> 0);
      },
      dma_fetch(to: number, iova: number, bytes: number): number {
        present();
        local('dma_fetch', to >>> 0, bytes >>> 0);
        return host.dmaFetch(to >>> 0, iova >>> 0, bytes >>> 0);
      },
      dma_out(iova: number, from: number, bytes: number): number {
        present();
        local('dma_out', from >>> 0, bytes >>> 0);
        return host.dmaOut(iova >>> 0, from >>> 0, bytes >>> 0);
      },
      dma_fill(iova: number, value: number, bytes: number): number {
        present();
        return host.dmaFill(iova >>> 0, value & 0xff, bytes >>> 0);
      },
      dma_gather(to: number, at: number, count: number): number {
        present();
        const { list, bytes } = listed('dma_gather', at >>> 0, count >>> 0);
        local('dma_gather', to >>> 0, bytes);
        return host.dmaGather(to >>> 0, list, bytes);
      },
      dma_scatter(at: number, from: number, count: number): number {
        present();
        const { list, bytes } = listed('dma_scatter', at >>> 0, count >>> 0);
        local('dma_scatter', from >>> 0, bytes);
        return host.dmaScatter(list, from >>> 0, bytes);
      },
      irq(number: number): void {
        present();
        if (number < FIRST_INTERRUPT || number > LAST_INTERRUPT)
          throw new FirmwareTrap(
            `raised interrupt ${number}; a firmware has ${FIRST_INTERRUPT} to ${LAST_INTERRUPT}`,
          );
        host.irq(number);
      },
      reg_get(offset: number): number {
        present();
        return host.registerGet(offset >>> 0);
      },
      reg_set(offset: number, value: number): void {
        present();
        host.registerSet(offset >>> 0, value);
      },
    },
  };
}
