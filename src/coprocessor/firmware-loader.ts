import { present } from '../base/assert.ts';
import { failed, ok, type Outcome } from '../base/outcome.ts';
import type { DmaFault } from '../contract/events.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import { instantiateFirmware, type FirmwareHost } from '../firmware/instance.ts';
import { verifyFirmware } from '../firmware/prepare.ts';
import type { ContextSpec } from '../contract/port.ts';
import { clear } from '../memory/clear.ts';
import { ContextImage, IMAGE_STATE } from '../memory/context-image.ts';
import type { Context, LoadedFirmware } from './context.ts';
import type { CoreParts } from './parts.ts';

const BLOCK_WORDS = 24;

/** Brings firmware into the coprocessor, for one context after the other. */
export class FirmwareLoader {
  readonly #core: CoreParts;
  /** By the digest of their prepared bytes: verified, and compiled once. */
  readonly #known = new Map<string, FirmwareImage>();

  constructor(core: CoreParts) {
    this.#core = core;
  }

  /** Verifies a context's firmware and instantiates it in the context's local memory. */
  load(context: ContextSpec): Outcome<LoadedFirmware> {
    const { local } = context;
    const verified = this.#verified(context.firmware);
    if (verified.kind === 'failed') return verified;
    const image = verified.value;
    const size = local.buffer.byteLength;
    if (size > this.#core.spec.localMemory) {
      return failed(
        `firmware ${image.name} needs ${size} bytes of local memory, ${this.#core.spec.id} has ${this.#core.spec.localMemory}`,
      );
    }
    const resting = new ContextImage(context.image, image);
    const fresh = resting.state === IMAGE_STATE.fresh;
    // To instantiate is to write the first state into the memory: a context that comes back gets its own again. A
    // thread that dies in between leaves a torn context, and the image says so.
    const kept = fresh ? undefined : new Uint8Array(local.buffer).slice();
    if (!fresh) resting.state = IMAGE_STATE.away;
    // It may have been here before without ever having run: its firmware starts on clean memory all the same.
    else clear(new Uint8Array(local.buffer));
    const instance = instantiateFirmware(image, local, this.#host(local));
    if (instance.kind === 'failed') return instance;
    if (kept !== undefined) {
      new Uint8Array(local.buffer).set(kept);
      resting.state = IMAGE_STATE.saved;
    }
    const firstGlobals = new DataView(new ArrayBuffer(image.globals.length * 8));
    instance.value.saveGlobals(firstGlobals);
    return ok({
      instance: this.#core.host.firmware?.(instance.value) ?? instance.value,
      commandBlock: new Int32Array(local.buffer, image.commandAddress, BLOCK_WORDS),
      firstGlobals,
    });
  }

  #verified(image: FirmwareImage): Outcome<FirmwareImage> {
    const known = this.#known.get(image.digest);
    if (known !== undefined) return ok(known);
    const verified = verifyFirmware(image);
    if (verified.kind === 'failed') return verified;
    this.#known.set(image.digest, image);
    return ok(image);
  }

  /** Forgets every firmware that no context needs any more. */
  retain(digests: ReadonlySet<string>): void {
    for (const digest of this.#known.keys()) if (!digests.has(digest)) this.#known.delete(digest);
  }

  /** What the firmware may ask of the coprocessor, always on behalf of the context that is loaded. */
  #host(memory: WebAssembly.Memory): FirmwareHost {
    const core = this.#core;
    const local = new Uint8Array(memory.buffer);
    const range = (from: number, size: number): Uint8Array => local.subarray(from, from + size);
    const placed = (iova: number): number => core.host.iova?.(iova) ?? iova;
    const listed = (list: Uint32Array): Uint32Array =>
      core.host.iova === undefined ? list : list.map((word, at) => (at % 2 === 0 ? placed(word) : word));
    /** Charges for a transfer, and tells of its fault. */
    const moved = (bytes: number, fault: DmaFault | undefined): number => {
      core.host.spend(core.moving(bytes, core.spec.dmaBandwidth));
      if (fault !== undefined) core.dmaFault(loaded(core), fault.access, fault.iova);
      return fault === undefined ? 0 : 1;
    };
    const { iommu } = core;
    return {
      dmaIn: (to, iova, size) => moved(size, iommu.read(placed(iova), range(to, size))),
      dmaFetch: (to, iova, size) => moved(size, iommu.fetch(placed(iova), range(to, size))),
      dmaOut: (iova, from, size) => moved(size, iommu.write(placed(iova), range(from, size))),
      dmaFill: (iova, value, size) => moved(size, iommu.fill(placed(iova), value, size)),
      dmaGather: (to, list, size) => moved(size, iommu.gather(listed(list), range(to, size))),
      dmaScatter: (list, from, size) => moved(size, iommu.scatter(listed(list), range(from, size))),
      irq: (line) => core.raise(loaded(core), line),
      registerGet: (offset) => core.registerGet(offset),
      registerSet: (offset, value) => core.registerSet(offset, value),
    };
  }
}

function loaded(core: CoreParts): Context {
  return present(core.loaded, 'firmware runs for the context that is loaded');
}
