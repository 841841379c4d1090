import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { parseDeviceTree } from '../../../src/toolstack/config/device-tree/read.ts';
import { parseDomainFile } from '../../../src/toolstack/config/domain-file.ts';
import { ConfigurationError } from '../../../src/toolstack/config/problem.ts';
import { Source } from '../../../src/toolstack/config/source.ts';
import { attempt, Systems } from './systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

const fixtures = join(import.meta.dirname, 'fixtures');
const board = join(fixtures, 'board');
const trees = readdirSync(join(fixtures, 'trees')).filter((name) => name.endsWith('.dts'));
const treeTexts = [join(board, 'system.dts'), ...trees.map((name) => join(fixtures, 'trees', name))].map(
  (file) => ({
    file,
    text: readFileSync(file, 'latin1'),
  }),
);
const domainTexts = readdirSync(join(board, 'domains')).map((name) =>
  readFileSync(join(board, 'domains', name), 'utf8'),
);

const junk = fc.oneof(
  fc.constantFrom(
    ...'{ } < > [ ] ( ) ; , = += " \' / \\ & &{ &{/ /* */ // # : ? ! ~ - + * % @ \n \0 \r\n'.split(' '),
    ...[
      '/include/',
      '/bits/',
      '/bits/ 8',
      '/delete-node/',
      '/delete-property/',
      '/incbin/("parts/blob.bin",',
      '/memreserve/',
    ],
    ...[
      '/omit-if-no-ref/',
      '/plugin/;',
      '/dts-v1/;',
      '#include <x>',
      '# 7 "x"',
      '&gpu',
      '&gpu {',
      '0x',
      '09',
      '1e9',
      '99999999999999999999',
    ],
    ...['0', '4294967296', '-1', "''", '"\\x"', '\u00e9', '\u2028'],
  ),
  fc.string({ maxLength: 6 }),
);

/** Some places in a text cut out, doubled, moved or filled with junk. */
const mutations = fc.array(
  fc.record({
    at: fc.nat(),
    length: fc.oneof(fc.constant(0), fc.nat(8), fc.nat(200)),
    kind: fc.constantFrom('cut', 'double', 'replace'),
    junk,
  }),
  { minLength: 1, maxLength: 4 },
);
type Mutation = typeof mutations extends fc.Arbitrary<infer Value> ? Value : never;

function mutate(text: string, changes: Mutation): string {
  let changed = text;
  for (const { at, length, kind, junk: filling } of changes) {
    const start = at % (changed.length + 1);
    const gone = changed.slice(start, start + length);
    const put = kind === 'cut' ? '' : kind === 'double' ? gone + gone : filling;
    changed = changed.slice(0, start) + put + changed.slice(start + length);
  }
  return changed;
}

/** Reads, or refuses with positions and one line per problem; anything else is a failure. */
function readsOrRefuses(read: () => unknown): void {
  try {
    read();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    expectWellFormed(error);
  }
}

function expectWellFormed(error: ConfigurationError): void {
  expect(error.problems.length).toBeGreaterThan(0);
  for (const { line, column, what, expected } of error.problems) {
    expect(Math.min(line, column)).toBeGreaterThanOrEqual(1);
    expect(what.length).toBeGreaterThan(0);
    expect(expected.length).toBeGreaterThan(0);
  }
  const lines = error.message.split('\n');
  expect(lines).toHaveLength(Math.min(20, error.problems.length));
  for (const line of lines) expect(line).toMatch(/^[^:]+:\d+:\d+: [^;]*.*; (expected|there are none)/u);
}

describe('whatever a file holds, it reads or is refused with a place', () => {
  it('device tree sources', () => {
    fc.assert(
      fc.property(fc.constantFrom(...treeTexts), mutations, ({ file, text }, changes) => {
        readsOrRefuses(() => parseDeviceTree(new Source(file, mutate(text, changes))));
      }),
      { numRuns: 300 },
    );
  });

  it('domain files', () => {
    fc.assert(
      fc.property(fc.constantFrom(...domainTexts), mutations, (text, changes) => {
        readsOrRefuses(() => parseDomainFile(new Source('/domain.cfg', mutate(text, changes))));
      }),
      { numRuns: 1_000 },
    );
  });

  it('whole systems', () => {
    const folder = systems.board();
    const files = ['system.dts', 'domains/media.cfg', 'domains/cluster.cfg'];
    const texts = new Map(files.map((name) => [name, readFileSync(join(board, name), 'utf8')]));
    fc.assert(
      fc.property(fc.constantFrom(...files), mutations, (name, changes) => {
        systems.write(folder, name, mutate(texts.get(name)!, changes));
        const found = attempt(folder);
        systems.write(folder, name, texts.get(name)!);
        if (found instanceof ConfigurationError) expectWellFormed(found);
        else expect(found.coprocs.length).toBeGreaterThan(0);
      }),
      { numRuns: 100 },
    );
  });

  const hostile: readonly (readonly [string, string])[] = [
    ['parentheses without end', `/dts-v1/; / { a = <${'('.repeat(200_000)}`],
    ['nodes without end', `/dts-v1/; / {${' a {'.repeat(200_000)}`],
    ['a million digits', `/dts-v1/; / { a = <${'1'.repeat(1_000_000)}>; };`],
    ['a name without end', `/dts-v1/; / { ${'a'.repeat(1_000_000)}`],
    ['a label without end', `/dts-v1/; / { ${'l'.repeat(100_000)}: a {}; b = <&${'m'.repeat(100_000)}>; };`],
    ['many references to nothing', `/dts-v1/; / { a = <${'&nothing '.repeat(100_000)}>; };`],
    [
      'many hashes in a line',
      `/dts-v1/; / { ${Array.from({ length: 50_000 }, (_, index) => `#${index};`).join(' ')} };`,
    ],
    ['signs without end', `/dts-v1/; / { a = <(${'-'.repeat(200_000)}1)>; };`],
    ['a string without end', `/dts-v1/; / { a = "${'\\"'.repeat(500_000)}`],
    ['a line directive without end', `/dts-v1/;\n# 1 "${'x'.repeat(1_000_000)}`],
    ['choices without end', `/dts-v1/; / { a = <(${'1 ? 2 : '.repeat(100_000)}3)>; };`],
    ['spaces without end', `/dts-v1/;${' '.repeat(5_000_000)}`],
  ];
  it.each(hostile)('%s', (_, text) => {
    readsOrRefuses(() => parseDeviceTree(new Source('/board.dts', text)));
  });

  it('a list of 200000 cells', () => {
    const text = `/dts-v1/; / { a = <${'1 '.repeat(200_000)}>; };`;
    expect(parseDeviceTree(new Source('/board.dts', text)).root.properties.get('a')?.bytes).toHaveLength(
      800_000,
    );
  });

  it.each([
    ['lists without end', `a = ${'['.repeat(60_000)}`],
    ['a string without end', `a = "${'\\"'.repeat(30_000)}`],
    ['additions without end', `a = []\n${'a += [1]\n'.repeat(7_000)}`],
    ['comments without end', '#\n'.repeat(30_000)],
    ['spaces without end', ' '.repeat(60_000)],
  ])('%s in a domain file', (_, text) => {
    readsOrRefuses(() => parseDomainFile(new Source('/domain.cfg', text)));
  });
});
