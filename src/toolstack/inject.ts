import { expectedOneOf } from '../base/nearest.ts';
import type { Injector } from '../faults/injector.ts';
import { readPlan, showFault } from '../faults/plan.ts';
import { namesOf } from './fault-plan.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';

/** Injects a fault that came from outside; the fault in words. Throws an error for the person who asked. */
export function injectInto(hypervisor: Hypervisor, injector: Injector, given: object): string {
  const read = readPlan({ faults: [given] });
  if (read.kind === 'failed') throw new Error(read.reason.replaceAll('faults.0.', ''));
  const fault = read.value.faults[0]!;
  const { vcoproc, domain, queue } = namesOf(fault);
  if (domain !== undefined && hypervisor.domain(domain) === undefined) throw new Error(`no domain ${domain}`);
  const known = hypervisor.vcoprocs.filter(({ state }) => state !== 'gone');
  const target = known.find(({ name }) => name === vcoproc);
  if (vcoproc !== undefined && target === undefined) {
    const names = known.map(({ name }) => name as string);
    throw new Error(`no vcoproc ${vcoproc}; ${expectedOneOf(vcoproc, names)}`);
  }
  if (queue !== undefined && target?.queues.has(queue) === false)
    throw new Error(
      `no queue ${queue} of ${vcoproc}; it has ${target.queues.size}, of which 0 is the default one`,
    );
  const injected = injector.inject(fault);
  if (injected.kind === 'failed') throw new Error(injected.reason);
  return showFault(fault);
}
