import type { Bytes, Duration } from '../base/units.ts';
import type { CoprocId, DomainId } from './names.ts';
import type { FaultPolicy, Recovery } from './recovery.ts';

/** A place in a source file. Lines and columns count from 1; a file that is not there is at 1:1. */
export interface SourcePosition {
  /** Absolute path, or the name that a line directive gave. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Something that was read and left aside: worth a line to the user, no reason to stop. */
export interface ConfigurationWarning extends SourcePosition {
  readonly what: string;
}

/** What a system folder describes: every name in it is known, every number possible, every file there. */
export interface SystemDescription {
  /** Absolute path of the system's folder; guests' assets lie below it. */
  readonly folder: string;
  /** `model` of the device tree's root: the board's name. */
  readonly model: string;
  /** The shared coprocessors, at least one, in the order of the system file. */
  readonly coprocs: readonly CoprocDescription[];
  /** In the order of their files' names. */
  readonly domains: readonly DomainDescription[];
  /** The domain that the system file itself describes, started with the system. Not among `domains`. */
  readonly dom0: DomainDescription | undefined;
  readonly warnings: readonly ConfigurationWarning[];
}

/** Values of a plug-in's parameters as the user gave them; the plug-in knows their meaning and limits. */
export type Parameters = Readonly<Record<string, number | string>>;

export interface CoprocDescription {
  readonly id: CoprocId;
  /** Path of its node in the device tree: `/soc/gpu@fd000000`. */
  readonly path: string;
  /** The string of the node's `compatible` list that a platform is known for; the first such one. */
  readonly compatible: string;
  readonly scheduler: { readonly name: string; readonly parameters: Parameters };
  readonly timeslice: Duration;
  /** How long a context may take to leave before the coprocessor is reset and the context blamed. */
  readonly stopDeadline: Duration;
  /** How long one command may run on the coprocessor before it counts as hung. */
  readonly commandTimeout: Duration;
  /** How long a vcoproc that is reset may take to be out of the coprocessor. Absent: RESET_DEADLINE. */
  readonly resetDeadline?: Duration;
  /** How long it may give no sign of life. Absent: a time slice and a stop deadline. */
  readonly heartbeat?: Duration;
  /** What is absent is as in RECOVERY. */
  readonly recovery?: Partial<Recovery>;
  /** How often in a row a stop may be denied; without it, only the stop deadline bounds the denials. */
  readonly denyRetryLimit: number | undefined;
  /** A multiple of 64 KiB, the page of a WebAssembly memory. */
  readonly localMemory: Bytes;
  /** Clock in Hz. */
  readonly clock: number;
  /** The register window as the processors see it, after every `ranges` on the way. */
  readonly registers: { readonly base: number; readonly size: Bytes };
  /** Interrupt numbers at their controller; for a GIC the INTID (shared peripheral interrupts from 32). */
  readonly interrupts: readonly number[];
  /** What it is called at its IOMMU, if it stands behind one. */
  readonly streamId: number | undefined;
  readonly costs: CoprocCosts;
  /**
   * Whether damage to a context's local memory at rest is found, too: it is summed up at every switch, whose
   * cost then grows with it. Registers and globals always are. Absent: no.
   */
  readonly verifiesMemory?: boolean;
  readonly position: SourcePosition;
}

/** What moving a context costs on the described board. A simulated run charges it to virtual time. */
export interface CoprocCosts {
  /** Bytes per second at which a context is saved and loaded. */
  readonly switchBandwidth: number;
  /** Bytes per second of the firmware's DMA. */
  readonly dmaBandwidth: number;
  /** From the coprocessor's raise to the domain's handler. */
  readonly interruptLatency: Duration;
}

export interface DomainDescription {
  readonly name: DomainId;
  readonly memory: Bytes;
  /** Absolute path of the guest program's module, which exists. */
  readonly kernel: string;
  /** The vcoprocs it asks for, each coprocessor at most once. */
  readonly coprocs: readonly VcoprocDescription[];
  /** What becomes of its vcoprocs that are at fault; as each coprocessor has it where this is absent. */
  readonly onFault?: FaultPolicy;
  /** The guest program's arguments, as written. */
  readonly extra: string;
  /** Kinds of `--input` that it takes, as media types: `image/png`. */
  readonly takes: readonly string[];
  readonly position: SourcePosition;
}

export interface VcoprocDescription {
  readonly coproc: CoprocId;
  /** A name of the library, or the absolute path of a `.wasm` file, which exists. */
  readonly firmware: string;
  /** For the coprocessor's scheduler: `weight`, `priority` and the like. */
  readonly parameters: Parameters;
  readonly position: SourcePosition;
}
