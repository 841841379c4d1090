import type { Outcome } from '../base/outcome.ts';
import type { TraceSink } from '../contract/events.ts';
import type { FirmwareImage } from '../contract/firmware.ts';
import type { Platform } from '../contract/platform.ts';
import type { Runtime } from '../contract/port.ts';
import type { SchedulerFactory } from '../contract/scheduler.ts';
import type { CrashDump } from '../contract/crash-dump.ts';

/** What a hypervisor is made of. */
export interface Parts {
  readonly runtime: Runtime;
  readonly platforms: Readonly<Record<string, Platform>>;
  readonly schedulers: Readonly<Record<string, { readonly create: SchedulerFactory }>>;
  firmware(name: string): Outcome<FirmwareImage>;
  readonly trace: TraceSink;
  /** Called when a coprocessor dies or a vcoproc is isolated, at once; `dump` is to be called then or never. */
  readonly crashed?: (dump: () => CrashDump) => void;
}
