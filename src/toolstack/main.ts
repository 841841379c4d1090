#!/usr/bin/env node
import { main } from './cli.ts';
import { EXIT } from './terminal.ts';

// Whoever reads has seen enough, as `head` has: no reason for a complaint.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(EXIT.ok);
});

process.exitCode = await main(process.argv.slice(2), { stdout: process.stdout, stderr: process.stderr });
