import type { ContextSpec } from '../contract/port.ts';
import type { FirmwareInstance } from '../firmware/instance.ts';
import { ContextImage } from '../memory/context-image.ts';
import { RingConsumer, RingProducer } from '../memory/ring.ts';
import type { DmaFault } from '../memory/iommu.ts';

/** A firmware in the coprocessor: one instance and its local memory serve all contexts of that firmware, in turn. */
export interface ResidentFirmware {
  readonly instance: FirmwareInstance;
  readonly memory: Uint8Array;
  /** The 24 words of the command block, in that memory. */
  readonly commandBlock: Int32Array;
  /** The memory and the globals as they are before the first command. */
  readonly firstMemory: Uint8Array;
  readonly firstGlobals: DataView;
}

/** One vcoproc as the coprocessor knows it. */
export class Context {
  readonly spec: ContextSpec;
  readonly slot: number;
  readonly firmware: ResidentFirmware;
  readonly image: ContextImage;
  readonly commands: RingConsumer;
  readonly completions: RingProducer;
  /** The command under way. */
  sequence = 0;
  active = false;
  ended: number | undefined;
  fault: DmaFault | undefined;

  constructor(spec: ContextSpec, firmware: ResidentFirmware) {
    this.spec = spec;
    this.slot = spec.slot;
    this.firmware = firmware;
    this.image = new ContextImage(spec.image, spec.firmware);
    this.commands = new RingConsumer(spec.queue.commands);
    this.completions = new RingProducer(spec.queue.completions);
  }

  hasWork(): boolean {
    return this.active || this.commands.available() > 0;
  }
}
