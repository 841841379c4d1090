import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SYSTEMC = fileURLToPath(new URL('../native/simulation.cpp', import.meta.url));
const SIMPY = fileURLToPath(new URL('./simulation.py', import.meta.url));
const FOLDER = fileURLToPath(new URL('../../build/bench', import.meta.url));
const PROGRAM = `${FOLDER}/simulation`;
const PYTHON = '/usr/bin/python3';

/** Runs so many events with so many pending; returns events per second. */
export type Simulator = (pending: number, events: number) => number;

/** SystemC, where its library and a compiler are installed (Debian: libsystemc-dev, g++). */
export function systemc(): Simulator | undefined {
  mkdirSync(FOLDER, { recursive: true });
  const flags = ['-O3', '-march=native', '-std=c++17', SYSTEMC, '-o', PROGRAM, '-lsystemc'];
  if (spawnSync('g++', flags, { stdio: 'ignore' }).status !== 0) return undefined;
  return (pending, events) => perSecond(PROGRAM, [pending, events]);
}

/** SimPy, where it is installed (Debian: python3-simpy3). */
export function simpy(): Simulator | undefined {
  if (spawnSync(PYTHON, ['-c', 'import simpy'], { stdio: 'ignore' }).status !== 0) return undefined;
  return (pending, events) => perSecond(PYTHON, [SIMPY, pending, events]);
}

function perSecond(program: string, args: readonly (string | number)[]): number {
  // SystemC says who wrote it first.
  const output = execFileSync(program, args.map(String), {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return (JSON.parse(output.trim().split('\n').at(-1)!) as { perSecond: number }).perSecond;
}
