import type { Duration, Instant } from '../base/units.ts';
import type { CoprocId, DomainId, VcoprocId } from '../contract/names.ts';
import type { CommandCounts, CoprocReport, DomainReport, VcoprocReport } from '../contract/report.ts';
import type { Watchdogs } from '../contract/recovery.ts';
import type { SchedulerParameters } from '../contract/scheduler.ts';
import type { CoprocDescription, DomainDescription } from '../contract/system.ts';
import type { SavedRam } from '../memory/guest-ram.ts';
import type { LivePage } from '../memory/live-pages.ts';
import type { SavedSpace } from '../memory/page-table.ts';
import type { UnderWay } from './events.ts';
import type { Service } from './queue-settings.ts';
import type { SavedQueue } from './queue.ts';
import type { SavedWindow } from './window.ts';

// A system at rest, as plain data: numbers, text, lists and bytes. Nothing in it refers to the system that it came from.

/** All queues of a vcoproc at rest. Evictions are of the hypervisor that asked for them, and are not saved. */
export interface SavedQueues {
  readonly first: SavedQueue;
  readonly others: readonly {
    readonly index: number;
    readonly capacity: number;
    readonly service: Service;
    /** It was being destroyed. */
    readonly gone: boolean;
    readonly queue: SavedQueue;
  }[];
  /** Of queues that are gone. */
  readonly past: CommandCounts;
  /** How every command of every queue ends. */
  readonly over: SavedQueue['dead'];
}

/** What one vcoproc was at fault for, beyond its report. */
export interface SavedGuilt {
  readonly offences: readonly Instant[];
  readonly paidUntil: Duration;
}

/** A vcoproc whose context is away. */
export interface SavedVcoproc {
  readonly report: VcoprocReport;
  /** As it was asked for: a name of the library, or a path. */
  readonly firmware: string;
  /** SHA-256 of the prepared module. */
  readonly digest: string;
  readonly parameters: SchedulerParameters;
  /** Of its time, what its scheduler knows. */
  readonly settled: Duration;
  /** The command that was under way at the end of its last slice, and its own time when that began; null: none was. */
  readonly longest: { readonly command: UnderWay | null; readonly since: Duration };
  readonly guilt: SavedGuilt;
  /** Interrupts that its domain could not take yet, in order. */
  readonly held: readonly { readonly line: number; readonly count: number }[];
  readonly image: Uint8Array;
  readonly local: readonly LivePage[];
  readonly space: SavedSpace;
  readonly window: SavedWindow;
  readonly queues: SavedQueues;
}

export interface SavedDomain {
  readonly name: DomainId;
  readonly description: DomainDescription;
  readonly report: DomainReport;
  /** Whether it was at work, and goes on with the others; one that somebody paused stays so. */
  readonly goesOn: boolean;
  /** Numbers that its guest drew. */
  readonly draws: number;
  /** What its guest gave to be saved; null when the guest is over. */
  readonly guest: Uint8Array | null;
  readonly ram: SavedRam | null;
  readonly vcoprocs: readonly SavedVcoproc[];
}

export interface SavedCoproc {
  readonly id: CoprocId;
  readonly report: CoprocReport;
  /** Who decides, by the name in the hypervisor's record of algorithms, with what it was made with. */
  readonly algorithm: {
    readonly name: string;
    readonly parameters: SchedulerParameters;
    readonly timeslice: Duration;
  };
  /** What its scheduler knows of the past, as that said it; null: it begins anew. */
  readonly past: unknown;
  readonly watchdogs: Watchdogs;
  /** Until when whoever was at fault is not let in again. */
  readonly debts: readonly (readonly [VcoprocId, Instant])[];
  /** Unexplained deaths within the window, and who was there. */
  readonly deaths: readonly { readonly at: Instant; readonly note: VcoprocId | null }[];
}

export interface SavedSystem {
  readonly at: Instant;
  readonly coprocs: readonly SavedCoproc[];
  /** Vcoprocs that are gone: their figures stay. */
  readonly past: readonly VcoprocReport[];
  readonly domains: readonly SavedDomain[];
}

/** A vcoproc that a domain is to have. */
export interface Share {
  readonly coproc: CoprocId;
  readonly firmware: string;
  readonly parameters: SchedulerParameters;
  readonly saved?: SavedVcoproc;
}

export const shareOf = (saved: SavedVcoproc): Share => {
  const { firmware, parameters, report } = saved;
  return { coproc: report.coproc, firmware, parameters, saved };
};

/** A coprocessor as it has to be added for a saved one to go on: what was changed while it ran stays changed. */
export const resumedCoproc = (
  description: CoprocDescription,
  { algorithm, watchdogs }: SavedCoproc,
): CoprocDescription => {
  const { timeslice, ...scheduler } = algorithm;
  return { ...description, ...watchdogs, scheduler, timeslice };
};
