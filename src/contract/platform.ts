import type { Duration } from '../base/units.ts';

/**
 * A kind of coprocessor: its registers (what the hypervisor emulates and the coprocessor implements)
 * and its device (what differs in running and stopping it). A platform is the default export of its
 * own module, so that the thread of a coprocessor can load it by `module`.
 */
export interface Platform {
  /** What it binds to in the device tree: `covisor,tile-gpu`. */
  readonly compatible: string;
  /** One line for `covisor list-platforms`. */
  readonly summary: string;
  /** `import.meta.url` of the module that exports it. */
  readonly module: string;
  readonly registers: RegisterMap;
  readonly core: CoreRegisters;
  /** Units of work of one firmware step: the preemption granularity. */
  readonly stepBudget: number;
  createDevice(): Device;
}

/** The registers of a window by byte offset; every access to any other offset reads 0 and writes nothing. */
export type RegisterMap = readonly Register[];

export interface Register {
  readonly name: string;
  /** Byte offset in the window, a multiple of 4. */
  readonly offset: number;
  /**
   * What a guest may do. `read-write`: plain storage. `read-only`: the device's to change.
   * `trigger`: a write acts on the device and a read gives the register's value.
   * `write-one-clears`: a write clears the bits that it has set. `none`: not the guest's; reads 0.
   */
  readonly access: 'read-write' | 'read-only' | 'trigger' | 'write-one-clears' | 'none';
  /** May the firmware write it? */
  readonly firmware: boolean;
  readonly reset: number;
  /**
   * What a write means while another domain has the coprocessor. `latched`: it goes to the saved
   * context at once. `replayed`: the device sees it when the context returns. `refused`: ignored.
   */
  readonly away: 'latched' | 'replayed' | 'refused';
}

/** Well-known registers that the coprocessor core itself drives, by byte offset. */
export interface CoreRegisters {
  /** A bit per interrupt line, set when raised, until the guest clears it. */
  readonly interruptStatus: number;
  /** A bit per interrupt line; set: not delivered, pending. */
  readonly interruptMask: number;
  /** Sequence number of the last command that completed. */
  readonly fence: number;
  /** I/O virtual address of the last fault. */
  readonly faultAddress: number;
}

/** The coprocessor side of a platform: state that belongs to the hardware, not to any context. */
export interface Device {
  /** A write to a `trigger` or `write-one-clears` register took effect in `window` (word-indexed). */
  onWrite(window: Int32Array, offset: number, value: number): void;
  /** May the next command be fetched? A guest may have halted its queue through a register. */
  accepts(window: Int32Array): boolean;
  onStart(window: Int32Array): void;
  onStep(window: Int32Array): void;
  onEnd(window: Int32Array, ok: boolean): void;
  /**
   * Asked before a context leaves, again after each step while it answers `draining`. `firmware` asks
   * the firmware itself: microseconds to ask again after, 0 when it is ready to leave.
   */
  quiesce(window: Int32Array, active: boolean, firmware: () => number): QuiesceOutcome;
}

export type QuiesceOutcome =
  | { readonly kind: 'quiet' }
  /** Units of work are in the pipeline: step on, then ask again. */
  | { readonly kind: 'draining' }
  | { readonly kind: 'denied'; readonly retryAfter: Duration };

export const QUIET: QuiesceOutcome = { kind: 'quiet' };
export const DRAINING: QuiesceOutcome = { kind: 'draining' };
