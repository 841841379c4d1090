// Compiles every firmware kernel: src/firmware/kernels/<name>/firmware.ts -> build/firmware/<name>.wasm.
//
//   node src/firmware/build.mjs [--only <name>]... [--force] [--kernels <folder>] [--out <folder>]
//
// A kernel's kernel.json says how many 64 KiB pages of local memory it needs: { "pages": 16 }. An output
// that is newer than its inputs is kept. --kernels and
// --out build a folder of kernels that lies elsewhere.
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));

class BuildError extends Error {}

/** Names of all kernels: the folders that hold a firmware.ts. */
function kernelNames(kernels) {
  if (!existsSync(kernels)) throw new BuildError(`there is no folder ${kernels}; name one with --kernels`);
  return readdirSync(kernels, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(kernels, entry.name, 'firmware.ts')))
    .map((entry) => entry.name)
    .sort();
}

/** Every file whose change changes the output: the kernel's folder, what kernels share, and this script. */
function inputsOf(kernels, name) {
  const own = readdirSync(join(kernels, name), { recursive: true, withFileTypes: true });
  const shared = readdirSync(kernels, { withFileTypes: true });
  return [...own, ...shared]
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .concat(fileURLToPath(import.meta.url));
}

function isCurrent(kernels, name, target) {
  if (!existsSync(target)) return false;
  const built = statSync(target).mtimeMs;
  return inputsOf(kernels, name).every((input) => statSync(input).mtimeMs < built);
}

function pagesOf(kernels, name) {
  const file = join(kernels, name, 'kernel.json');
  const where = relative('', file);
  let pages;
  try {
    pages = JSON.parse(readFileSync(file, 'utf8')).pages;
  } catch (error) {
    throw new BuildError(`${where}: ${error.message}; write { "pages": <64 KiB pages of local memory> }`);
  }
  if (!Number.isInteger(pages) || pages < 1 || pages > 65536)
    throw new BuildError(`${where}: pages is ${JSON.stringify(pages)}; expected an integer from 1 to 65536`);
  return pages;
}

async function compile(kernels, name, target) {
  const pages = pagesOf(kernels, name);
  // Loaded late: a build that has nothing to do does not wait for the compiler.
  const { default: asc } = await import('assemblyscript/asc');
  // Written beside the target and moved over it: a reader never sees half of a firmware.
  const part = `${target}.${process.pid}.part`;
  const { error, stderr } = await asc.main([
    `${name}/firmware.ts`,
    ...['--baseDir', kernels, '--outFile', relative(kernels, part)],
    ...['-O3', '--noAssert', '--runtime', 'stub', '--zeroFilledMemory', '--use', 'abort='],
    ...['--importMemory', '--initialMemory', String(pages)],
  ]);
  if (error) throw new BuildError(`firmware ${name}: ${error.message}\n${stderr.toString().trimEnd()}`);
  renameSync(part, target);
  return pages;
}

async function main() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      force: { type: 'boolean' },
      kernels: { type: 'string', default: join(root, 'src/firmware/kernels') },
      out: { type: 'string', default: join(root, 'build/firmware') },
    },
  });
  const kernels = resolve(values.kernels);
  const output = resolve(values.out);
  const known = kernelNames(kernels);
  const names = values.only ?? known;
  for (const name of names)
    if (!known.includes(name))
      throw new BuildError(`no firmware kernel ${name}; expected one of ${known.join(', ')}`);

  mkdirSync(output, { recursive: true });
  let failures = 0;
  for (const name of names) {
    const target = join(output, `${name}.wasm`);
    try {
      if (values.force || !isCurrent(kernels, name, target)) {
        const pages = await compile(kernels, name, target);
        const kib = (statSync(target).size / 1024).toFixed(1);
        console.error(`firmware ${name}: ${kib} KiB, ${pages} page${pages === 1 ? '' : 's'} of local memory`);
      }
    } catch (error) {
      if (!(error instanceof BuildError)) throw error;
      // One broken kernel does not keep the others from being built.
      console.error(error.message);
      failures++;
    }
  }
  if (failures > 0) process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  if (!(error instanceof BuildError) && !error.code?.startsWith('ERR_PARSE_ARGS')) throw error;
  console.error(`firmware build: ${error.message}`);
  process.exitCode = 1;
}
