import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';

// Where npm starts the benchmarks: they themselves may stand compiled elsewhere.
const SOURCE = resolve('bench/native/limits.cpp');
const FOLDER = resolve('build/native');
const PROGRAM = `${FOLDER}/limits`;

let there: boolean | undefined;

/** Compiles the native limits if there is a compiler and they are older than their source. Says whether they can run. */
export function nativeLimits(): boolean {
  there ??= build();
  return there;
}

function build(): boolean {
  if (existsSync(PROGRAM) && statSync(PROGRAM).mtimeMs > statSync(SOURCE).mtimeMs) return true;
  mkdirSync(FOLDER, { recursive: true });
  const flags = ['-O3', '-march=native', '-std=c++17', '-pthread', SOURCE, '-o', PROGRAM];
  return spawnSync('g++', flags, { stdio: 'ignore' }).status === 0;
}

/** Runs one mode of `native/limits.cpp`; its arguments are listed there. */
export function native(mode: string, ...args: readonly number[]): Record<string, number> {
  const output = execFileSync(PROGRAM, [mode, ...args.map(String)], { encoding: 'utf8' });
  return JSON.parse(output) as Record<string, number>;
}
