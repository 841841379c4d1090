import { GuestError } from '../contract/guest.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import type { FaultTargets } from './injector.ts';

/** What faults reach of a hypervisor. */
export const targetsOf = (hypervisor: Hypervisor): FaultTargets => ({
  domain: (name, what) => {
    const domain = hypervisor.domain(name);
    const from = what === 'unpause' ? ['paused'] : what === 'pause' ? ['running'] : ['running', 'paused'];
    if (domain === undefined || !from.includes(domain.state)) return false;
    if (what === 'crash') domain.crash(new GuestError('crashed by the fault plan'));
    else if (what === 'destroy') void hypervisor.destroyDomain(domain);
    else if (what === 'pause') hypervisor.pauseDomain(domain);
    else hypervisor.unpauseDomain(domain);
    return true;
  },
  context: (name) => {
    const found = hypervisor.vcoprocs.find((vcoproc) => vcoproc.name === name && vcoproc.state !== 'gone');
    return found?.context;
  },
});
