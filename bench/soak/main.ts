import { readOptions } from '../harness/options.ts';
import { changes } from './changes.ts';
import { frames } from './frames.ts';
import { kills } from './kills.ts';
import { queues } from './queues.ts';

/** What takes too long for the tests. Each gives its figures, and throws when something does not hold. */
const soaks = { frames, changes, queues, kills };

const { values, positionals } = readOptions({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '1' }, count: { type: 'string' } },
});
const unknown = positionals.filter((name) => !Object.hasOwn(soaks, name));
if (unknown.length > 0) {
  console.error(`no soak ${unknown.join(', ')}; there are ${Object.keys(soaks).join(', ')}`);
  process.exit(2);
}
for (const [name, soak] of Object.entries(soaks)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  const count = values.count === undefined ? undefined : Number(values.count);
  const figures = await soak(Number(values.seed), count);
  console.log(`${name} ok, seed ${values.seed}: ${JSON.stringify(figures)}`);
}
process.exit(0);
