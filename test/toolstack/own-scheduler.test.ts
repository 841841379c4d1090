import { afterAll, describe, expect, test } from 'vitest';
import type { RunReport } from '../../src/contract/report.ts';
import { FIRST_COME, SYSTEM, Systems, covisor, domainFile } from './systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

const asFunction = `export default ${FIRST_COME};\n`;
const asObject = `export default { summary: 'first come, first served', create: ${FIRST_COME} };\n`;
const typed = `type Anything = Record<string, number>;\nconst unused: Anything = {};\n${asFunction}`;

const naming = (scheduler: string, more = ''): string =>
  SYSTEM.replace('"round-robin";', `"${scheduler}"; ${more}`);

describe('a scheduler of the user’s own', () => {
  test.each([
    ['a function', './schedulers/mine.js', asFunction],
    ['a table entry', 'schedulers/mine.mjs', asObject],
    ['TypeScript', './schedulers/mine.ts', typed],
  ])('runs a system from its file as %s', async (_what, path, content) => {
    const folder = systems.make({ 'system.dts': naming(path), [path]: content });
    const args = ['run', folder, '--runtime', 'simulated', '--json', '--quiet', '--no-files'];
    const { code, stdout, stderr } = await covisor(args);
    expect([code, stderr]).toEqual([0, '']);
    const report = JSON.parse(stdout) as RunReport;
    expect(report.coprocs[0]?.scheduler).toBe('first');
    expect(report.vcoprocs.map(({ commands }) => commands.ok)).toEqual([3, 3]);
    expect(await covisor(['check', folder])).toMatchObject({ code: 0, stderr: '' });
  });

  test.each([
    ['is not there', undefined, /scheduler "\.\/mine\.js" does not exist; expected a file below /],
    ['does not load', 'export default (;', /the scheduler .*mine\.js cannot be loaded: /],
    ['throws', 'throw new Error("no\\nway");', /the scheduler .*mine\.js cannot be loaded: no; expected/],
    ['exports nothing', 'export const x = 1;', /mine\.js is no scheduler; expected a default export/],
    ['exports null', 'export default null;', /mine\.js is no scheduler; expected a default export/],
    ['makes nothing', 'export default () => undefined;', /what .*mine\.js makes has no function admit/],
    [
      'fails when it is made',
      'export default () => { throw new Error("no"); };',
      /gpu0: .*mine\.js throws: no; /,
    ],
    [
      'refuses its parameters',
      `export default () => ({ kind: 'refused', reason: 'no such thing' });`,
      /gpu0: no such thing; nothing was started/,
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

  test('says which vcoproc it does not take', async () => {
    const blamed = domainFile('right').replace('firmware=noop', 'firmware=noop, rank=10');
    const folder = systems.make({
      'system.dts': naming('./mine.js'),
      'mine.js': asFunction,
      'domains/right.cfg': blamed,
    });
    const { code, stderr } = await covisor(['check', folder]);
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /right\.cfg:4:\d+: domain right: rank 10 is impossible; expected 0 to 9; nothing was started\n$/,
    );
  });
});

describe('parameters of the schedulers of this build', () => {
  test.each(['check', 'run'])('are tried by %s before anything starts, all of them', async (command) => {
    const wrong = (name: string): string =>
      domainFile(name).replace('firmware=noop', 'firmware=noop, weight=0');
    const folder = systems.make({
      'system.dts': naming('credit'),
      'domains/left.cfg': wrong('left'),
      'domains/right.cfg': wrong('right'),
    });
    const { code, stdout, stderr } = await covisor([command, folder]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.trimEnd().split('\n')).toEqual([
      expect.stringMatching(/left\.cfg:4:\d+: domain left: .*weight/),
      expect.stringMatching(/right\.cfg:4:\d+: domain right: .*weight/),
    ]);
  });

  test('that a coprocessor has wrong are refused where it stands', async () => {
    const folder = systems.make({ 'system.dts': naming('credit', 'scheduler-shares = <3>;') });
    const { code, stderr } = await covisor(['check', folder]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^[^\n]*system\.dts:9:4: gpu0: [^\n]*shares[^\n]*\n$/);
  });

  test('count only for the domains that run', async () => {
    const folder = systems.make({ 'system.dts': naming('dedicated') });
    expect((await covisor(['check', folder])).stderr).toMatch(/right\.cfg:4:\d+: domain right: /);
    const alone = ['run', folder, 'right', '--runtime', 'simulated', '--quiet', '--no-files'];
    expect(await covisor(alone)).toMatchObject({ code: 0, stderr: '' });
  });
});
