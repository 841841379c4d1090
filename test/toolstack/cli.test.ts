import { afterAll, describe, expect, test } from 'vitest';
import { runReportJsonSchema } from '../../src/observe/json-schema.ts';
import { Systems, covisor } from './systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

const COMMANDS =
  `run explore replay races check list-platforms list-schedulers list-firmware list-faults schema up list coprocs vcoprocs
  info create destroy pause unpause reboot shutdown attach detach reset sched watchdog fault top dmesg events dump checkpoint resume down
  init features doctor completion help`.split(/\s+/);

describe('help', () => {
  test('stands on stdout, names every command and the exit codes', async () => {
    const { code, stdout, stderr } = await covisor(['--help']);
    expect([code, stderr]).toEqual([0, '']);
    const listed = [...(stdout.split('\nExamples:')[0] ?? '').matchAll(/^ {2}([a-z-]+) /gm)].map(
      (match) => match[1],
    );
    expect(listed).toEqual(COMMANDS);
    expect(stdout).toContain('Exit codes: 0 ok');
  });

  test.each(COMMANDS)('is there for %s', async (command) => {
    const { code, stdout, stderr } = await covisor([command, '--help']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(new RegExp(`^Usage: covisor ${command}\\b`));
  });

  test('of a command of a command is that one’s, however it is asked for', async () => {
    const asked = await covisor(['help', 'fault', 'inject']);
    expect(asked).toEqual(await covisor(['fault', 'inject', '--help']));
    expect(asked).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Usage: covisor fault inject/) });
    expect(await covisor(['help'])).toEqual(await covisor(['--help']));
  });

  test.each([
    ['create', "found below the running system's folder"],
    ['dump', 'writes gpu0.dump into the current folder'],
    ['dump', 'covisor dump show gpu0.dump'],
  ])('of %s says: %s', async (command, says) => {
    expect((await covisor([command, '--help'])).stdout.replaceAll(/\s+/g, ' ')).toContain(says);
  });

  test('of run names every option', async () => {
    const { stdout } = await covisor(['run', '--help']);
    for (const option of ['runtime', 'seed', 'for', 'input', 'faults', 'out', 'no-files', 'json', 'quiet'])
      expect(stdout).toMatch(new RegExp(`^ +--${option}\\b`, 'm'));
  });
});

describe('the lists', () => {
  test.each([
    ['list-platforms', 'covisor,tile-gpu'],
    ['list-platforms', 'covisor,media-dsp'],
    ['list-schedulers', 'round-robin'],
    ['list-firmware', 'render'],
  ])('%s tells of %s, for people and as JSON', async (command, name) => {
    const plain = await covisor([command]);
    expect([plain.code, plain.stderr]).toEqual([0, '']);
    expect(plain.stdout).toMatch(new RegExp(`^${name} +\\S`, 'm'));
    const { code, stdout } = await covisor([command, '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toContainEqual({ name, summary: expect.stringMatching(/\S/) });
  });

  test('the schema is the one that the output is held to', async () => {
    const { code, stdout } = await covisor(['schema']);
    expect([code, JSON.parse(stdout)]).toEqual([0, runReportJsonSchema()]);
  });

  test('the version is the package’s', async () => {
    expect(await covisor(['--version'])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
  });
});

describe('check', () => {
  test('says what it understood', async () => {
    const { code, stdout, stderr } = await covisor(['check', systems.make()]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('gpu0: covisor,tile-gpu, round-robin, slices of 1.00 ms');
    expect(stdout).toContain('left: 4 MiB, gpu0 with noop');
    expect(stdout).toMatch(/\nok\n$/);
  });

  test('gives the same as JSON', async () => {
    const { code, stdout } = await covisor(['check', systems.make(), '--json']);
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      model: 'tiny',
      coprocs: [{ id: 'gpu0' }],
      domains: [{ name: 'left' }, { name: 'right' }],
    });
  });

  test('mentions what it left aside on stderr, and goes on', async () => {
    const folder = systems.make({
      'domains/right.cfg':
        'name = "right"\nmemory = 4\nvcpus = 2\nkernel = "guests/right.js"\ncoproc = [ "gpu0, firmware=noop" ]\n',
    });
    const { code, stderr } = await covisor(['check', folder]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/right\.cfg:3:1: vcpus is ignored: it means nothing here\n$/);
  });
});
