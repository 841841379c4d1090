import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { levels } from '../../.config/layers.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

/** Lines of the longest file of its kind: a test is a list of sentences, read one at a time. */
const longest = (path: string): number => (path.startsWith('test/') ? 600 : 400);
/** Files that are long for a reason. A file that shrinks below the limit leaves this table. */
const longForAReason: Readonly<Record<string, string>> = {
  'src/coprocessor/core.ts':
    'one machine: a turn reads from top to bottom; what it is made of has files of its own',
  'src/hypervisor/coproc.ts':
    'one coprocessor and what may happen to it; link, supervisor, events, switch are apart',
  'src/hypervisor/vcoproc.ts': 'one share: what the guest holds of it, what the hypervisor does with it',
  'src/hypervisor/queue-table.ts':
    'all queues of a share: what may be done to them, and what the coprocessor was told',
  'src/hypervisor/hypervisor.ts': 'the verbs of a system, one after the other; what they do is elsewhere',
  'src/toolstack/resident.ts': 'the verbs of the socket, one after the other',
  'src/observe/report-page/client.ts': 'one function, because it is put into the page as text',
  'src/toolstack/config/coproc.ts': 'one node of the device tree, property by property',
  'examples/cockpit/guests/cluster/parts.ts': 'shapes of a scene: data that is written as code',
  'examples/cockpit/guests/media/reference.ts':
    'a whole decoder in one place, to be read beside the standard',
};

/** One habit: what a line looks like that breaks it, and what to do instead. */
interface Habit {
  readonly name: string;
  readonly in: RegExp;
  readonly breaks: (line: string, before: string) => boolean;
  readonly remedy: string;
  /** Lines that must be found, and lines that must not: the habit is tested before it is applied. */
  readonly wrong: readonly string[];
  readonly right: readonly string[];
}

const source = /\.(ts|mjs)$/;
const habits: readonly Habit[] = [
  {
    name: 'nothing is put off',
    in: /\.(ts|mjs|md|dts|cfg|html|css)$/,
    breaks: (line) => /\b(TODO|FIXME|XXX|HACK)\b/.test(line),
    remedy: 'do it now, or write what is missing where users read about limits',
    wrong: ['// TODO: free the page', '/* FIXME */', ' * XXX'],
    right: ['const todo = list.length;', 'hackneyed'],
  },
  {
    name: 'every test of a file runs',
    in: /\.test\.ts$/,
    breaks: (line) => /\b(test|it|describe|suite)(\.\w+)*\.(only|todo)\b/.test(line),
    remedy: 'take `.only` away; write the test that is `.todo`',
    wrong: ["test.only('a', () => {})", "describe.only('a'", "it.concurrent.only('a'", "test.todo('a')"],
    right: ["test('only the guilty pays', () => {", 'table.only = 3'],
  },
  {
    name: 'a skipped test says why',
    in: /\.test\.ts$/,
    breaks: (line, before) =>
      /\.(skip|skipIf|runIf)\(/.test(line) &&
      !/\/\/|\.skip\([^)]*['"`]/.test(line.replace(/\b(test|it|describe|suite)\.skip\(.*/, '')) &&
      !/^\s*(\/\/|\*|\*\/|\/\*)/.test(before),
    remedy: 'put a comment with the reason above it, or pass the reason: `context.skip(reason)`',
    wrong: [
      "test.skip('a', () => {})",
      'describe.skipIf(!chromium)(',
      'context.skip()',
      "  it.skip('x // y', f)",
    ],
    right: ["context.skip('no chromium here')", "context.skip(!dtc, 'dtc is not installed')", 'list.skipped'],
  },
  {
    name: 'checks are not switched off',
    in: source,
    breaks: (line) => /(oxlint|eslint)-disable|@ts-(ignore|nocheck|expect-error)|prettier-ignore/.test(line),
    remedy: 'write it so that the check passes, or change the rule for everyone in .config',
    wrong: ['// oxlint-disable-next-line', '/* eslint-disable */', '// @ts-ignore', '// prettier-ignore'],
    right: ['// the linter would warn here, rightly'],
  },
];

/** Paths below `folders`, without what is built, fetched or written by other compilers. */
function filesIn(...folders: string[]): string[] {
  return folders.flatMap((folder) =>
    readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
      const path = folder === '.' ? entry.name : `${folder}/${entry.name}`;
      if (!entry.isDirectory()) return [path];
      return ['node_modules', 'out', 'kernels'].includes(entry.name) ? [] : filesIn(path);
    }),
  );
}

const here = 'test/house/style.test.ts';
const folders = ['src', 'workers', 'machines', 'examples', 'test', 'bench', '.config'];
const files = [
  ...filesIn(...folders.filter((folder) => existsSync(join(root, folder)))),
  ...readdirSync(root).filter((file) => statSync(join(root, file)).isFile()),
].filter((path) => path !== here);

describe.each(habits)('$name', (habit) => {
  const found = (text: string): number[] => {
    const lines = text.split('\n');
    return lines.flatMap((line, at) => (habit.breaks(line, lines[at - 1] ?? '') ? [at + 1] : []));
  };

  test('is told apart from what looks like its breach', () => {
    expect(habit.wrong.filter((line) => found(line).length === 0)).toEqual([]);
    expect(habit.right.filter((line) => found(line).length > 0)).toEqual([]);
  });

  test('is kept', () => {
    const breaches = files
      .filter((path) => habit.in.test(path))
      .flatMap((path) => found(read(path)).map((line) => `${path}:${line}: ${habit.remedy}`));
    expect(breaches).toEqual([]);
  });
});

describe('files stay short', () => {
  const lengths = files
    .filter((path) => source.test(path))
    .map((path) => ({ path, lines: read(path).split('\n').length - 1 }));

  test('no file is longer than the longest of its kind, but for those with a reason', () => {
    const long = lengths
      .filter(({ path, lines }) => lines > longest(path) && !(path in longForAReason))
      .map(({ path, lines }) => `${path}: ${lines} lines; split it by noun, or give the reason in ${here}`);
    expect(long).toEqual([]);
  });

  test('no exception outlives its file', () => {
    const needed = lengths.filter(({ path, lines }) => lines > longest(path)).map(({ path }) => path);
    const stale = Object.keys(longForAReason).filter((path) => !needed.includes(path));
    expect(stale, `take these out of the table in ${here}`).toEqual([]);
  });
});

test('nothing compiled stands beside its source', () => {
  const twins = files
    .filter((path) => path.endsWith('.js') && files.includes(path.replace(/\.js$/, '.ts')))
    .map((path) => `${path}: delete it; \`npm run build\` compiles to dist`);
  expect(twins).toEqual([]);
});

describe('the papers agree with the house', () => {
  const manifest = JSON.parse(read('package.json')) as {
    version: string;
    dependencies: Record<string, string>;
    devDependencies: Record<string, string>;
  };
  const contributing = read('CONTRIBUTING.md');

  /** First cells of the table below a heading, without their code marks. */
  const rows = (heading: string): string[] => {
    const section = contributing.split(/^## /m).find((part) => part.startsWith(`${heading}\n`)) ?? '';
    return [...section.matchAll(/^\| `([^`]+)` *\|/gm)].map((match) => match[1] ?? '');
  };

  test('CONTRIBUTING.md says what each dependency is for', () => {
    const installed = Object.keys({ ...manifest.dependencies, ...manifest.devDependencies });
    const remedy = 'a package that comes or goes takes its line of the table "Dependencies" along';
    expect(rows('Dependencies').sort(), remedy).toEqual(installed.sort());
  });

  test('CONTRIBUTING.md shows each room of the house', () => {
    const rooms = levels.flat();
    expect(rows('Rooms').sort(), 'keep the table "Rooms" and .config/layers.mjs the same').toEqual(
      rooms.sort(),
    );
  });

  test('CHANGELOG.md has an entry for this version', () => {
    expect(read('CHANGELOG.md')).toContain(`\n## ${manifest.version}`);
  });

  test('the lockfile has every platform of every package', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const missing = Object.values(packages)
      .flatMap((locked) => Object.keys(locked.optionalDependencies ?? {}))
      .filter((name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)));
    expect(missing, '`npm ci` refuses such a lockfile: lock versions that the registry has for all').toEqual(
      [],
    );
  });

  test('links between the documents lead somewhere', () => {
    const broken = files
      .filter((path) => path.endsWith('.md'))
      .flatMap((path) =>
        [...read(path).matchAll(/\]\((?!https?:|mailto:|#)([^)\s#]+)/g)]
          .map((match) => match[1] ?? '')
          .filter((target) => !existsSync(join(root, dirname(path), target)))
          .map((target) => `${path}: ${target} is not there`),
      );
    expect(broken).toEqual([]);
  });
});
