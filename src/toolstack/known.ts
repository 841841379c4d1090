import { join } from 'node:path';
import type { DomainDescription, SystemDescription } from '../contract/system.ts';
import { firmwareLibrary } from '../firmware/library.ts';
import { platforms } from '../platforms/index.ts';
import { schedulers } from '../schedulers/index.ts';
import type { Known } from './config/known.ts';
import { loadDomain, loadSystem } from './config/system.ts';

/** The names of this build and of a system folder's own firmware. */
export function knownTo(folder: string): Known {
  return {
    platforms: Object.keys(platforms),
    schedulers: Object.keys(schedulers),
    firmwares: firmwareLibrary([join(folder, 'firmware')]).names(),
  };
}

/** Reads a system folder. Throws a `ConfigurationError`. */
export const readSystem = (folder: string): SystemDescription => loadSystem(folder, knownTo(folder));

/** Reads one more domain file for a system. Throws a `ConfigurationError`. */
export const readDomainFile = (file: string, system: SystemDescription): DomainDescription =>
  loadDomain(file, system, knownTo(system.folder));
