import type { Command } from 'commander';
import { accessSync, constants } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname } from 'node:path';
import { Worker } from 'node:worker_threads';
import { makeFolder } from '../files.ts';
import { firmwareLibrary } from '../../firmware/library.ts';
import { EXIT, type Terminal } from '../terminal.ts';
import { controlCommand, socketOf, type ControlFlags, type Exit } from './connection.ts';

const OLDEST_NODE = 20;
/** A thread that has to see shared memory, and to change it. */
const PROBE = `const { workerData } = require('node:worker_threads');
Atomics.add(new Int32Array(workerData), 0, 41);`;

interface Finding {
  readonly what: string;
  readonly ok: boolean;
  /** What was found or, when it is not well, what to do. */
  readonly detail: string;
}

export const doctorCommand = (terminal: Terminal, exit: Exit): Command =>
  controlCommand('doctor', 'Check that Covisor can run here, and say what to do where it cannot.', [
    'covisor doctor',
  ]).action(async (flags: ControlFlags) => {
    const findings = [
      nodeVersion(),
      cores(),
      await threads(),
      firmware(),
      await typescript(),
      socketFolder(flags),
    ];
    const lines = findings.map(
      ({ what, ok, detail }) => `${ok ? 'ok  ' : 'FIX '} ${what.padEnd(12)}${detail}`,
    );
    terminal.stdout.write(`${flags.json ? JSON.stringify(findings, null, 2) : lines.join('\n')}\n`);
    exit(findings.every(({ ok }) => ok) ? EXIT.ok : EXIT.failed);
  });

function nodeVersion(): Finding {
  const ok = Number(process.versions.node.split('.')[0]) >= OLDEST_NODE;
  const remedy = ok ? '' : `; install ${OLDEST_NODE} or later`;
  return { what: 'node', ok, detail: `${process.versions.node}${remedy}` };
}

function cores(): Finding {
  const count = availableParallelism();
  const few =
    count < 2 ? ': threads take turns, figures of speed say little; --runtime simulated is exact' : '';
  return { what: 'cores', ok: true, detail: `${count}${few}` };
}

async function threads(): Promise<Finding> {
  const what = 'threads';
  try {
    const memory = new SharedArrayBuffer(4);
    const word = new Int32Array(memory);
    const worker = new Worker(PROBE, { eval: true, workerData: memory });
    await new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
    if (Atomics.load(word, 0) === 41) return { what, ok: true, detail: 'start, and share memory' };
    return { what, ok: false, detail: 'start, and do not share memory; use another build of Node.js' };
  } catch (error) {
    return {
      what,
      ok: false,
      detail: `do not start (${String(error)}); allow threads, or run with --runtime simulated`,
    };
  }
}

function firmware(): Finding {
  const what = 'firmware';
  const library = firmwareLibrary();
  const names = library.names();
  if (names.length === 0)
    return { what, ok: false, detail: 'there is none; run npm run build, or install the package anew' };
  const damaged = names.map((name) => library.load(name)).find(({ kind }) => kind === 'failed');
  return damaged?.kind === 'failed'
    ? { what, ok: false, detail: `${damaged.reason}; run npm run build, or install the package anew` }
    : { what, ok: true, detail: names.join(' ') };
}

async function typescript(): Promise<Finding> {
  const what = 'typescript';
  try {
    await import('tsx/esm/api');
    return { what, ok: true, detail: 'guests in TypeScript run' };
  } catch {
    return {
      what,
      ok: false,
      detail: 'guests in TypeScript do not run; npm i tsx, or write them in JavaScript',
    };
  }
}

function socketFolder(flags: ControlFlags): Finding {
  const what = 'socket';
  const socket = socketOf(flags);
  try {
    makeFolder(dirname(socket), 0o700);
    accessSync(dirname(socket), constants.W_OK);
    return { what, ok: true, detail: socket };
  } catch {
    return {
      what,
      ok: false,
      detail: `${dirname(socket)} is not yours to write; set XDG_RUNTIME_DIR or --socket`,
    };
  }
}
