#!/usr/bin/env node
import { guardExit } from '../runtime/threads/exit.ts';
import { main } from './cli.ts';
import { EXIT } from './terminal.ts';

// A guest that wants to end the process ends its domain, be it while its module is read.
const { leave, over } = guardExit();

process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
  // Whoever reads has seen enough, as `head` has: no reason for a complaint.
  if (code === 'EPIPE') leave(EXIT.ok);
  process.stderr.write(`covisor: nothing can be written to stdout: ${message}\n`);
  leave(EXIT.infrastructure);
});

// Data alone goes to stdout: what a guest logs there would stand in the middle of it.
console.log = console.info = console.debug = console.error;

const code = await main(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr });
process.exitCode = code;
// What a guest left behind may still ask for the end: it is over, and how is said.
over(code);
