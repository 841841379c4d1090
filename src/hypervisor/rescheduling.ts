import { failed, ok, type Outcome } from '../base/outcome.ts';
import type { Duration } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Scheduler, SchedulerParameters } from '../contract/scheduler.ts';
import type { SharedCoproc } from './coproc.ts';
import type { Vcoproc } from './vcoproc.ts';

// Changes of who decides for a coprocessor, and how, while it runs.

/**
 * Decides by another algorithm from now on. Whoever has the coprocessor goes on until the new one says
 * otherwise, everybody who is ready is ready for the new one. Parameters that it does not know are
 * dropped unless they are `wanted`; who it cannot take makes the change fail, and nothing is changed.
 */
export function useScheduler(
  coproc: SharedCoproc,
  scheduler: Scheduler,
  wanted: ReadonlyMap<VcoprocId, SchedulerParameters> = new Map(),
): Outcome<void> {
  const kept = new Map<Vcoproc, SchedulerParameters>();
  for (const vcoproc of coproc.members) {
    // Who is leaving is nobody's to choose any more.
    if (vcoproc.state === 'isolated' || coproc.members.detached(vcoproc)) continue;
    const asked = wanted.get(vcoproc.name);
    const given = asked ?? vcoproc.parameters;
    let admission = scheduler.admit(vcoproc.name, given);
    const known = admission.kind === 'admitted';
    kept.set(vcoproc, known ? given : {});
    if (known) continue;
    if (asked === undefined) admission = scheduler.admit(vcoproc.name, {});
    if (admission.kind === 'refused')
      return failed(`${scheduler.name} does not take ${vcoproc.name}: ${admission.reason}`);
  }
  coproc.charge();
  coproc.settle('ran');
  coproc.scheduler = scheduler;
  for (const [vcoproc, parameters] of kept) {
    vcoproc.parameters = parameters;
    const ready = vcoproc.state === 'waiting' || vcoproc.state === 'running';
    if (ready && !coproc.mustLeave(vcoproc)) scheduler.wake(vcoproc.name, coproc.now);
  }
  coproc.reschedule();
  return ok(undefined);
}

/** Slices from the next decision on, which comes at once. */
export function retime(coproc: SharedCoproc, timeslice: Duration): void {
  coproc.timeslice = timeslice;
  coproc.scheduler.retime(timeslice);
  coproc.reschedule();
}

export function changeParameters(
  coproc: SharedCoproc,
  vcoproc: Vcoproc,
  parameters: SchedulerParameters,
): Outcome<void> {
  const admission = coproc.scheduler.change(vcoproc.name, parameters);
  if (admission.kind === 'refused') return failed(admission.reason);
  vcoproc.parameters = { ...vcoproc.parameters, ...parameters };
  coproc.reschedule();
  return ok(undefined);
}
