import type { TraceSink } from '../contract/events.ts';
import type { Platform } from '../contract/platform.ts';
import type { Runtime } from '../contract/port.ts';
import type { SchedulerFactory } from '../contract/scheduler.ts';
import type { Injector } from '../faults/injector.ts';
import { firmwareLibrary } from '../firmware/library.ts';
import { Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Parts } from '../hypervisor/parts.ts';

/** What a build contains, as the configuration of a kernel says it: nothing that is not named. */
export interface Build {
  readonly runtime: Runtime;
  /** By the names that systems use: `{ credit, 'round-robin': roundRobin }`. */
  readonly schedulers: Readonly<Record<string, SchedulerFactory>>;
  readonly platforms: readonly Platform[];
  /** Folders with firmware of its own, before what comes with Covisor. */
  readonly firmware?: readonly string[];
  readonly trace?: TraceSink;
  /** Carries out a fault plan on it; call its `start` when the domains run. */
  readonly faults?: Injector;
}

/** Makes a hypervisor of what it is given and no more; a system that asks for something else is refused. */
export function createHypervisor({
  runtime,
  schedulers,
  platforms,
  firmware,
  trace,
  faults,
}: Build): Hypervisor {
  const library = firmwareLibrary(firmware);
  const parts: Parts = {
    runtime,
    platforms: Object.fromEntries(platforms.map((platform) => [platform.compatible, platform])),
    schedulers: Object.fromEntries(Object.entries(schedulers).map(([name, create]) => [name, { create }])),
    firmware: (name) => library.load(name, { metered: runtime.metered }),
    trace: trace ?? (() => {}),
  };
  return new Hypervisor(faults?.parts(parts) ?? parts);
}
