import type { DomainDescription, SystemDescription } from '../../contract/system.ts';
import type { SavedDomain } from '../../hypervisor/saved.ts';
import { checkSources } from './sources.ts';
import type { Checkpoint } from './folder.ts';

/** A saved system as a description: who decides, and who has which share, is what it was at last. */
export function resumedSystem({ system, saved, files }: Checkpoint): SystemDescription {
  checkSources(files);
  const coprocs = system.coprocs.map((coproc) => {
    const before = saved.coprocs.find(({ id }) => id === coproc.id);
    if (before === undefined) return coproc;
    return { ...coproc, scheduler: before.algorithm, timeslice: before.report.timeslice };
  });
  const { dom0: _, ...rest } = system;
  return { ...rest, dom0: undefined, coprocs, domains: saved.domains.map(descriptionOf) };
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
