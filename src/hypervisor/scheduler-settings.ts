import { seconds, type Duration } from '../base/units.ts';
import type { SchedulerParameters, SchedulerSettings } from '../contract/scheduler.ts';
import type { CoprocDescription } from '../contract/system.ts';
import type { VcoprocId } from '../contract/names.ts';

/** A change of a coprocessor's scheduling; what is not named stays. */
export interface ScheduleChange {
  readonly algorithm?: string;
  readonly timeslice?: Duration;
  /** Of the new algorithm. */
  readonly parameters?: SchedulerParameters;
  /** What the new algorithm is told of each vcoproc; of the others, what the old one knew. */
  readonly vcoprocs?: ReadonlyMap<VcoprocId, SchedulerParameters>;
}

/** What the scheduler of a coprocessor is told of it. */
export function schedulerSettings(
  { stopDeadline, localMemory, costs }: CoprocDescription,
  timeslice: Duration,
  parameters: SchedulerParameters,
): SchedulerSettings {
  // One context out, one in.
  const switchCost = seconds((2 * localMemory) / costs.switchBandwidth);
  return { timeslice, parameters, stopDeadline, switchCost };
}
