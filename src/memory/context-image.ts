import { assert } from '../base/assert.ts';
import { ACCESSES, type DmaFault } from '../contract/events.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import { WINDOW_WORDS } from './channel.ts';

// Who may write: the coprocessor while it saves; the hypervisor while the context is away (latched registers). The
// world switch passes the image from one to the other through the control and event rings, which order the accesses.

const WORD = {
  state: 0,
  raised: 1,
  active: 2,
  sequence: 3,
  queue: 4,
  fault: 5,
  faultAt: 6,
  firmware: 8,
  registerSum: 16,
  stateSum: 17,
  memorySum: 18,
  pending: 32,
} as const;
const HEADER_WORDS = 64;
/** What stands before the registers: not a part of what the firmware sees. */
export const IMAGE_HEADER_BYTES = HEADER_WORDS * 4;
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
  active: boolean;
  /** Index of its queue. */
  queue: number;
  sequence: number;
  /** Its first refused DMA. */
  fault: DmaFault | undefined;
}

/** Interrupt lines of a context. */
export const LINES = 32;

/**
 * One context at rest: registers, mutable globals, pending interrupts and what the front end was
 * doing. Its local memory is a memory of its own and moves with it. In shared memory that the hypervisor owns, so that
 * it outlives a coprocessor.
 */
export class ContextImage {
  readonly words: Int32Array;
  /** The register window as the context left it. */
  readonly registers: Int32Array;
  readonly globals: DataView<SharedArrayBuffer>;
  readonly #globalWords: Int32Array;
  /** What the front end and the firmware's digest take of `words`. */
  readonly #frontEnd: Int32Array;
  /** Raised and not delivered, per line. */
  readonly pending: Int32Array;

  constructor(memory: SharedArrayBuffer, firmware: FirmwareImage) {
    assert(memory.byteLength === imageBytes(firmware), 'a context image is as large as its firmware asks');
    this.words = new Int32Array(memory, 0, HEADER_WORDS);
    this.#frontEnd = this.words.subarray(WORD.active, WORD.firmware + 8);
    this.pending = new Int32Array(memory, WORD.pending * 4, LINES);
    this.registers = new Int32Array(memory, HEADER_WORDS * 4, WINDOW_WORDS);
    const globalsAt = (HEADER_WORDS + WINDOW_WORDS) * 4;
    this.globals = new DataView(memory, globalsAt, firmware.globals.length * 8);
    this.#globalWords = new Int32Array(memory, globalsAt, firmware.globals.length * 2);
  }

  get state(): number {
    return Atomics.load(this.words, WORD.state);
  }

  set state(value: number) {
    Atomics.store(this.words, WORD.state, value);
  }

  saveFrontEnd({ active, queue, sequence, fault }: FrontEndState): void {
    const words = this.words;
    words[WORD.active] = active ? 1 : 0;
    words[WORD.sequence] = sequence;
    words[WORD.queue] = queue;
    words[WORD.fault] = fault === undefined ? 0 : 1 + ACCESSES.indexOf(fault.access);
    words[WORD.faultAt] = (fault?.iova ?? 0) | 0;
  }

  get frontEnd(): FrontEndState {
    const state: FrontEndState = { active: false, queue: 0, sequence: 0, fault: undefined };
    this.loadFrontEnd(state);
    return state;
  }

  /** The same without anything new. */
  loadFrontEnd(into: FrontEndState): void {
    const words = this.words;
    const fault = words[WORD.fault]!;
    into.active = words[WORD.active] === 1;
    into.sequence = words[WORD.sequence]!;
    into.queue = words[WORD.queue]!;
    into.fault =
      fault === 0 ? undefined : { access: ACCESSES[fault - 1] ?? 'read', iova: words[WORD.faultAt]! >>> 0 };
  }

  /** Back to the beginning, but for the count of interrupts. Nobody may have the context. */
  renew(): void {
    this.words.fill(0, WORD.active);
    this.state = IMAGE_STATE.fresh;
  }

  /** Writes a saved register while the context is at rest. */
  latch(word: number, value: number): void {
    const before = Atomics.exchange(this.registers, word, value);
    this.words[WORD.registerSum]! += Math.imul(value - before, weight(word));
  }

  /** Sums up what was saved, the words of the context's local memory too where they are given. */
  seal(memory: Int32Array | undefined): void {
    this.words[WORD.registerSum] = registerSum(this.registers);
    this.words[WORD.memorySum] = memory === undefined ? 0 : checksum(memory);
    this.words[WORD.stateSum] = this.#stateSum();
  }

  /**
   * Whether everything is as it was sealed, but for registers that were latched since. State and
   * interrupts, which change at rest, are not covered.
   */
  intact(memory: Int32Array | undefined): boolean {
    return (
      this.words[WORD.registerSum] === registerSum(this.registers) &&
      this.words[WORD.stateSum] === this.#stateSum() &&
      this.words[WORD.memorySum] === (memory === undefined ? 0 : checksum(memory))
    );
  }

  #stateSum(): number {
    const front = checksum(this.#frontEnd);
    return checksum(this.#globalWords) ^ Math.imul(front, PRIME);
  }

  /** Interrupts that the context ever raised. Counted where they are raised, read by the hypervisor. */
  get raised(): number {
    return Atomics.load(this.words, WORD.raised);
  }

  /** A bit for each line that has interrupts pending. For the coprocessor, as the context comes: the ring that sent it orders the reads. */
  get pendingLines(): number {
    let lines = 0;
    for (let line = 0; line < LINES; line++) if (this.pending[line]! > 0) lines |= 1 << line;
    return lines;
  }

  /** Interrupts that were raised, and those that are pending: on all lines and `held` elsewhere. */
  interrupts(held: number): { readonly raised: number; readonly pending: number } {
    let pending = held;
    for (let line = 0; line < LINES; line++) pending += this.pending[line]!;
    return { raised: this.raised, pending };
  }

  countRaised(): void {
    Atomics.add(this.words, WORD.raised, 1);
  }

  /** The prepared firmware that the saved state belongs to. */
  setFirmware(digest: Int32Array): void {
    this.words.set(digest, WORD.firmware);
  }

  isFirmware(digest: Int32Array): boolean {
    for (let word = 0; word < 8; word++) if (this.words[WORD.firmware + word] !== digest[word]) return false;
    return true;
  }
}

const PRIME = 0x9e3779b1;

/** Odd, so that no change of a single bit of a register leaves the sum as it was. */
const weight = (word: number): number => 2 * word + 1;

/** A sum that one register's change can be added to. */
function registerSum(registers: Int32Array): number {
  let [a, b, c, d] = [0, 0, 0, 0];
  // Four at once: one sum alone waits for each addition.
  for (let word = 0; word < registers.length; word += 4) {
    a = (a + Math.imul(registers[word]!, weight(word))) | 0;
    b = (b + Math.imul(registers[word + 1]!, weight(word + 1))) | 0;
    c = (c + Math.imul(registers[word + 2]!, weight(word + 2))) | 0;
    d = (d + Math.imul(registers[word + 3]!, weight(word + 3))) | 0;
  }
  return (a + b + c + d) | 0;
}

/**
 * A checksum of words: four lanes of rotate and multiply, as in xxHash32, so that the multiplications of four
 * words are under way at once. It finds every change of a single word.
 */
export function checksum(words: Int32Array): number {
  let a = 1;
  let b = 2;
  let c = 3;
  let d = words.length;
  const whole = words.length & ~3;
  for (let at = 0; at < whole; at += 4) {
    a = Math.imul(((a << 13) | (a >>> 19)) ^ words[at]!, PRIME);
    b = Math.imul(((b << 13) | (b >>> 19)) ^ words[at + 1]!, PRIME);
    c = Math.imul(((c << 13) | (c >>> 19)) ^ words[at + 2]!, PRIME);
    d = Math.imul(((d << 13) | (d >>> 19)) ^ words[at + 3]!, PRIME);
  }
  for (let at = whole; at < words.length; at++) a = Math.imul(((a << 13) | (a >>> 19)) ^ words[at]!, PRIME);
  return a ^ ((b << 7) | (b >>> 25)) ^ ((c << 12) | (c >>> 20)) ^ ((d << 18) | (d >>> 14));
}

/** A digest in hexadecimal as the eight words that an image keeps of it. */
export function digestWords(digest: string): Int32Array {
  return Int32Array.from(
    { length: 8 },
    (_, word) => Number.parseInt(digest.slice(word * 8, word * 8 + 8), 16) | 0,
  );
}

/** Size of a context image for this firmware, in bytes. */
export const imageBytes = (firmware: FirmwareImage): number =>
  (HEADER_WORDS + WINDOW_WORDS) * 4 + firmware.globals.length * 8;

/** Size of a whole context of this firmware, its local memory included: what a board would have to move. */
export const contextBytes = (firmware: FirmwareImage): number =>
  imageBytes(firmware) + firmware.memoryPages * PAGE;
