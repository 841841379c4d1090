import type { Duration, Instant } from '../base/units.ts';
import type { Access } from '../contract/events.ts';
import type { Platform } from '../contract/platform.ts';
import type { CoprocessorSpec } from '../contract/port.ts';
import type { FirmwareInstance } from '../firmware/instance.ts';
import type { Iommu } from '../memory/iommu.ts';
import type { Context } from './context.ts';

/** What a core needs of the runtime that turns it. */
export interface CoreHost {
  now(): Instant;
  /** The coprocessor was busy for so long: moves a simulated clock, means nothing on threads. */
  spend(length: Duration): void;
  /** Where a DMA to `iova` goes instead: a fault of the hardware. Absent where there are none. */
  iova?(iova: number): number;
  /** The firmware as it really runs. Absent: as it is. */
  firmware?(instance: FirmwareInstance): FirmwareInstance;
  readonly witness?: ContextWitness;
}

/** Sees contexts leave and come, for checks: at both moments the core holds the context's state, whole. */
export interface ContextWitness {
  leaves(core: CoreParts, context: Context): void;
  /** `fresh`: it never ran, or begins anew. */
  arrived(core: CoreParts, context: Context, fresh: boolean): void;
}

/** The parts of a coprocessor that its firmware and its world switch reach. */
export interface CoreParts {
  readonly spec: CoprocessorSpec;
  readonly platform: Platform;
  readonly host: CoreHost;
  /** The register window, by words. */
  readonly window: Int32Array;
  readonly iommu: Iommu;
  readonly loaded: Context | undefined;
  registerGet(offset: number): number;
  registerSet(offset: number, value: number): void;
  raise(context: Context, line: number): void;
  dmaFault(context: Context, access: Access, iova: number): void;
  /** All registers to their reset values. */
  resetWindow(): void;
  /** Time that moving `bytes` takes at `bandwidth` bytes per second. */
  moving(bytes: number, bandwidth: number): Duration;
}
