// Builds dist/: firmware, compiled sources, and what the examples carry besides sources.
// The tree is staged in build/dist and put in place at the end: a build that fails leaves the last one whole.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
const stage = join('build', 'dist');

function node(...args) {
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** Declarations, scripts and assets that the compiler leaves behind; training data and scripts stay at home. */
function shipped(path) {
  if (statSync(path).isDirectory()) return basename(path) !== 'training' && basename(path) !== 'out';
  return !/(?<!\.d)\.ts$/.test(path);
}

function copyIfThere(from, to, options = {}) {
  if (existsSync(from)) cpSync(from, join(stage, to), { recursive: true, ...options });
}

rmSync(stage, { recursive: true, force: true });
const kernels = 'src/firmware/build.mjs';
if (existsSync(kernels)) node(kernels);
node('node_modules/typescript/bin/tsc', '-p', '.config/tsconfig.build.json');
copyIfThere('build/firmware', 'firmware');
copyIfThere('examples', 'examples', { filter: shipped });
for (const file of readdirSync('workers')) {
  if (file.endsWith('.mjs')) cpSync(join('workers', file), join(stage, 'workers', file));
}
const last = join('build', 'last');
rmSync(last, { recursive: true, force: true });
if (existsSync('dist')) renameSync('dist', last);
renameSync(stage, 'dist');
rmSync(last, { recursive: true, force: true });
