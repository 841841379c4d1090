import { expectedOneOf } from '../base/nearest.ts';
import type { Injector } from '../faults/injector.ts';
import { readPlan, showFault } from '../faults/plan.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';

/** Injects a fault that came from outside; the fault in words. Throws an error for the person who asked. */
export function injectInto(hypervisor: Hypervisor, injector: Injector, given: object): string {
  const read = readPlan({ faults: [given] });
  if (read.kind === 'failed') throw new Error(read.reason.replaceAll('faults.0.', ''));
  const fault = read.value.faults[0]!;
  const { vcoproc, domain } = fault as { vcoproc?: string; domain?: string };
  const known = hypervisor.vcoprocs.filter(({ state }) => state !== 'gone').map(({ name }) => name as string);
  if (vcoproc !== undefined && !known.includes(vcoproc))
    throw new Error(`no vcoproc ${vcoproc}; ${expectedOneOf(vcoproc, known)}`);
  if (domain !== undefined && hypervisor.domain(domain) === undefined) throw new Error(`no domain ${domain}`);
  const injected = injector.inject(fault);
  if (injected.kind === 'failed') throw new Error(injected.reason);
  return showFault(fault);
}
