import type { Bytes, Duration, Instant } from '../base/units.ts';
import type { CoprocId, DomainId, VcoprocId } from './names.ts';
import type { IsolationCause, RecoveryStep } from './recovery.ts';
import type { CoprocState, DomainState, VcoprocState } from './states.ts';

/**
 * What happened, as it happened: the run's trace. The live table, the report and the simulated
 * runtime's tape are all made of these. They come in the order in which the hypervisor learns of them: what a
 * coprocessor did has the instant of the coprocessor and is told later, or ahead. {@link inTime} puts them right.
 */
export type TraceEvent =
  /** The coprocessor entered `state`; `vcoproc` is whose context it holds or is moving, if any. */
  | {
      readonly at: Instant;
      readonly kind: 'coproc';
      readonly coproc: CoprocId;
      readonly state: CoprocState;
      readonly vcoproc: VcoprocId | null;
    }
  | {
      readonly at: Instant;
      readonly kind: 'vcoproc';
      readonly vcoproc: VcoprocId;
      readonly state: VcoprocState;
    }
  | {
      readonly at: Instant;
      readonly kind: 'domain';
      readonly domain: DomainId;
      readonly state: DomainState;
      readonly reason: string | null;
    }
  /** A world switch ended; `cost` is the time from the first step that stopped the old context to the first of the new. */
  | {
      readonly at: Instant;
      readonly kind: 'switch';
      readonly coproc: CoprocId;
      readonly from: VcoprocId | null;
      readonly to: VcoprocId | null;
      readonly cost: Duration;
      readonly saved: Bytes;
      readonly loaded: Bytes;
    }
  /** The running context refused to leave and asked to be asked again. */
  | {
      readonly at: Instant;
      readonly kind: 'denied';
      readonly coproc: CoprocId;
      readonly vcoproc: VcoprocId;
      readonly retryAfter: Duration;
    }
  /** `queue`: its number, unless it is the default queue. */
  | {
      readonly at: Instant;
      readonly kind: 'submit';
      readonly vcoproc: VcoprocId;
      readonly queue?: number;
      readonly op: number;
    }
  | {
      readonly at: Instant;
      readonly kind: 'complete';
      readonly vcoproc: VcoprocId;
      readonly queue?: number;
      readonly status: 'ok' | 'failed' | 'cancelled';
      readonly reason: string | null;
      /** From submit to completion, as the guest saw it. */
      readonly latency: Duration;
    }
  | { readonly at: Instant; readonly kind: 'interrupt'; readonly vcoproc: VcoprocId; readonly number: number }
  /** A fault with its owner. `reset`: the coprocessor had to be reset for it. */
  | {
      readonly at: Instant;
      readonly kind: 'fault';
      readonly coproc: CoprocId;
      readonly vcoproc: VcoprocId | null;
      readonly what: string;
      readonly reset: boolean;
      /** Of a DMA that the IOMMU refused. */
      readonly dma?: DmaFaultEvent;
    }
  /** What is left of a context, or of a coprocessor, went to `file`. */
  | {
      readonly at: Instant;
      readonly kind: 'dump';
      readonly coproc: CoprocId;
      readonly vcoproc: VcoprocId | null;
      readonly file: string;
    }
  /** What is done about a fault: one step of the way back, or the end of it. */
  | {
      readonly at: Instant;
      readonly kind: 'recovery';
      readonly coproc: CoprocId;
      readonly vcoproc: VcoprocId | null;
      readonly step: RecoveryStep;
      readonly why: string;
      /** Of one that is isolated or banned; and which share of its domain was at fault, where that is another one. */
      readonly cause?: IsolationCause;
      readonly guilty?: VcoprocId;
    }
  | { readonly at: Instant; readonly kind: 'log'; readonly domain: DomainId; readonly line: string };

/** Events by when they happened; those of one instant stay as they were told. */
export const inTime = (events: readonly TraceEvent[]): TraceEvent[] =>
  [...events].sort((one, other) => one.at - other.at);

/** What a DMA does with guest memory: data is read and written, a program is fetched. By number where words stand for it. */
export const ACCESSES = ['read', 'write', 'execute'] as const;
export type Access = (typeof ACCESSES)[number];

/** A DMA that was refused: which way and where. */
export interface DmaFault {
  readonly access: Access;
  readonly iova: number;
}

export interface DmaFaultEvent extends DmaFault {
  /** Whose command it was for: a queue of the vcoproc, by its number. */
  readonly queue: number;
}

/** Where trace events go. Must not throw and must not keep the caller waiting. */
export type TraceSink = (event: TraceEvent) => void;
