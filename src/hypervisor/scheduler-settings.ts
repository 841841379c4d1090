import { seconds, type Duration } from '../base/units.ts';
import type { SchedulerParameters, SchedulerSettings } from '../contract/scheduler.ts';
import type { CoprocDescription } from '../contract/system.ts';

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
