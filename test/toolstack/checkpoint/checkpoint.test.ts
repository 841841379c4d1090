import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readCheckpoint, writeCheckpoint } from '../../../src/toolstack/checkpoint/folder.ts';
import { UsageError } from '../../../src/toolstack/usage.ts';
import { RUNTIMES } from '../../rig.ts';
import { connected, until } from '../staying.ts';
import { FIRST_COME, SYSTEM, Systems, covisor, domainFile, guest } from '../systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

/** Adds up what the firmware counts, two commands at a time, over checkpoints. */
const COUNTER = guest(`
  const gpu = domain.coproc('gpu0');
  const state = domain.resumed ?? { sum: 0, left: Number(domain.args.rounds ?? 40) };
  domain.onCheckpoint(() => state);
  const heard = async (completion) => {
    const { results } = await completion;
    state.sum += results[0];
  };
  const lane = async (first) => {
    if (first !== undefined) await heard(first);
    while (state.left > 0) await heard(gpu.submit({ op: 4, args: [100 + state.left--] }));
  };
  const [a, b] = gpu.outstanding().map(({ completion }) => completion);
  await Promise.all([lane(a), lane(b)]);
  domain.write('sum.txt', new TextEncoder().encode(String(state.sum)));
  domain.verify('sum', () => ({ ok: true, detail: String(state.sum) }));`);
const SUM = Array.from({ length: 40 }, (_, n) => 101 + n).reduce((sum, n) => sum + n);

const files = {
  'domains/left.cfg': domainFile('left').replace('noop', 'spin'),
  'domains/right.cfg': domainFile('right', 'extra = "rounds=5"').replace('noop', 'spin'),
  'guests/left.js': COUNTER,
  'guests/right.js': COUNTER,
};
const folder = systems.make(files);
const saved = systems.path('saved');
const NO_FILES = ['--no-files', '--quiet'];

beforeAll(async () => {
  const args = ['--runtime', 'simulated', '--checkpoint', saved, '--checkpoint-at', '150us', ...NO_FILES];
  expect(await covisor(['run', folder, ...args])).toEqual({ code: 0, stdout: '', stderr: '' });
});

describe('a run', () => {
  test.each(RUNTIMES)('that was saved goes on to the same results, %s', async (runtime) => {
    const place = systems.path(`run-${runtime}`);
    const at = runtime === 'threads' ? '3ms' : '170us';
    const args = [
      'run',
      folder,
      '--runtime',
      runtime,
      '--checkpoint',
      place,
      '--checkpoint-at',
      at,
      ...NO_FILES,
    ];
    expect(await covisor(args)).toMatchObject({ code: 0, stderr: '' });
    const out = systems.path(`resumed-${runtime}`);
    const { code, stdout } = await covisor(['resume', place, '--out', out]);
    expect(code).toBe(0);
    expect(stdout).toContain(`ok   left: sum: ${SUM}`);
    expect(stdout).toContain('ok   right: sum: 515');
    expect(readFileSync(join(out, 'left', 'sum.txt'), 'utf8')).toBe(String(SUM));
    // Its results are whole, whoever was over before.
    expect(readFileSync(join(out, 'right', 'sum.txt'), 'utf8')).toBe('515');
  });

  test('is in the middle of its work when it is saved', () => {
    const left = readCheckpoint(saved).saved.domains.find(({ name }) => (name as string) === 'left')!;
    expect(left.vcoprocs[0]!.queues.first.outstanding.length).toBe(2);
    expect(left.report.state).toBe('paused');
    expect(left.goesOn).toBe(true);
  });

  test('without a program that can be saved says so, and goes on', async () => {
    const closed = systems.make({ ...files, 'guests/right.js': guest('await domain.sleep(1e6);') });
    const place = systems.path('closed');
    const args = ['--runtime', 'simulated', '--checkpoint', place, '--checkpoint-at', '150us', ...NO_FILES];
    const { code, stderr } = await covisor(['run', closed, ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^no checkpoint: domain right cannot be saved: [^\n]+\n$/);
    expect(existsSync(place)).toBe(false);
  });

  test('takes no place that holds something else', async () => {
    const args = ['--checkpoint', folder, '--checkpoint-at', '1ms', ...NO_FILES];
    const { code, stderr } = await covisor(['run', folder, ...args]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(/holds what is no checkpoint[^\n]+\n$/)]);
  });
});

describe('a scheduler of the user’s own', () => {
  /** Everybody in turn, and counts turns from what it is given. */
  const counting = (pair: string): string => `
    let turns = 0;
    const own = (${FIRST_COME})(settings);
    const settle = (report) => { turns++; own.settle(report); };
    return { ...own, settle, ${pair} };`;
  const system = (pair: string): string =>
    systems.make({
      ...files,
      'system.dts': SYSTEM.replace('"round-robin";', '"./mine.js";'),
      'mine.js': `export default (settings) => {${counting(pair)}};\n`,
    });
  const resumed = async (pair: string) => {
    const place = systems.path('own');
    rmSync(place, { recursive: true, force: true });
    const args = ['--runtime', 'simulated', '--checkpoint', place, '--checkpoint-at', '150us', ...NO_FILES];
    expect(await covisor(['run', system(pair), ...args])).toMatchObject({ code: 0, stderr: '' });
    return {
      ...(await covisor(['resume', place, ...NO_FILES])),
      past: readCheckpoint(place).saved.coprocs[0]!.past,
    };
  };

  test('goes on from what it saved', async () => {
    const restore = `restore(saved) {
      if (!(saved.turns > 0)) return { kind: 'refused', reason: 'no turns' };
    }`;
    const { code, stderr, past } = await resumed(`save: () => ({ turns }), ${restore}`);
    expect([code, stderr, past]).toEqual([0, '', expect.stringMatching(/^{"turns":[1-9]\d*}$/)]);
  });

  test('begins anew when it saves nothing', async () => {
    expect(await resumed('')).toMatchObject({ code: 0, stderr: '', past: null });
  });

  test.each([
    ['refuses', `{ return { kind: 'refused', reason: 'not mine' }; }`, /: gpu0: not mine\n$/],
    ['throws', `{ throw new Error('no\\nway'); }`, /: gpu0: .*mine\.js: restore throws: no\n$/],
    [
      'answers a promise',
      '{ return Promise.reject(new Error()); }',
      /mine\.js: restore answers no refusal\n$/,
    ],
  ])('that %s is told of in one line', async (_what, body, line) => {
    const { code, stderr } = await resumed(`save: () => 1, restore() ${body}`);
    expect([code, stderr]).toEqual([2, expect.stringMatching(line)]);
    expect(stderr).toMatch(/^[^\n]+\n$/);
  });
});

describe('what is no checkpoint', () => {
  const names = (): string[] => readdirSync(saved);
  /** A copy of the checkpoint in which one file is changed; what reading it says. */
  const refusal = (name: string, change: (content: Buffer) => Uint8Array | undefined): string => {
    const copy = systems.path('copy');
    rmSync(copy, { recursive: true, force: true });
    cpSync(saved, copy, { recursive: true });
    const content = change(readFileSync(join(copy, name)));
    if (content === undefined) rmSync(join(copy, name));
    else writeFileSync(join(copy, name), content);
    try {
      readCheckpoint(copy);
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError);
      expect((error as UsageError).message).toMatch(/^[^\n]+$/);
      return (error as UsageError).message;
    }
    throw new Error(`it was read though ${name} was changed`);
  };

  test('is refused whatever is cut off, gone or wrong', () => {
    expect(names().sort()).toEqual(['domain-0', 'domain-1', 'manifest', 'system']);
    const manifest = readFileSync(join(saved, 'manifest'));
    for (let length = 0; length < manifest.length; length++)
      expect(refusal('manifest', () => manifest.subarray(0, length))).toMatch(/torn|is no checkpoint/);
    fc.assert(
      fc.property(
        fc.constantFrom(...names()),
        fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
        (name, where) => {
          expect(refusal(name, (content) => content.subarray(0, Math.floor(where * content.length)))).toMatch(
            /torn|is no/,
          );
          refusal(name, (content) => {
            const bit = Math.floor(where * content.length * 8);
            content[bit >> 3]! ^= 1 << (bit & 7);
            return content;
          });
        },
      ),
      { numRuns: 40 },
    );
    for (const name of names()) expect(refusal(name, () => undefined)).toContain('cannot be read');
    expect(refusal('manifest', () => readFileSync(join(saved, 'system')))).toContain(
      "something else of Covisor's",
    );
  });

  test('is refused when it is of another version, which the line names', () => {
    const older = (content: Buffer): Buffer => {
      content.writeUInt32BE(2, 12);
      return content;
    };
    expect(refusal('manifest', older)).toMatch(/has version 2; this build reads checkpoints of version 3$/);
  });

  test('is refused when its scheduler cannot go on from it', async () => {
    const place = systems.path('foreign');
    const { saved: system, ...rest } = readCheckpoint(saved);
    const past = { name: 'credit', of: [], rows: [] };
    const coprocs = system.coprocs.map((one) => ({ ...one, past }));
    await writeCheckpoint(place, { ...rest, saved: { ...system, coprocs } });
    expect(await covisor(['resume', place, ...NO_FILES])).toEqual({
      code: 2,
      stdout: '',
      stderr: expect.stringMatching(/^[^\n]*gpu0: what was saved is not of round-robin; expected [^\n]*\n$/),
    });
  });

  test('is refused with exit code 2 in one line', async () => {
    for (const place of [folder, systems.path('nowhere'), join(saved, 'manifest')]) {
      const { code, stdout, stderr } = await covisor(['resume', place]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^[^\n]+\n$/);
    }
  });

  test('is refused when what it was made of has changed, by name', async () => {
    const kernel = join(folder, 'guests', 'left.js');
    writeFileSync(kernel, `${COUNTER}// another\n`);
    const changed = await covisor(['resume', saved, ...NO_FILES]);
    writeFileSync(kernel, COUNTER);
    expect(changed).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/guests\/left\.js has changed since[^\n]+\n$/),
    });
    expect(await covisor(['resume', saved, ...NO_FILES])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('options of the other kind of system are refused', async () => {
    expect(await covisor(['resume', saved, '--detach'])).toMatchObject({
      code: 2,
      stderr: '--detach means nothing here: the checkpoint is of a run, which goes to its end\n',
    });
  });
});

describe('a system that stays', () => {
  const runtime = mkdtempSync(join(tmpdir(), 'covisor-save-'));
  const socket = join(runtime, 'c.sock');
  afterAll(() => rmSync(runtime, { recursive: true }));

  test('is saved, stopped and resumed with what was changed since it began', async () => {
    const long = systems.make({
      ...files,
      'domains/left.cfg': domainFile('left', 'extra = "rounds=2000"').replace('noop', 'spin'),
    });
    const place = systems.path('up');
    const up = covisor(['up', long, '--socket', socket]);
    const first = await connected(socket, up);
    await first.reschedule('gpu0', { algorithm: 'credit', timesliceUs: 500 });
    await first.schedule('gpu0', 'left', { weight: 999 });
    await first.watchdog('gpu0', { stopDeadlineUs: 70_000, heartbeatUs: 5_000_000 });
    await until(
      async () => (await first.list()).find(({ name }) => (name as string) === 'right')?.state === 'finished',
    );
    await first.pause('left');
    await first.checkpoint(place);
    await first.unpause('left');
    await first.checkpoint(place, { stop: true });
    const before = (await first.vcoprocs()).find(({ domain }) => (domain as string) === 'left')!;
    const { at } = await first.state();
    await first.down();
    expect((await up).code).toBe(0);

    const again = covisor(['resume', place, '--socket', socket, '--out', systems.path('up-out')]);
    const second = await connected(socket, again);
    const [gpu] = await second.coprocs();
    expect([gpu!.scheduler, gpu!.timeslice]).toEqual(['credit', 500_000]);
    const { watchdogs } = (await second.state()).coprocs[0]!;
    expect(watchdogs).toMatchObject({ stopDeadline: 70_000_000, heartbeat: 5_000_000_000 });
    expect((await second.state()).at).toBeGreaterThan(at - 1e9);
    const left = (await second.vcoprocs()).find(({ domain }) => (domain as string) === 'left')!;
    expect(left.parameters).toEqual({ weight: 999 });
    expect(left.commands.submitted).toBeGreaterThanOrEqual(before.commands.submitted);
    expect((await second.list()).map(({ name, state }) => [name, state])).toContainEqual([
      'right',
      'finished',
    ]);
    await until(async () => (await second.list()).every(({ state }) => state === 'finished'));
    await second.down();
    expect((await again).code).toBe(0);
    const sum = Array.from({ length: 2000 }, (_, n) => 101 + n).reduce((total, n) => total + n);
    expect(readFileSync(join(systems.path('up-out'), 'left', 'sum.txt'), 'utf8')).toBe(String(sum));
  });
});
