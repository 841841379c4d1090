import { readFileSync } from 'node:fs';
import { parse as parseYaml } from 'yaml';
import { firstLineOf } from '../base/said.ts';
import { expectedOneOf } from '../base/nearest.ts';
import type { SystemDescription } from '../contract/system.ts';
import { readPlan, showFault, type Fault, type FaultPlan } from '../faults/plan.ts';
import { UsageError } from './usage.ts';

/** Reads a fault plan. Throws a `UsageError` that says what is wrong with it. */
export function readPlanFile(path: string): FaultPlan {
  let value: unknown;
  try {
    value = parseYaml(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new UsageError(`--faults ${path}: ${firstLineOf(error)}; expected a fault plan in YAML or JSON`);
  }
  const plan = readPlan(value);
  if (plan.kind === 'failed') throw new UsageError(`--faults ${path}: ${plan.reason}`);
  return plan.value;
}

/** Refuses a plan that names what the system does not have. */
export function checkPlan(plan: FaultPlan, system: SystemDescription): void {
  const domains = system.dom0 === undefined ? system.domains : [system.dom0, ...system.domains];
  const known = {
    coproc: system.coprocs.map(({ id }) => id as string),
    domain: domains.map(({ name }) => name as string),
    vcoproc: domains.flatMap(({ name, coprocs }) => coprocs.map(({ coproc }) => `${name}/${coproc}`)),
  };
  for (const fault of plan.faults) {
    const named = namesOf(fault);
    for (const kind of ['coproc', 'domain', 'vcoproc'] as const) {
      const name = named[kind];
      if (name !== undefined && !known[kind].includes(name))
        throw new UsageError(
          `--faults: ${showFault(fault)}: no ${kind} ${name}; ${expectedOneOf(name, known[kind])}`,
        );
    }
  }
}

/** Whom a fault names. A domain and a coprocessor are a vcoproc. */
export function namesOf(fault: Fault): {
  coproc?: string;
  domain?: string;
  vcoproc?: string;
  queue?: number;
} {
  const named = fault as ReturnType<typeof namesOf>;
  const { coproc, domain, vcoproc } = named;
  if (coproc === undefined || domain === undefined || vcoproc !== undefined) return named;
  return { ...named, vcoproc: `${domain}/${coproc}` };
}

/** The system with the local memory of all contexts summed up, too: what is damaged there is found. */
export function verified(system: SystemDescription): SystemDescription {
  return { ...system, coprocs: system.coprocs.map((coproc) => ({ ...coproc, verifiesMemory: true })) };
}

/** The system for this plan. */
export const withVerification = (system: SystemDescription, plan: FaultPlan): SystemDescription =>
  plan.faults.some(({ fault }) => fault === 'flip-bit' || fault === 'truncate') ? verified(system) : system;
