// The layers of the house, lowest first: imports point down, rooms on one level do not know each other.
export const levels = [
  ['src/base'],
  ['src/contract'],
  ['src/memory', 'src/firmware', 'src/schedulers', 'machines'],
  ['src/platforms', 'src/coprocessor', 'src/hypervisor'],
  ['src/runtime', 'src/faults'],
  ['src/explore', 'src/observe'],
  ['src/toolstack', 'workers'],
  ['src/index.ts'],
  ['test', 'bench', 'examples'],
];

const inside = (rooms) => `^(${rooms.join('|').replaceAll('.', '\\.')})(/|$)`;
const shipped = '^(src|workers|machines|examples)/';
const training = '^examples/[^/]+/training/';

const downwards = levels.flatMap((rooms, level) =>
  rooms
    .filter((room) => !['test', 'bench', 'examples'].includes(room))
    .map((room) => ({
      name: `${room}-imports-down`,
      severity: 'error',
      comment:
        `${room} is on level ${level}: it imports only from the levels below, and never from a neighbour. ` +
        'Move what both need down, or pass it in as a value from above.',
      from: { path: inside([room]) },
      to: { path: inside([...rooms.filter((other) => other !== room), ...levels.slice(level + 1).flat()]) },
    })),
);

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...downwards,
    {
      name: 'guests-know-the-contract-only',
      severity: 'error',
      comment:
        'A guest is written against src/contract and src/base, as a user writes one. Ask for what is missing there.',
      from: { path: '^examples/', pathNot: training },
      to: {
        path: '^(src|machines|workers|test|bench)/',
        pathNot: inside(['src/base', 'src/contract', 'src/index.ts']),
      },
    },
    {
      name: 'training-stays-at-home',
      severity: 'error',
      comment: 'Training is not shipped. What a guest and its training share belongs to the guest.',
      from: { pathNot: `${training}|^test/` },
      to: { path: training },
    },
    {
      name: 'pure-rooms-have-no-host',
      severity: 'error',
      comment:
        'These rooms run the same in every runtime: no files, threads or clocks. Pass in what they need.',
      from: { path: inside(['src/base', 'src/contract', 'src/schedulers', 'machines']) },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'A cycle has no first file to read. Move what both sides need into a third file.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'nothing-imports-tests',
      severity: 'error',
      comment: 'What a test and the product both need belongs in src.',
      from: { pathNot: '^(test|bench)/' },
      to: { path: '^(test|bench)/' },
    },
    {
      name: 'shipped-code-needs-shipped-packages',
      severity: 'error',
      comment: 'A user does not get devDependencies: move the package to dependencies, or do without it.',
      from: { path: shipped, pathNot: `${training}|^src/firmware/build\\.mjs$` },
      to: { dependencyTypes: ['npm-dev'], pathNot: '/@types/' },
    },
    {
      name: 'imports-resolve',
      severity: 'error',
      comment: 'The import leads nowhere: correct the path, or add the package to package.json.',
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|build|out)/|^src/firmware/kernels/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
