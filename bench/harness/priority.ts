import { spawnSync } from 'node:child_process';

let wanted = false;

/** Asks that samples run at real-time priority: on a machine that others use too, it is that or noise. */
export function wantRealtime(): void {
  wanted = true;
}

/** Runs one sample, at real-time priority if that is wanted and allowed: this process, its threads, its children. */
export async function atPriority<T>(sample: () => Promise<T> | T): Promise<T> {
  if (!wanted) return sample();
  const pid = String(process.pid);
  wanted = spawnSync('chrt', ['-a', '-f', '-p', '1', pid]).status === 0;
  if (!wanted) console.error('real-time priority is refused here; run as root, or without --realtime');
  try {
    return await sample();
  } finally {
    spawnSync('chrt', ['-a', '-o', '-p', '0', pid]);
  }
}
