// The entry of every worker thread: `workerData.entry` is the URL of the module to run.
// Node 20 refuses a TypeScript entry of a worker ("Unknown file extension"), under every loader; a module
// imported from JavaScript is fine once tsx is registered. Compiled entries never load tsx. A platform of a user's
// own that is TypeScript below no package.json is CommonJS, which has a hook of its own.
import { workerData } from 'node:worker_threads';

const { entry, platformModule = '' } = workerData;
if (entry.endsWith('.ts')) {
  (await import('tsx/esm/api')).register();
  const own =
    platformModule.endsWith('.ts') && !platformModule.startsWith(new URL('..', import.meta.url).href);
  if (own) (await import('tsx/cjs/api')).register();
}
await import(entry);
