import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const boot = new URL('../../workers/boot.mjs', import.meta.url);
const root = fileURLToPath(new URL('../..', import.meta.url));

/** Posts a value that only TypeScript can compute, from an import that only tsx can resolve. */
const typed = `import { parentPort } from 'node:worker_threads';
import { answer } from './answer.ts';
const posted: number = answer satisfies number;
parentPort!.postMessage(posted);
`;

describe('workers/boot.mjs', () => {
  let folder: string;

  beforeAll(() => {
    // Inside the repository, so that "type": "module" of its package.json holds.
    mkdirSync(join(root, 'build'), { recursive: true });
    folder = mkdtempSync(join(root, 'build', 'boot-'));
    writeFileSync(join(folder, 'answer.ts'), 'export const answer: number = 42;\n');
    writeFileSync(join(folder, 'typed.ts'), typed);
    writeFileSync(join(folder, 'broken.ts'), `throw new Error('the entry itself failed');\n`);
    writeFileSync(
      join(folder, 'main.ts'),
      `import { Worker } from 'node:worker_threads';
const entry: string = new URL('./typed.ts', import.meta.url).href;
const worker = new Worker(new URL(${JSON.stringify(boot.href)}), { workerData: { entry } });
worker.on('message', (message: number) => console.log(message));
`,
    );
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const entry = (file: string): string => pathToFileURL(join(folder, file)).href;

  test('runs a TypeScript entry and its TypeScript imports', async () => {
    const worker = new Worker(boot, { workerData: { entry: entry('typed.ts') } });
    const [message] = await once(worker, 'message');
    expect(message).toBe(42);
    await worker.terminate();
  });

  test('runs a TypeScript entry from a program that tsx started', () => {
    const tsx = join(root, 'node_modules', 'tsx', 'dist', 'cli.mjs');
    const run = spawnSync(process.execPath, [tsx, join(folder, 'main.ts')], { encoding: 'utf8' });
    expect(run.stderr).toBe('');
    expect(run.stdout).toBe('42\n');
  });

  test('runs a compiled entry where tsx is not installed', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'boot-'));
    copyFileSync(boot, join(elsewhere, 'boot.mjs'));
    const post = `import { parentPort } from 'node:worker_threads';\nparentPort.postMessage('compiled');\n`;
    writeFileSync(join(elsewhere, 'entry.mjs'), post);
    const worker = new Worker(join(elsewhere, 'boot.mjs'), {
      workerData: { entry: pathToFileURL(join(elsewhere, 'entry.mjs')).href },
    });
    const [message] = await once(worker, 'message');
    expect(message).toBe('compiled');
    await worker.terminate();
    rmSync(elsewhere, { recursive: true });
  });

  test('passes an error of the entry on to the owner of the worker', async () => {
    const worker = new Worker(boot, { workerData: { entry: entry('broken.ts') } });
    const [error] = await once(worker, 'error');
    expect(String(error)).toContain('the entry itself failed');
  });
});
