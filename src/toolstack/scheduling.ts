import { firstLineOf } from '../base/said.ts';
import { vcoprocId } from '../contract/names.ts';
import type { Refusal, Scheduler, SchedulerFactory } from '../contract/scheduler.ts';
import type { CoprocDescription, DomainDescription, SystemDescription } from '../contract/system.ts';
import { schedulerSettings } from '../hypervisor/scheduler-settings.ts';
import { contained } from '../schedulers/contained.ts';
import { schedulers } from '../schedulers/index.ts';
import { isModuleFile } from './config/coproc.ts';
import { ProblemList, refuse } from './config/problem.ts';
import { loadDefault } from '../runtime/threads/module.ts';

/** Scheduling algorithms by name: those of this build, and users' own by the absolute paths of their files. */
export type Schedulers = Record<string, { readonly create: SchedulerFactory; readonly summary: string }>;

const EXPECTED = 'expected a default export { create, summary }, or a function that makes a scheduler';
// Reasons say already what was expected.
const NOT_STARTED = 'nothing was started';

/** What the hypervisor calls. One that lacks any would fail in the middle of a run. */
const METHODS = [
  'admit',
  'change',
  'retime',
  'bound',
  'remove',
  'wake',
  'sleep',
  'pick',
  'settle',
] as const satisfies readonly (keyof Scheduler)[];

/** The schedulers of this build and the files that a system names. Throws a `ConfigurationError`. */
export async function schedulersOf({ coprocs }: SystemDescription): Promise<Schedulers> {
  const all: Schedulers = { ...schedulers };
  for (const { scheduler, position } of coprocs) {
    try {
      await addScheduler(all, scheduler.name);
    } catch (error) {
      refuse(position, firstLineOf(error), EXPECTED);
    }
  }
  return all;
}

/**
 * Adds a user's own scheduler, if it is one and not there; `anew`: as its file is now. Rejects with what is wrong
 * with its file.
 */
export async function addScheduler(
  all: Schedulers,
  name: string,
  { anew = false }: { anew?: boolean } = {},
): Promise<void> {
  if (!isModuleFile(name) || (!anew && Object.hasOwn(all, name))) return;
  const found = await loadDefault(name, { anew }).catch((error: unknown) => {
    throw new Error(`the scheduler ${name} cannot be loaded: ${firstLineOf(error)}`);
  });
  const { create, summary } = (typeof found === 'function' ? { create: found } : (found ?? {})) as {
    readonly create?: unknown;
    readonly summary?: unknown;
  };
  if (typeof create !== 'function') throw new Error(`the module ${name} is no scheduler`);
  all[name] = {
    create: careful(create as SchedulerFactory, name),
    summary: typeof summary === 'string' ? summary : 'from a file',
  };
}

/** A factory of unknown quality: what it throws, and what it makes that is no scheduler, is a refusal. */
function careful(create: SchedulerFactory, file: string): SchedulerFactory {
  return (settings) => {
    try {
      const created: Partial<Scheduler & Refusal> | undefined | null = create(settings);
      if (created?.kind === 'refused') return { kind: 'refused', reason: String(created.reason) };
      const missing = METHODS.find((method) => typeof created?.[method] !== 'function');
      if (missing !== undefined) return refusal(`what ${file} makes has no function ${missing}`);
      if (typeof created?.name !== 'string') return refusal(`what ${file} makes has no name`);
      return contained(created as Scheduler, settings, file);
    } catch (error) {
      return refusal(`${file} throws: ${firstLineOf(error)}`);
    }
  };
}

const refusal = (reason: string): Refusal => ({ kind: 'refused', reason });

/**
 * Makes the schedulers of a system with their parameters and admits the vcoprocs of `domains` with theirs, in
 * the order in which they would start. Throws a `ConfigurationError` with everything that is refused.
 */
export function checkScheduling(
  { coprocs }: Pick<SystemDescription, 'coprocs'>,
  domains: readonly DomainDescription[],
  all: Schedulers,
): void {
  const problems = new ProblemList();
  for (const coproc of coprocs) {
    const scheduler = problems.attempt(() => make(coproc, all));
    if (scheduler === undefined) continue;
    for (const { name, coprocs: shares } of domains) {
      for (const { coproc: id, parameters, position } of shares) {
        if (id !== coproc.id) continue;
        const admission = scheduler.admit(vcoprocId(name, id), parameters);
        if (admission.kind === 'refused')
          problems.add(position, `domain ${name}: ${admission.reason}`, NOT_STARTED);
      }
    }
  }
  problems.finish();
}

function make(coproc: CoprocDescription, all: Schedulers): Scheduler {
  const { id, position, timeslice, scheduler } = coproc;
  const created = all[scheduler.name]!.create(schedulerSettings(coproc, timeslice, scheduler.parameters));
  if ('kind' in created) return refuse(position, `${id}: ${created.reason}`, NOT_STARTED);
  return created;
}
