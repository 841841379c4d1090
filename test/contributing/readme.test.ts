import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunReport } from '../../src/contract/report.ts';
import { RUNTIMES } from '../rig.ts';
import { covisor } from '../toolstack/systems.ts';

const readme = readFileSync(fileURLToPath(new URL('../../README.md', import.meta.url)), 'utf8');

/** First words of what stands in code marks in the first column of the table below these heads. */
function column(head: RegExp): string[] {
  const table = readme.slice(readme.search(head)).split('\n\n')[0] ?? '';
  const cells = table
    .split('\n')
    .slice(2)
    .map((row) => row.split('|')[1] ?? '');
  return cells.flatMap((cell) => [...cell.matchAll(/`([\w-]+)/g)].map((match) => match[1]!));
}

/** Commands or options as the help lists them. */
async function helpOf(args: readonly string[], entry: RegExp): Promise<string[]> {
  const { stdout } = await covisor([...args, '--help']);
  const [listed = ''] = stdout.split('\nExamples:');
  return [...listed.matchAll(entry)].map((match) => match[1]!);
}

describe('the README', () => {
  test('opens with the two commands and stays readable', () => {
    expect([...readme.matchAll(/^npm ci && npm \w+$/gm)].map(String)).toEqual([
      'npm ci && npm start',
      'npm ci && npm test',
    ]);
    expect(readme.split('\n').length).toBeLessThan(250);
  });

  test('names every command and no other', async () => {
    const commands = (await helpOf([], /^ {2}([a-z-]+) /gm)).filter((name) => name !== 'help');
    expect([...new Set(column(/^\| command /m))].sort()).toEqual(commands.sort());
  });

  test('names every option of run and no other', async () => {
    const options = (await helpOf(['run'], /^ {2}(?:-\w, )?(--[a-z-]+)/gm)).filter(
      (name) => name !== '--help',
    );
    expect([...new Set(column(/^\| option of/m))].sort()).toEqual(options.sort());
  });
});

describe('the system of the README', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'covisor-readme-'));
    for (const [, file, text] of readme.matchAll(/^`([^`]+)`:\n\n```\w*\n([^]*?)^```$/gm)) {
      mkdirSync(dirname(join(folder, file!)), { recursive: true });
      writeFileSync(join(folder, file!), text!);
    }
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('is what check says it is', async () => {
    const { code, stdout, stderr } = await covisor(['check', folder]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('copier: 4 MiB, dsp0 with stream');
  });

  test.each(RUNTIMES)('runs on the %s runtime', async (runtime) => {
    const args = ['run', folder, '--json', '--quiet', '--no-files', '--runtime', runtime];
    const { code, stdout, stderr } = await covisor(args);
    expect(code, stderr).toBe(0);
    expect((JSON.parse(stdout) as RunReport).domains).toMatchObject([
      { name: 'copier', results: [{ ok: true, detail: '100000 bytes' }], files: ['copier/copy.bin'] },
    ]);
  });

  test('gets the line that the README shows when its coprocessor is misspelt', async () => {
    const file = join(folder, 'domains/copier.cfg');
    const right = readFileSync(file, 'utf8');
    writeFileSync(file, right.replace('dsp0', 'dsp1'));
    const { code, stderr } = await covisor(['check', folder]);
    writeFileSync(file, right);
    expect(code).toBe(2);
    expect(readme).toContain(stderr.trimEnd().replace(`${folder}/`, ''));
  });
});
