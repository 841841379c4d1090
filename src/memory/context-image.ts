import { assert } from '../base/assert.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import { WINDOW_WORDS } from './channel.ts';
import type { DmaFault } from './iommu.ts';

// Who may write: the coprocessor while it saves; the hypervisor while the context is away (latched registers). The
// world switch passes the image from one to the other through the control and event rings, which order the accesses.

const WORD = {
  state: 0,
  raised: 1,
  active: 2,
  sequence: 3,
  ended: 4,
  fault: 5,
  faultAt: 6,
  firmware: 8,
  pending: 32,
} as const;
const HEADER_WORDS = 64;
const PAGE = 65536;

export const IMAGE_STATE = {
  /** Never ran: it begins from the firmware's first image. */
  fresh: 0,
  /** Whole: it can be loaded. */
  saved: 1,
  /** Being written, or its context is in the coprocessor: what stands here is stale or torn. */
  away: 2,
} as const;

/** The command under way, if any. */
export interface FrontEndState {
  /** A command was fetched and has no completion yet. */
  readonly active: boolean;
  readonly sequence: number;
  /** It ended with this status (never 0) and its completion waits for room. */
  readonly ended: number | undefined;
  /** Its first refused DMA. */
  readonly fault: DmaFault | undefined;
}

/** Interrupt lines of a context. */
export const LINES = 32;

/**
 * One context at rest: registers, mutable globals, local memory, pending interrupts and what the
 * front end was doing. In shared memory that the hypervisor owns, so that it outlives a coprocessor.
 */
export class ContextImage {
  readonly words: Int32Array;
  /** The register window as the context left it. */
  readonly registers: Int32Array;
  readonly globals: DataView<SharedArrayBuffer>;
  readonly local: Uint8Array<SharedArrayBuffer>;
  /** Raised and not delivered, per line. */
  readonly pending: Int32Array;

  constructor(memory: SharedArrayBuffer, firmware: FirmwareImage) {
    assert(memory.byteLength === imageBytes(firmware), 'a context image is as large as its firmware asks');
    this.words = new Int32Array(memory, 0, HEADER_WORDS);
    this.pending = new Int32Array(memory, WORD.pending * 4, LINES);
    this.registers = new Int32Array(memory, HEADER_WORDS * 4, WINDOW_WORDS);
    const globalsAt = (HEADER_WORDS + WINDOW_WORDS) * 4;
    const globalsBytes = firmware.globals.length * 8;
    this.globals = new DataView(memory, globalsAt, globalsBytes);
    this.local = new Uint8Array(memory, localAt(firmware), firmware.memoryPages * PAGE);
  }

  get state(): number {
    return Atomics.load(this.words, WORD.state);
  }

  set state(value: number) {
    Atomics.store(this.words, WORD.state, value);
  }

  /** What the front end was doing when the context left. */
  get frontEnd(): FrontEndState {
    const words = this.words;
    const fault = words[WORD.fault]!;
    return {
      active: words[WORD.active] === 1,
      sequence: words[WORD.sequence]!,
      ended: words[WORD.ended] === 0 ? undefined : words[WORD.ended],
      fault:
        fault === 0
          ? undefined
          : { access: fault === 1 ? 'read' : 'write', iova: words[WORD.faultAt]! >>> 0 },
    };
  }

  set frontEnd(state: FrontEndState) {
    this.words[WORD.active] = state.active ? 1 : 0;
    this.words[WORD.sequence] = state.sequence;
    this.words[WORD.ended] = state.ended ?? 0;
    this.words[WORD.fault] = state.fault === undefined ? 0 : state.fault.access === 'read' ? 1 : 2;
    this.words[WORD.faultAt] = (state.fault?.iova ?? 0) | 0;
  }

  /** Back to the beginning, but for the count of interrupts. Nobody may have the context. */
  renew(): void {
    this.words.fill(0, WORD.active);
    this.state = IMAGE_STATE.fresh;
  }

  /** Interrupts that the context ever raised. Counted where they are raised, read by the hypervisor. */
  get raised(): number {
    return Atomics.load(this.words, WORD.raised);
  }

  countRaised(): void {
    Atomics.add(this.words, WORD.raised, 1);
  }

  /** The prepared firmware that the saved state belongs to. */
  setFirmware(digest: string): void {
    for (let word = 0; word < 8; word++) this.words[WORD.firmware + word] = digestWord(digest, word);
  }

  isFirmware(digest: string): boolean {
    for (let word = 0; word < 8; word++) {
      if (this.words[WORD.firmware + word] !== digestWord(digest, word)) return false;
    }
    return true;
  }
}

const digestWord = (digest: string, word: number): number =>
  Number.parseInt(digest.slice(word * 8, word * 8 + 8), 16) | 0;

const localAt = (firmware: FirmwareImage): number => {
  const end = (HEADER_WORDS + WINDOW_WORDS) * 4 + firmware.globals.length * 8;
  return Math.ceil(end / 64) * 64;
};

/** Size of a context image for this firmware, in bytes. */
export const imageBytes = (firmware: FirmwareImage): number =>
  localAt(firmware) + firmware.memoryPages * PAGE;
