import type { ContextSpec } from '../contract/port.ts';
import type { FirmwareInstance } from '../firmware/instance.ts';
import { ContextImage, contextBytes, digestWords, type FrontEndState } from '../memory/context-image.ts';
import { reach, type DmaFault, type Reach } from '../memory/iommu.ts';
import { RingConsumer, RingProducer } from '../memory/ring.ts';

/** A context's firmware in the coprocessor: an instance in the context's own local memory. */
export interface LoadedFirmware {
  readonly instance: FirmwareInstance;
  /** The 24 words of the command block. */
  readonly commandBlock: Int32Array;
  /** The globals as they are before the first command. */
  readonly firstGlobals: DataView;
}

/** One vcoproc as the coprocessor knows it. */
export class Context implements FrontEndState {
  readonly spec: ContextSpec;
  readonly slot: number;
  readonly firmware: LoadedFirmware;
  readonly digest: Int32Array;
  /** What a board would have to move to switch it. */
  readonly bytes: number;
  readonly image: ContextImage;
  readonly reach: Reach;
  /** Its local memory, where a switch has to sum it up. */
  readonly verified: Int32Array | undefined;
  readonly commands: RingConsumer;
  readonly completions: RingProducer;
  /** A bit for each line that has interrupts pending, while the context is loaded. */
  lines = 0;
  /** The command under way. */
  sequence = 0;
  active = false;
  ended: number | undefined;
  fault: DmaFault | undefined;

  constructor(spec: ContextSpec, firmware: LoadedFirmware, verifiesMemory: boolean) {
    this.spec = spec;
    this.slot = spec.slot;
    this.firmware = firmware;
    this.digest = digestWords(spec.firmware.digest);
    this.bytes = contextBytes(spec.firmware);
    this.image = new ContextImage(spec.image, spec.firmware);
    this.reach = reach(spec.pageTable, spec.ram);
    this.verified = verifiesMemory ? new Int32Array(spec.local.buffer) : undefined;
    this.commands = new RingConsumer(spec.queue.commands);
    this.completions = new RingProducer(spec.queue.completions);
  }

  hasWork(): boolean {
    return this.active || this.commands.available() > 0;
  }
}
