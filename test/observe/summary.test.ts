import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { domainId } from '../../src/contract/names.ts';
import type { RunReport } from '../../src/contract/report.ts';
import { summary, verdict } from '../../src/observe/summary.ts';
import { syntheticRun } from './fixtures.ts';

const { report } = syntheticRun();
const plain = (run: RunReport, width = 160): string => summary(run, { width, color: false });

describe('the summary', () => {
  test('has a line for each coprocessor, vcoproc and result, and ends with the verdict', () => {
    const text = plain(report);
    expect(text).toMatch(/gpu0 +gpu +round-robin +2\.00 ms +82\.8 % +10\.3 % +6\.1 % +0\.8 % +120/);
    expect(text).toMatch(/cluster\/gpu0 +cluster +gone +95\.7 ms +40\.7 %/);
    expect(text).toContain('ok   camera: frames: 12 of 12 frames bit-identical');
    expect(text.trimEnd().split('\n').at(-1)).toBe('ok   4 domains finished, 4 results right, all laws hold');
  });

  test('names who is to blame for each fault', () => {
    expect(plain(report)).toContain('assist/gpu0 is to blame: the firmware did not stop within 40 ms');
  });

  test('gives the paths of what was written', () => {
    const text = summary(report, { width: 80, color: false, written: ['out/report.html'] });
    expect(text).toContain('written\n  out/report.html\n');
  });

  test('says what failed, each with its number', () => {
    const [first, second, ...rest] = report.domains;
    const wrong = { ...first!, results: [{ what: 'frames', ok: false, detail: '11 of 12' }] };
    const crashed = { ...second!, state: 'crashed' as const, reason: 'boom\nFAIL forged: line' };
    const run = { ...report, ok: false, domains: [wrong, crashed, ...rest], violations: ['gpu0: time'] };
    expect(verdict(run)).toBe('1 of 4 results wrong; not finished: assist (crashed); 1 law violated');
    expect(plain(run)).toContain('FAIL cluster: frames: 11 of 12');
    expect(plain(run)).toContain('FAIL assist: crashed: boom FAIL forged: line\n');
  });

  test('drops columns rather than wrap its tables at 60 columns', () => {
    const tables = plain(report, 60).split('results')[0]!.split('\n').slice(1);
    for (const line of tables) expect(line.length).toBeLessThanOrEqual(60);
  });

  test('lets no escape sequence of a guest reach the terminal', () => {
    const domain = { ...report.domains[0]!, name: domainId('\u001b[31mred'), results: [] };
    expect(plain({ ...report, domains: [domain] })).toContain('?[31mred: finished, nothing to check');
    const painted = summary({ ...report, domains: [domain] }, { width: 80, color: true });
    expect(stripVTControlCharacters(painted)).toContain('?[31mred');
  });
});
