import fc from 'fast-check';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connect, type Connection } from '../../../src/toolstack/control/client.ts';
import { SYSTEM, Systems, covisor, domainFile, guest, type Said } from '../systems.ts';

const systems = new Systems();
const runtime = mkdtempSync(join(tmpdir(), 'covisor-recovery-'));
const socket = join(runtime, 'c.sock');

/** Always has a command under way; one that is not ok is told, and the next one is submitted. */
const submitting = (steps: string): string =>
  guest(`
  const gpu = domain.coproc('gpu0');
  let on = true;
  domain.onShutdown(() => (on = false));
  while (on) {
    const { status, reason } = await gpu.submit({ op: 4, args: [${steps}] });
    if (status !== 'ok') domain.log(status + ': ' + reason);
    if (status === 'cancelled') return;
  }`);
const spinning = (name: string): string => domainFile(name).replace('firmware=noop', 'firmware=spin');
const folder = systems.make({
  // Nobody is banned here, however slow the machine is.
  'system.dts': SYSTEM.replace('timeslice-us = <1000>;', 'timeslice-us = <1000>; ban-faults = <1000>;'),
  'domains/left.cfg': spinning('left'),
  'domains/right.cfg': spinning('right'),
  'domains/still.cfg': spinning('still'),
  // Never over by itself.
  'guests/left.js': submitting('1 << 30'),
  'guests/right.js': submitting('2000'),
  'guests/still.js': guest(`await new Promise((over) => domain.onShutdown(over));`),
});

const control = (verb: string, ...args: string[]): Promise<Said> =>
  covisor([verb, '--socket', socket, ...args]);

async function until(so: () => Promise<boolean>): Promise<void> {
  while (!(await so())) await new Promise((resolve) => setImmediate(resolve));
}

let up: Promise<Said>;
let system: Connection;
const said: string[] = [];
beforeAll(async () => {
  up = control('up', folder);
  await until(async () => {
    try {
      system = await connect({ socket });
      await system.info();
      return true;
    } catch {
      system?.close();
      return false;
    }
  });
  await system.follow((event) => {
    if ('kind' in event && event.kind === 'log' && event.domain === 'left') said.push(event.line);
  });
});
afterAll(async () => {
  system.close();
  await control('down');
  expect((await up).code).toBe(0);
  systems.remove();
  rmSync(runtime, { recursive: true });
});

const vcoproc = async (name: string) => (await system.vcoprocs()).find(({ id }) => id === name)!;
const done = async (): Promise<number> => (await vcoproc('right/gpu0')).commands.ok;
const watchdogs = async () => (await system.coprocs())[0]!.watchdogs;

// Whatever was done to left: right goes on, and lost nothing.
afterEach(async () => {
  const before = await done();
  await until(async () => (await done()) > before + 2);
  expect(await vcoproc('right/gpu0')).toMatchObject({
    commands: { failed: 0 },
    faults: [],
    resets: { guilty: 0 },
  });
  expect((await system.coprocs())[0]).toMatchObject({ resets: 0, isolated: 0 });
});

describe('covisor reset', () => {
  it('fails what is outstanding, and the vcoproc begins anew; nobody is to blame', async () => {
    const before = said.length;
    await until(async () => (await vcoproc('left/gpu0')).time > 0);
    const { code, stdout } = await control('reset', 'left', 'gpu0', '--json');
    expect([code, JSON.parse(stdout)]).toEqual([0, { domain: 'left', coproc: 'gpu0' }]);
    await until(() => Promise.resolve(said.length > before));
    expect(said.at(-1)).toBe('failed: reset');
    // The next command is under way, in the new context.
    const { time, resets, faults } = await vcoproc('left/gpu0');
    expect([resets, faults]).toEqual([{ guilty: 0, innocent: 0 }, []]);
    await until(async () => (await vcoproc('left/gpu0')).time > time);
    expect((await control('dmesg')).stdout).toMatch(
      /left\/gpu0.*reset-vcoproc.*reset|reset-vcoproc.*left\/gpu0/,
    );
  }, 30_000);

  it('answers everybody who asks at once', async () => {
    const all = await Promise.all(Array.from({ length: 8 }, () => control('reset', 'left', 'gpu0')));
    expect(all.map(({ code, stderr }) => [code, stderr])).toEqual(all.map(() => [0, '']));
    expect((await vcoproc('left/gpu0')).state).not.toBe('isolated');
  }, 30_000);

  it('resets one that sleeps or is paused, too', async () => {
    expect((await control('reset', 'still', 'gpu0')).code).toBe(0);
    expect((await control('pause', 'left')).code).toBe(0);
    expect((await control('reset', 'left', 'gpu0')).code).toBe(0);
    expect((await system.list()).find(({ name }) => name === 'left')?.state).toBe('paused');
    expect((await control('unpause', 'left')).code).toBe(0);
  });

  it.each([
    [['lfet', 'gpu0'], /no domain lfet; expected one of left, right, still; did you mean left\?/],
    [['left', 'gpu1'], /domain left has no vcoproc on gpu1/],
    [['left', ''], /coproc/],
    [['left'], /missing required argument 'coproc'/],
    [['left', 'gpu0', 'gpu1'], /too many arguments/],
  ])('refuses %j in one line', async (args, line) => {
    const { vcoprocResets } = (await system.coprocs())[0]!;
    const { code, stdout, stderr } = await control('reset', ...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect((await system.coprocs())[0]).toMatchObject({ vcoprocResets });
  });
});

describe('covisor watchdog', () => {
  it('shows how long each thing is waited for, as a table and as JSON', async () => {
    const { code, stdout } = await control('watchdog');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^Coproc +Stop +Reset +Command +Heartbeat\ngpu0 +640 ms +100 ms +9\.0+ s +slice \+ stop\n/,
    );
    const rows = JSON.parse((await control('watchdog', '-c', 'gpu0', '--json')).stdout) as unknown[];
    expect(rows).toEqual([{ coproc: 'gpu0', ...(await watchdogs()) }]);
  });

  it('changes one, at once for what runs, and leaves the others as they are', async () => {
    const before = await watchdogs();
    const changed = await control('watchdog', '-c', 'gpu0', '--command-timeout', '30000', '--json');
    expect([changed.code, JSON.parse(changed.stdout)]).toEqual([
      0,
      { coproc: 'gpu0', commandTimeoutUs: 30_000 },
    ]);
    expect(await watchdogs()).toEqual({ ...before, commandTimeout: 30e6 });
    await until(() => Promise.resolve(said.includes('failed: a command ran longer than 30.0 ms')));
    expect((await vcoproc('left/gpu0')).resets.guilty).toBeGreaterThan(0);
    await control('watchdog', '-c', 'gpu0', '--command-timeout', '9s', '--heartbeat', '2000000');
    expect(await watchdogs()).toEqual({ ...before, heartbeat: 2e9 });
    expect((await control('watchdog')).stdout).toMatch(/9\.0+ s +2\.0+ s/);
  }, 30_000);

  it.each([
    [['--stop-deadline', '1000'], /which coprocessor\? expected -c/],
    [['-c', 'gpu7'], /gpu7; expected one of gpu0/],
    [['-c', 'gpu7', '--stop-deadline', '1000'], /gpu7; expected one of gpu0/],
    [
      ['-c', 'gpu0', '--stop-deadline', '9'],
      /--stop-deadline 9: expected a whole number from 10 to 60000000/,
    ],
    [['-c', 'gpu0', '--reset-deadline', '60000001'], /--reset-deadline 60000001: expected a whole number/],
    [['-c', 'gpu0', '--heartbeat', '9us'], /--heartbeat 9us: expected .*, in us, or a length with its unit/],
    [['-c', 'gpu0', '--command-timeout', 'soon'], /--command-timeout soon: expected a whole number/],
    [['-c', 'gpu0', '--heartbeat', '1e3'], /--heartbeat 1e3: expected a whole number/],
    [['-c', 'gpu0', '--heartbeat', ''], /--heartbeat : expected a whole number/],
    [['-c', 'gpu0', '--heartbeat=-5'], /--heartbeat -5: expected a whole number/],
    [['-c'], /argument missing/],
    [['gpu0'], /too many arguments/],
  ])('refuses %j in one line', async (args, line) => {
    const before = await watchdogs();
    const { code, stdout, stderr } = await control('watchdog', ...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(await watchdogs()).toEqual(before);
  });

  it('refuses whatever else comes over the socket, and changes nothing', async () => {
    const before = await watchdogs();
    const names = ['stopDeadlineUs', 'resetDeadlineUs', 'commandTimeoutUs', 'heartbeatUs', 'leadUs'];
    const wrong = fc.oneof(
      fc.double({ max: 9.999 }),
      fc.double({ min: 60_000_001 }),
      fc.string(),
      fc.constantFrom(null, true, NaN, Infinity, [], {}),
    );
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...names), wrong, async (name, value) => {
        const asked = system.ask('watchdog', { coproc: 'gpu0', [name]: value });
        await expect(asked).rejects.toThrow();
        expect(await watchdogs()).toEqual(before);
      }),
      { numRuns: 60 },
    );
  });
});
