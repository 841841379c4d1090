import { join } from 'node:path';
import { firmwareLibrary } from '../firmware/library.ts';
import { platforms } from '../platforms/index.ts';
import { schedulers } from '../schedulers/index.ts';
import type { SystemDescription } from '../contract/system.ts';
import { loadSystem } from './config/system.ts';

/** Reads a system folder with the names of this build and of the folder's own firmware. */
export function readSystem(folder: string): SystemDescription {
  return loadSystem(folder, {
    platforms: Object.keys(platforms),
    schedulers: Object.keys(schedulers),
    firmwares: firmwareLibrary([join(folder, 'firmware')]).names(),
  });
}
