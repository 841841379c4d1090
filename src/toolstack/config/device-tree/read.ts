import { readSource, type Source } from '../source.ts';
import { parseDraft } from './parse.ts';
import { resolveDraft } from './resolve.ts';
import type { DeviceTree } from './tree.ts';

/**
 * Reads a device tree source file with all that it includes. Throws a `ConfigurationError` at the
 * first syntax error, or with every reference that leads nowhere.
 */
export const readDeviceTree = (file: string): DeviceTree => parseDeviceTree(readSource(file, 'latin1'));

/** The same for a text that holds one character per byte of its file. */
export const parseDeviceTree = (source: Source): DeviceTree => resolveDraft(parseDraft(source));
