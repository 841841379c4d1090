import type { DomainDescription, SystemDescription } from '../../contract/system.ts';
import { resumedCoproc, type SavedDomain } from '../../hypervisor/saved.ts';
import { checkSources } from './sources.ts';
import type { Checkpoint } from './folder.ts';
import type { Hypervisor } from '../../hypervisor/hypervisor.ts';
import { UsageError } from '../usage.ts';

/** A saved system as a description: who decides, how long anybody is waited for, and who has which share, is what it was at last. */
export function resumedSystem({ system, saved, files }: Checkpoint): SystemDescription {
  checkSources(files);
  const coprocs = system.coprocs.map((coproc) => {
    const before = saved.coprocs.find(({ id }) => id === coproc.id);
    return before === undefined ? coproc : resumedCoproc(coproc, before);
  });
  const { dom0: _, ...rest } = system;
  return { ...rest, dom0: undefined, coprocs, domains: saved.domains.map(descriptionOf) };
}

/** Has a hypervisor with the coprocessors of a resumed system go on from what was saved. */
export function goOnFrom({ saved }: Checkpoint, hypervisor: Hypervisor): void {
  const restored = hypervisor.restore(saved);
  if (restored.kind === 'failed') throw new UsageError(`the checkpoint is of no use: ${restored.reason}`);
}

/** Whether a saved domain's program has more to do. */
const isAlive = ({ guest }: SavedDomain): boolean => guest !== null;

/** What is known of each domain of a system that goes on, by name, and whether it was over. */
export function domainsBefore(resume: Checkpoint | undefined) {
  const saved = new Map(resume?.saved.domains.map((domain) => [domain.name, domain]));
  const isOver = ({ name }: DomainDescription): boolean => saved.has(name) && !isAlive(saved.get(name)!);
  return { saved, isOver };
}

function descriptionOf(saved: SavedDomain): DomainDescription {
  const { description, vcoprocs } = saved;
  if (!isAlive(saved)) return description;
  const { position } = description;
  const coprocs = vcoprocs.map(({ firmware, parameters, report }) => ({
    coproc: report.coproc,
    firmware,
    parameters,
    position,
  }));
  return { ...description, coprocs };
}
