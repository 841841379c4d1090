import { mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { resolve } from 'node:path';
import { endProbe } from './harness/noise.ts';
import { readOptions } from './harness/options.ts';
import { picture } from './harness/picture.ts';
import { wantRealtime } from './harness/priority.ts';
import { run, type Effort, type Result } from './harness/race.ts';
import { table } from './harness/table.ts';
import { benches } from './benches.ts';

const { values } = readOptions({
  options: {
    smoke: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true, default: [] },
    out: { type: 'string', default: resolve('out/bench') },
    rounds: { type: 'string', default: '7' },
    realtime: { type: 'boolean', default: false },
    milliseconds: { type: 'string', default: '60' },
  },
});

if (values.realtime) wantRealtime();
const unknown = values.only.filter((name) => !benches.some((bench) => bench.name === name));
if (unknown.length > 0) {
  console.error(`no bench ${unknown.join(', ')}; there are ${benches.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}

const effort: Effort = values.smoke
  ? { milliseconds: 3, rounds: 1, retries: 0 }
  : {
      milliseconds: Number(values.milliseconds),
      rounds: Number(values.rounds),
      retries: 2 * Number(values.rounds),
    };
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: availableParallelism(),
  node: process.version,
  load: loadavg().map((load) => Math.round(load * 10) / 10),
};
console.log(`${machine.cpu}, ${machine.cores} cores, Node ${machine.node}, load ${machine.load.join(' ')}`);

const results: Result[] = [];
for (const bench of benches) {
  if (values.only.length > 0 && !values.only.includes(bench.name)) continue;
  console.log(`\n${bench.name}: ${bench.what}`);
  for await (const race of bench.races(effort)) {
    const result = await run(race, effort);
    results.push(result);
    console.log(table(result));
  }
}
await endProbe();

mkdirSync(values.out, { recursive: true });
writeFileSync(
  `${values.out}/bench.json`,
  `${JSON.stringify({ machine, smoke: values.smoke, results }, null, 2)}\n`,
);
writeFileSync(`${values.out}/bench.svg`, picture(results));
console.log(`\n${values.out}/bench.json, bench.svg`);
