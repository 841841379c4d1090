import type { DmaFault } from '../contract/events.ts';
import type { ContextSpec } from '../contract/port.ts';
import type { FirmwareInstance } from '../firmware/instance.ts';
import {
  ContextImage,
  IMAGE_STATE,
  contextBytes,
  digestWords,
  type FrontEndState,
} from '../memory/context-image.ts';
import { reach, type Reach } from '../memory/iommu.ts';
import { QueueSet } from './queue-set.ts';
import { Gate } from './gate.ts';

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
  readonly queues: QueueSet;
  /** A bit for each line that has interrupts pending, while the context is loaded. */
  lines = 0;
  /** What it may tell the hypervisor in one go: it must not flood those who share the hypervisor with it. */
  readonly interrupts = new Gate(64);
  readonly faults = new Gate(16);
  /** The command under way. */
  active = false;
  queue = 0;
  sequence = 0;
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
    this.queues = new QueueSet(spec.queues, spec.board);
    if (this.image.state === IMAGE_STATE.saved) this.image.loadFrontEnd(this);
  }

  hasWork(): boolean {
    return this.active || this.queues.any;
  }
}
