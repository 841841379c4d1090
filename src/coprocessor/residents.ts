import { present } from '../base/assert.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import { instantiateFirmware, type FirmwareHost } from '../firmware/instance.ts';
import { verifyFirmware } from '../firmware/prepare.ts';
import type { Context, ResidentFirmware } from './context.ts';
import type { CoreParts } from './parts.ts';

const PAGE = 65536;
const BLOCK_WORDS = 24;

/** The firmwares that are in the coprocessor, by the digest of their prepared bytes. */
export class ResidentFirmwares {
  readonly #core: CoreParts;
  readonly #byDigest = new Map<string, ResidentFirmware>();

  constructor(core: CoreParts) {
    this.#core = core;
  }

  /** Brings a firmware in: verified, compiled, instantiated, and its first state kept for new contexts. */
  load(image: FirmwareImage): Outcome<ResidentFirmware> {
    const resident = this.#byDigest.get(image.digest);
    if (resident !== undefined) return ok(resident);
    const verified = verifyFirmware(image);
    if (verified.kind === 'failed') return verified;
    const size = image.memoryPages * PAGE;
    if (size > this.#core.spec.localMemory) {
      return failed(
        `firmware ${image.name} needs ${size} bytes of local memory, ${this.#core.spec.id} has ${this.#core.spec.localMemory}`,
      );
    }
    if (image.commandAddress + BLOCK_WORDS * 4 > size)
      return failed(`firmware ${image.name}: its command block is outside of its memory`);
    const memory = new WebAssembly.Memory({ initial: image.memoryPages, maximum: image.memoryPages });
    const instance = instantiateFirmware(image, memory, this.#host(memory));
    if (instance.kind === 'failed') return instance;
    const firstGlobals = new DataView(new ArrayBuffer(image.globals.length * 8));
    instance.value.saveGlobals(firstGlobals);
    const created: ResidentFirmware = {
      instance: instance.value,
      memory: new Uint8Array(memory.buffer),
      commandBlock: new Int32Array(memory.buffer, image.commandAddress, BLOCK_WORDS),
      firstMemory: new Uint8Array(memory.buffer.slice(0)),
      firstGlobals,
    };
    created.memory.fill(0);
    this.#byDigest.set(image.digest, created);
    return ok(created);
  }

  /** Drops every firmware that no context needs any more. */
  retain(digests: readonly string[]): void {
    for (const digest of this.#byDigest.keys()) if (!digests.includes(digest)) this.#byDigest.delete(digest);
  }

  /** What the firmware may ask of the coprocessor, always on behalf of the context that is loaded. */
  #host(memory: WebAssembly.Memory): FirmwareHost {
    const core = this.#core;
    const local = new Uint8Array(memory.buffer);
    const range = (from: number, size: number): Uint8Array => local.subarray(from, from + size);
    return {
      dmaIn: (to, iova, size) => {
        const context = loaded(core);
        core.host.spend(core.moving(size, core.spec.dmaBandwidth));
        const fault = core.iommu.read(core.host.iova?.(iova) ?? iova, range(to, size));
        if (fault !== undefined) core.dmaFault(context, fault.access, fault.iova);
        return fault === undefined ? 0 : 1;
      },
      dmaOut: (iova, from, size) => {
        const context = loaded(core);
        core.host.spend(core.moving(size, core.spec.dmaBandwidth));
        const fault = core.iommu.write(core.host.iova?.(iova) ?? iova, range(from, size));
        if (fault !== undefined) core.dmaFault(context, fault.access, fault.iova);
        return fault === undefined ? 0 : 1;
      },
      irq: (line) => core.raise(loaded(core), line),
      registerGet: (offset) => core.registerGet(offset),
      registerSet: (offset, value) => core.registerSet(offset, value),
    };
  }
}

function loaded(core: CoreParts): Context {
  return present(core.loaded, 'firmware runs for the context that is loaded');
}
