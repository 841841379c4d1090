import { createRequire } from 'node:module';

/** Compiled or not, package.json stands above `src`. */
export function version(): string {
  const require = createRequire(import.meta.url);
  for (const path of ['../../package.json', '../../../package.json']) {
    try {
      return (require(path) as { version: string }).version;
    } catch {
      // The other place, then.
    }
  }
  return 'unknown';
}
