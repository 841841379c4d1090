import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { explore } from '../../../src/explore/races/explore.ts';
import { loadScenarios } from '../../../src/explore/races/load.ts';
import { mutantsOf, type Mutant } from './mutants.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

interface Target {
  readonly file: string;
  readonly functions: readonly string[];
  readonly scenarios: readonly string[];
  /** Mutants that behave as the original does, and why. */
  readonly equivalent: Readonly<Record<string, string>>;
}

const rights = 'an entry without rights is refused like no entry';
const targets: readonly Target[] = [
  {
    file: 'ring.ts',
    functions: [
      ...['room', 'claim', 'write', 'number', 'publish', 'drained', 'quiet'].map(
        (name) => `RingProducer.${name}`,
      ),
      ...['available', 'look', 'peek', 'run', 'release', 'read', 'quiet', 'ask'].map(
        (name) => `RingConsumer.${name}`,
      ),
      'copyDescriptors',
    ],
    scenarios: ['ring', 'doorbell'],
    equivalent: {
      'RingProducer.room: (this.#head - this.#tailSeen) | 0 off by one (1)':
        'looks at TAIL sooner than it has to',
      'RingProducer.room: this.#tailSeen = (this.#head - used) | 0; dropped': 'looks at TAIL every time',
      'RingProducer.write: copyDescriptors(this.wide, FIRST + slot  and copyDescriptors(this.wide, FIRST, from,  swapped':
        'nothing is shown before both are done',
      'RingConsumer.read: copyDescriptors(to, target, this.wide, F and copyDescriptors(to, target + run * WIDE, swapped':
        'nothing is given back before both are done',
      'RingConsumer.quiet: value ? 1 : 0 off by one (2)': 'anything but 0 is yes',
    },
  },
  {
    file: 'doorbell.ts',
    functions: ['ring', 'arm', 'disarm', 'wait', 'rung'].map((name) => `Doorbell.${name}`),
    scenarios: ['doorbell'],
    equivalent: {
      'Doorbell.ring: if (Atomics.load(this.#words, this.#at) !== ASLEEP) dropped': 'the exchange asks again',
      'Doorbell.ring: Atomics.notify(this.#words, this.#at, 1) off by one (2)': 'one sleeps on a bell',
      'Doorbell.rung: this.disarm(); dropped': 'who rings has done it',
    },
  },
  {
    file: 'iommu.ts',
    functions: ['enter', 'stale', 'synchronise', '#invalidate'].map((name) => `Iommu.${name}`),
    scenarios: ['iotlb'],
    equivalent: {
      'Iommu.enter: this.#invalidate(); and this.#table = table; swapped': 'both are its own',
      'Iommu.enter: this.#table = table; and this.#ram = ram; swapped': 'both are its own',
      'Iommu.enter: this.#ram = ram; and this.#epoch = Atomics.load(table, EPOCH) swapped':
        'both are its own',
      'Iommu.enter: this.#ram = ram; and this.#epoch = Atomics.load(table, EPOCH); swapped':
        'both are its own',
      'Iommu.synchronise: if (epoch === this.#epoch) return -1; and this.#invalidate(); swapped':
        'forgets more than it has to',
      'Iommu.synchronise: this.#invalidate(); and this.#epoch = epoch; swapped': 'both are its own',
    },
  },
  {
    file: 'page-table.ts',
    functions: ['AddressSpace.unmap', 'AddressSpace.#setPage', 'walk'],
    scenarios: ['iotlb'],
    equivalent: {
      'AddressSpace.unmap: if (run === undefined) return undefined; and this.#mapped.delete(iova); swapped':
        'deletes what is not there',
      'AddressSpace.unmap: this.#fill(iova, run, 0) off by one (1)': rights,
      'AddressSpace.unmap: Atomics.add(this.#words, EPOCH, 1) torn in two':
        'the hypervisor alone writes EPOCH',
      "AddressSpace.#setPage: assert(spare !== undefined, 'there is a table for every block of the a dropped":
        'there always is one',
      "AddressSpace.#setPage: assert(spare !== undefined, 'there is a  and table = spare; swapped":
        'there always is one',
      'AddressSpace.#setPage: this.#tableOf.set(block, table); and Atomics.store(this.#words, ROOT + block, swapped':
        'the map is the hypervisor’s own',
      'walk: if ((root & VALID) === 0) return 0; and if ((root & BLOCK) !== 0) return root + swapped':
        'no root entry is a block',
      'walk: if ((root & VALID) === 0) return 0; and if ((root & BLOCK) !== 0) return root +  swapped':
        'no root entry is a block',
      'walk: if ((root & BLOCK) !== 0) dropped': 'no root entry is a block',
      'walk: PAGES_PER_BLOCK - 1 off by one (2)': 'no root entry is a block',
      'walk: return 0; off by one (1)': rights,
      'walk: return 0; off by one (1), place 2': 'no root entry leads out of the table',
      'walk: (entry & VALID) === 0 ? 0 : entry off by one (1)': rights,
      'walk: if (at >= words.length) dropped': 'no root entry leads out of the table',
      'walk: at >= words.length turned round (>)': 'no root entry leads out of the table',
    },
  },
];

const MOST_RUNS = 400;
const SAMPLE = 6;

/** What kills a mutant: the failure of a scenario, or an error while it is set up. */
async function killer(target: Target, path: string, mutant: Mutant): Promise<string | undefined> {
  const edit = (file: string, text: string): string => (file === path ? mutant.text : text);
  for (const name of target.scenarios) {
    try {
      for (const one of await loadScenarios(at(`scenarios/${name}.ts`), { edit })) {
        const { failure } = explore(one, { maxRuns: MOST_RUNS, maxSteps: 300, shrinkEffort: 0 });
        if (failure !== undefined) return failure.kind;
      }
    } catch (error) {
      if (error instanceof Error) return error.message;
      throw error;
    }
  }
  return undefined;
}

describe.each(targets)('mutants of $file', (target) => {
  const path = at(`../../../src/memory/${target.file}`);
  const all = mutantsOf(path, readFileSync(path, 'utf8'), target.functions);
  // All of them take a minute: each n-th stands for the rest, unless all are asked for.
  const mutants = all.filter((_, index) => process.env['COVISOR_MUTANTS'] === 'all' || index % SAMPLE === 0);

  test('all that change behaviour are killed', { timeout: 300_000 }, async () => {
    const survivors: string[] = [];
    for (const mutant of mutants)
      if ((await killer(target, path, mutant)) === undefined) survivors.push(mutant.name);
    const unknown = survivors.filter((name) => !(name in target.equivalent));
    expect(unknown, 'give the scenarios what tells them apart, or say why they are the same').toEqual([]);
    if (process.env['COVISOR_MUTANTS'] === 'all')
      console.log(target.file, mutants.length, 'mutants', survivors.length, 'equivalent');
  });

  test('the code as it is shipped is reported for nothing', async () => {
    for (const name of target.scenarios)
      for (const one of await loadScenarios(at(`scenarios/${name}.ts`)))
        expect(explore(one, { maxRuns: MOST_RUNS }).failure?.what, one.name).toBeUndefined();
  });
});

test('there are more than 100 mutants', () => {
  const all = targets.flatMap(({ file, functions }) => {
    const path = at(`../../../src/memory/${file}`);
    return mutantsOf(path, readFileSync(path, 'utf8'), functions);
  });
  expect(all.length).toBeGreaterThan(100);
});
