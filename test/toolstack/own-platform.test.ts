import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import type { RunReport } from '../../src/contract/report.ts';
import { SYSTEM, Systems, covisor } from './systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

const ENGINE = readFileSync(
  new URL('../../src/toolstack/template/platforms/engine.js', import.meta.url),
  'utf8',
);
const typed = `type Anything = Record<string, number>;\nconst unused: Anything = {};\n${ENGINE}`;

const naming = (platform: string): string =>
  SYSTEM.replace('device = <&gpu>;', `device = <&gpu>; platform = "${platform}";`);

/** A guest that reads registers where only this platform has them. */
const COUNTS = `export default {
  async main(domain) {
    const gpu = domain.coproc('gpu0');
    for (let i = 0; i < 3; i++) await gpu.submit({ op: 1, args: [i] });
    gpu.registers.write(4, 99);
    const [steps, fence] = [gpu.registers.read(4), gpu.registers.read(16)];
    domain.verify('counts', () => ({ ok: steps !== 99 && fence >= 2, detail: steps + ' steps, fence ' + fence }));
  },
};
`;

describe('a platform of the user’s own', () => {
  test.each([
    ['threads', 'JavaScript', './platforms/mine.mjs', ENGINE],
    ['simulated', 'JavaScript', './platforms/mine.mjs', ENGINE],
    ['threads', 'TypeScript', 'mine.ts', typed],
    ['simulated', 'TypeScript', 'mine.ts', typed],
  ])('runs a system on %s from its file as %s', async (runtime, _language, path, content) => {
    const folder = systems.make({
      'system.dts': naming(path),
      'guests/left.js': COUNTS,
      [path]: content,
    });
    expect(await covisor(['check', folder])).toMatchObject({ code: 0, stderr: '' });
    const args = ['run', folder, '--runtime', runtime, '--json', '--quiet', '--no-files'];
    const { code, stdout, stderr } = await covisor(args);
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout) as RunReport;
    expect(report.coprocs[0]?.platform).toBe('example,engine');
    expect(report.vcoprocs.map(({ commands }) => commands.ok)).toEqual([3, 3]);
  });

  test('is explored like any other', async () => {
    const folder = systems.make({ 'system.dts': naming('./mine.js'), 'mine.js': ENGINE });
    const explored = await covisor([
      'explore',
      folder,
      '--seeds',
      '1..3',
      '--jobs',
      '1',
      '--out',
      systems.path('explored'),
    ]);
    expect([explored.code, explored.stderr]).toEqual([0, expect.not.stringContaining('expected')]);
  });

  const without = (text: string): string => ENGINE.replace(text, '');
  test.each([
    ['is not there', undefined, /platform "\.\/mine\.js" does not exist; expected a file below /],
    ['does not load', 'export default (;', /the platform .*mine\.js cannot be loaded: /],
    ['throws', 'throw new Error("no\\nway");', /the platform .*mine\.js cannot be loaded: no; expected/],
    [
      'exports nothing',
      'export const x = 1;',
      /mine\.js is no platform: it has no compatible; expected a default/,
    ],
    ['exports null', 'export default null;', /mine\.js is no platform: it has no compatible; expected/],
    [
      'has no device',
      ENGINE.replace('createDevice:', 'makeDevice:'),
      /is no platform: it has no function createDevice/,
    ],
    ['has half a device', without('accepts: () => true,'), /what createDevice makes has no function accepts/],
    ['has no budget', ENGINE.replace('1000,', '0,'), /its stepBudget is 0, not a whole number from 1 up/],
    ['has a crooked register', ENGINE.replace('STEPS = 0x04', 'STEPS = 3'), /register STEPS is at 3, not at/],
    ['has a register twice', ENGINE.replace('STEPS = 0x04', 'STEPS = 0'), /two registers are at offset 0/],
    ['has an unknown access', ENGINE.replace("'read-write'", "'rw'"), /register IRQ_MASK: access is none of/],
    [
      'lacks what all have',
      without('fence: FENCE,'),
      /core\.fence is not the offset of one of its registers/,
    ],
  ])('that %s is refused in one line that says where', async (_what, content, line) => {
    const folder = systems.make({ 'system.dts': naming('./mine.js'), 'mine.js': content });
    for (const command of ['check', 'run']) {
      const { code, stdout, stderr } = await covisor([command, folder]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^[^\n]*system\.dts:9:\d+: [^\n]*\n$/);
      expect(stderr).toMatch(line);
    }
  });

  test('may be one of this build, by its name, and no other name', async () => {
    const named = systems.make({ 'system.dts': naming('covisor,media-dsp') });
    expect((await covisor(['check', named])).stdout).toContain('gpu0: covisor,media-dsp');
    const unknown = systems.make({ 'system.dts': naming('covisor,media-dps') });
    const { code, stderr } = await covisor(['check', unknown]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(
        /unknown platform "covisor,media-dps"; expected one of .*did you mean covisor,media-dsp/,
      ),
    ]);
  });
});
