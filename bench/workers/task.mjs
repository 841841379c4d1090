import { spawnSync } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { workerData } from 'node:worker_threads';

// As other peers' threads it is held where a coprocessor's would be. A pool wraps what it hands on.
const { core } = (Array.isArray(workerData) ? workerData.at(-1) : workerData) ?? {};
if (core !== undefined)
  spawnSync('taskset', ['--pid', '--cpu-list', String(core), basename(readlinkSync('/proc/thread-self'))]);

// What every peer's worker does with a command: nothing, and it says so.
export default function task(command) {
  return command;
}
