import { parseArgs, type ParseArgsConfig } from 'node:util';
import { messageOf } from '../../src/base/said.ts';

/** Reads a command line. One that is wrong costs a line, and exit code 2. */
export function readOptions<T extends ParseArgsConfig>(config: T): ReturnType<typeof parseArgs<T>> {
  try {
    return parseArgs(config);
  } catch (error) {
    console.error(`${messageOf(error)}; the options are in bench/README.md`);
    process.exit(2);
  }
}
