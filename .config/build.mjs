// Builds dist/, or the folder that is named; with `--bench`, build/bench/, benchmarks included: firmware, compiled sources, and what examples carry besides them.
// The tree is staged and put in place at the end: a build that fails leaves the last one whole.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as bundle } from 'esbuild';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const bench = process.argv[2] === '--bench';
const target = bench ? 'build/bench' : (process.argv[2] ?? 'dist');
const project = `.config/tsconfig.${bench ? 'bench' : 'build'}.json`;
const stage = join('build', `stage-${process.pid}`);
process.on('exit', () => rmSync(stage, { recursive: true, force: true }));

function node(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** What the compiler leaves behind: assets, pages, declarations. Kernels are compiled, training stays at home. */
function shipped(path) {
  const name = basename(path);
  if (statSync(path).isDirectory()) return !['kernels', 'training', 'out'].includes(name);
  return name !== 'build.mjs' && (name.endsWith('.d.ts') || !name.endsWith('.ts'));
}

node('src/firmware/build.mjs');
cpSync('build/firmware', join(stage, 'dist', 'firmware'), { recursive: true });
for (const folder of ['src', 'workers', 'examples', ...(bench ? ['bench'] : [])]) {
  cpSync(folder, join(stage, 'dist', folder), { recursive: true, filter: shipped });
}
node('node_modules/typescript/bin/tsc', '-p', project, '--outDir', join(stage, 'dist'));
// One file instead of sixty halves a thread's start: a coprocessor that died is back sooner.
const thread = join(stage, 'dist', 'workers', 'coprocessor.js');
await bundle({
  entryPoints: [thread],
  outfile: thread,
  allowOverwrite: true,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  external: ['tsx'],
  logLevel: 'warning',
});
mkdirSync(dirname(target), { recursive: true });
if (existsSync(target)) renameSync(target, join(stage, 'last'));
renameSync(join(stage, 'dist'), target);
