import type { Instant } from '../base/units.ts';
import type { TraceEvent } from './events.ts';
import type { FirmwareGlobal } from './firmware.ts';
import type { VcoprocId } from './names.ts';
import type { CoprocReport, VcoprocReport } from './report.ts';
import type { CoprocState } from './states.ts';

/** A ring as it stood: descriptors from `tail` to `head` are published and not taken. */
export interface RingDump {
  readonly capacity: number;
  readonly head: number;
  readonly tail: number;
}

/** A command that was submitted and not fetched. */
export interface CommandDump {
  readonly sequence: number;
  readonly op: number;
  /** All fourteen, as signed 32-bit integers. */
  readonly args: readonly number[];
}

export interface QueueDump {
  readonly index: number;
  readonly commands: RingDump;
  readonly completions: RingDump;
  /** Submitted and not fetched, oldest first; commands for which the ring has no room are not among them. */
  readonly unfetched: readonly CommandDump[];
}

/** The context of one vcoproc: registers, globals, local memory and what its front end was doing. */
export interface ContextDump {
  readonly vcoproc: VcoprocId;
  readonly firmware: {
    readonly name: string;
    /** Of the file as its maker built it, and of the prepared module. */
    readonly sha256: string;
    readonly digest: string;
  };
  /** Where the registers were read: in the coprocessor's window, or in the context image. */
  readonly from: 'window' | 'image';
  /** State of the image: never ran; whole; or in the coprocessor, so that globals and front end are older. */
  readonly image: 'fresh' | 'saved' | 'away';
  readonly registers: readonly {
    readonly name: string;
    readonly offset: number;
    readonly value: number;
  }[];
  /** Mutable globals: integers in decimal, floating point by its bits in hexadecimal. */
  readonly globals: readonly { readonly type: FirmwareGlobal['type']; readonly value: string }[];
  /** The command under way when the image was written. */
  readonly active: { readonly queue: number; readonly sequence: number } | null;
  /** The firmware's command block in local memory: the command that it was given last. */
  readonly commandAddress: number;
  /** Interrupts raised and not delivered, by line. */
  readonly pending: readonly { readonly line: number; readonly count: number }[];
  readonly queues: readonly QueueDump[];
  readonly memory: {
    readonly size: number;
    /** Pages of 4096 bytes that are not all zero, ascending. */
    readonly pages: readonly { readonly at: number; readonly bytes: Uint8Array }[];
    /** Such pages for which there was no room. */
    readonly leftOut: number;
  };
}

/** What is left of a coprocessor, or of one context on it, at the moment when it went wrong. */
export interface CrashDump {
  readonly at: Instant;
  readonly runtime: 'threads' | 'simulated';
  readonly reason: string;
  readonly coproc: CoprocReport & { readonly state: CoprocState; readonly owner: VcoprocId | null };
  /** All shares of the coprocessor, with what its scheduler was told of them. */
  readonly vcoprocs: readonly (VcoprocReport & {
    readonly parameters: Readonly<Record<string, number | string>>;
  })[];
  /** The rings between hypervisor and coprocessor. */
  readonly rings: { readonly control: RingDump; readonly events: RingDump; readonly posted: RingDump };
  /** Of who is to blame, or of who had the coprocessor. Others' contexts are theirs, and are not dumped. */
  readonly context: ContextDump | null;
}

/** A dump as it stands in a file. */
export interface RecordedDump extends CrashDump {
  /** Version of Covisor that wrote it. */
  readonly covisor: string;
  /** The last events of this coprocessor, newest last. */
  readonly events: readonly TraceEvent[];
}
