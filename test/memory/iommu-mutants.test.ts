import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { runInThisContext } from 'node:vm';
import fc from 'fast-check';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import * as channel from '../../src/memory/channel.ts';
import * as guestRam from '../../src/memory/guest-ram.ts';
import type { Iommu } from '../../src/memory/iommu.ts';
import * as pageTable from '../../src/memory/page-table.ts';
import { mutantsOf, type Mutant } from '../explore/races/mutants.ts';
import { checksOf } from './iommu-checks.ts';

// The IOMMU's own reckoning is nobody else's to see, so no order of threads tells these mutants apart: what holds of
// every IOMMU has to. The protocol between it and the hypervisor has its mutants in test/explore/races.

const path = fileURLToPath(new URL('../../src/memory/iommu.ts', import.meta.url));
const functions = [
  ...['read', 'write', 'fill', 'gather', 'scatter', '#scattered', '#transfer', '#firstBad', '#runs', '#copy'],
  ...['#translate', '#inBlock'],
];
const all = mutantsOf(
  path,
  readFileSync(path, 'utf8'),
  functions.map((name) => `Iommu.${name}`),
  true,
);
/** Each n-th stands for the rest, unless all are asked for. */
const SAMPLE = 10;
const mutants = all.filter((_, index) => process.env['COVISOR_MUTANTS'] === 'all' || index % SAMPLE === 0);

const NEGATIVE = 'what is negative is no address';
const NOTHING = 'a range of nothing reaches nothing';
const OWN = 'both are its own';
const WHOLE_PAGES = 'memory has whole pages';
/** Mutants that behave as the original does, and why. */
const equivalent: Readonly<Record<string, string>> = {
  'Iommu.#scattered: at < list.length turned round (<=)': NOTHING,
  'Iommu.#scattered: at < list.length turned round (<=), place 2': NOTHING,
  'Iommu.#scattered: if (bad !== REACHED) return fault(right, and done += size; swapped':
    'nobody asks how far it was when it is refused',
  'Iommu.#scattered: this.#runs(list[at]!, size, local.subarray(done, done + size), right,  off by one (1)':
    'the value is for filling',
  'Iommu.#transfer: this.#runs(iova, size, local, right, 0) off by one (1)': 'the value is for filling',
  'Iommu.#transfer: -1 off by one (2)': NEGATIVE,
  'Iommu.#translate: -1 off by one (2)': NEGATIVE,
  'Iommu.#translate: -1 off by one (2), place 2': NEGATIVE,
  'Iommu.#translate: -1 off by one (2), place 3': NEGATIVE,
  'Iommu.#inBlock: -1 off by one (2)': NEGATIVE,
  'Iommu.#translate: page >>> 9 turned round (>>)': 'pages have 20 bits',
  'Iommu.#translate: this.#counters[COUNTER.iotlbMisses]!++; and entry = walk(this.#table!, iova); swapped':
    'the walk does not look at the counters',
  'Iommu.#translate: this.#tags[index] = page; and this.#entries[index] = entry; swapped': OWN,
  'Iommu.#translate: this.#blockTags[place] = block; and this.#blocks[place] = (first << 12) | (e swapped':
    OWN,
  'Iommu.#translate: first * PAGE_BYTES + BLOCK_BYTES off by one ((BLOCK_BYTES - 1))': WHOLE_PAGES,
  'Iommu.#translate: address + PAGE_BYTES off by one ((PAGE_BYTES - 1))': WHOLE_PAGES,
  'Iommu.#translate: PAGE_BYTES - 1 off by one ((PAGE_BYTES - 1))': 'no right is bit 0',
  'Iommu.#translate: PAGE_BYTES - 1 off by one (2)': 'no right is bit 0',
};

/** Many times what the checks take: some mutants make no end. */
const PATIENCE_MS = 5_000;
const modules: Readonly<Record<string, unknown>> = {
  './channel.ts': channel,
  './guest-ram.ts': guestRam,
  './page-table.ts': pageTable,
};

function load({ text }: Mutant): typeof Iommu {
  const { CommonJS, ES2022 } = { ...ts.ModuleKind, ...ts.ScriptTarget };
  const { outputText } = ts.transpileModule(text, { compilerOptions: { module: CommonJS, target: ES2022 } });
  const exports: { Iommu?: typeof Iommu } = {};
  const run = runInThisContext(`(exports, require) => {${outputText}\n}`) as (
    exports: object,
    require: (name: string) => unknown,
  ) => void;
  run(exports, (name) => modules[name]);
  return exports.Iommu!;
}

/** Which check tells a mutant from an IOMMU. */
function killer(mutant: Mutant): string | undefined {
  for (const [sentence, check] of Object.entries(checksOf(load(mutant)))) {
    Object.assign(globalThis, { check });
    try {
      runInThisContext('check()', { timeout: PATIENCE_MS });
    } catch {
      return sentence;
    }
  }
  return undefined;
}

// The same values for every mutant, and no smaller ones sought for those that fail.
beforeAll(() => fc.configureGlobal({ seed: 1, endOnFailure: true }));
afterAll(() => fc.resetConfigureGlobal());

test('every mutant of an IOMMU that behaves otherwise breaks what holds of it', { timeout: 600_000 }, () => {
  const survivors = mutants.filter((mutant) => killer(mutant) === undefined).map(({ name }) => name);
  expect(survivors.filter((name) => !(name in equivalent))).toEqual([]);
  if (process.env['COVISOR_MUTANTS'] === 'all')
    console.log('iommu.ts', mutants.length, 'mutants', survivors.length, 'equivalent');
});

test('there are more than 150 mutants, and no reason is given for one that there is not', () => {
  const names = all.map(({ name }) => name);
  expect(names.length).toBeGreaterThan(150);
  expect(Object.keys(equivalent).filter((name) => !names.includes(name))).toEqual([]);
});
