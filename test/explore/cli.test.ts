import { chmodSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Systems, covisor } from '../toolstack/systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

/** Reads, waits for the coprocessor and writes: right as long as that takes less than 60 microseconds. */
const LOSES_UPDATES = `export default {
  async main(domain) {
    const gpu = domain.coproc('gpu0');
    let count = 0;
    const add = async () => {
      const before = count;
      await gpu.submit({ op: 1 });
      count = before + 1;
    };
    const first = add();
    await domain.sleep(60_000);
    await Promise.all([first, add()]);
    domain.verify('count', () => ({ ok: count === 2, detail: 'counted ' + count }));
  },
};
`;

const racy = (): string =>
  systems.make({
    'guests/left.js': LOSES_UPDATES,
    'domains/right.cfg': undefined,
    'guests/right.js': undefined,
  });

const explore = (system: string, ...more: string[]): ReturnType<typeof covisor> =>
  covisor(['explore', system, '--jobs', '1', '--random-faults', '0', ...more]);

/** What `racy` does wrong does not show but by what is done to it. */
const plan = (system: string, name: string, ...faults: readonly object[]): string => {
  const path = join(system, `${name}.json`);
  writeFileSync(path, JSON.stringify({ faults }));
  return path;
};

describe('covisor explore', { timeout: 60_000 }, () => {
  it('holds whoever was only made late to its results, and nobody who may have lost something', async () => {
    const system = racy();
    const when = { event: 'submit', nth: 1 };
    const under = (name: string, fault: object) =>
      explore(system, '--seeds', '1..3', '--out', systems.path(name), '--faults', plan(system, name, fault));
    const stall = { fault: 'stall', coproc: 'gpu0', for: '100us', when };
    const late = await under('late', stall);
    expect([late.code, late.stdout]).toEqual([
      1,
      expect.stringContaining('results are right: domain left: count'),
    ]);
    const killed = await under('killed', { fault: 'kill', coproc: 'gpu0', when });
    expect([killed.code, killed.stderr]).toEqual([0, expect.stringContaining('is let off its results')]);
  });

  it('takes failures for one that differ in numbers and hashes only', async () => {
    const system = systems.make({
      'guests/left.js': `export default {
        async main(domain) {
          await domain.coproc('gpu0').submit({ op: 1 });
          const hash = (0x10000000 + domain.random.below(0xefffffff)).toString(16);
          domain.verify('sum', () => ({ ok: false, detail: hash + ' after ' + domain.random.below(99) + 'us' }));
        },
      };`,
      'domains/right.cfg': undefined,
      'guests/right.js': undefined,
    });
    const out = systems.path('alike');
    const { stdout } = await explore(
      system,
      '--seeds',
      '1..40',
      '--bail',
      '9',
      '--out',
      out,
      '--quiet',
      '--json',
    );
    const { failures } = JSON.parse(stdout) as { failures: { times: number }[] };
    expect(failures.map(({ times }) => times)).toEqual([40]);
  });

  it('says when a domain was ended before it was through', async () => {
    const { code, stdout } = await explore(racy(), '--seeds', '1..2', '--virtual-time', '50us', '--quiet');
    expect([code, stdout.split('\n')[1]]).toEqual([
      0,
      'in 2 of 2 runs a domain is ended before it was through, and what it verifies at its end was not checked; give --virtual-time more than 50.0 us',
    ]);
  });

  it('finds a bug of a guest that an undisturbed run does not show, and prints one line that replays it', async () => {
    const system = racy();
    expect((await covisor(['run', system, '--runtime', 'simulated', '--no-files', '--quiet'])).code).toBe(0);
    const out = systems.path('found');
    const { code, stdout } = await explore(system, '--seeds', '1..200', '--out', out, '--quiet');
    expect([code, stdout]).toEqual([
      1,
      expect.stringContaining('FAILED results are right: domain left: count: counted 1'),
    ]);
    const tape = /covisor replay (\S+reduced\.json)/.exec(stdout)?.[1] ?? '';
    const files = readdirSync(join(tape, '..')).sort();
    expect(files).toEqual(['reduced.json', 'table.txt', 'tape.json', 'timeline.html']);

    const page = readFileSync(join(tape, '..', 'timeline.html'), 'utf8');
    const [, seed] = /seed-(\d+)\/reduced/.exec(tape)!;
    for (const text of ['<title>FAILED: tiny</title>', '<h1>tiny</h1>', `seed ${seed} ·`])
      expect(page).toContain(text);
    expect(page).not.toContain('What the domains made');

    const replayed = await covisor(['replay', tape]);
    expect([replayed.code, replayed.stderr]).toEqual([1, '']);
    expect(replayed.stdout).toMatch(/^ +time \| left +\| gpu0/m);
    expect(replayed.stdout).toContain('counted 1');

    const stopped = await covisor(['replay', tape, '--until', '3']);
    expect(stopped.stdout).toMatch(/^step 3 of \d+/m);
    expect(stopped.stdout).toMatch(/^ {2}left\/gpu0: \w+, commands \d submitted/m);

    // The bug is mended: the tape does not match any more.
    writeFileSync(join(system, 'guests', 'left.js'), LOSES_UPDATES.replace('count = before + 1', 'count++'));
    const text = readFileSync(tape, 'utf8').replace(/"choice":\d+/, '"choice":1');
    const other = join(out, 'other.json');
    writeFileSync(other, text.replace(/"step": \d+/, '"step": 1'));
    const stale = await covisor(['replay', other]);
    expect([stale.code, stale.stderr]).toEqual([
      3,
      expect.stringMatching(/other\.json: stale tape: .*explore look again\n$/),
    ]);

    // Whoever asks may take for its own what is thrown at a question that is not the tape's.
    for (const point of new Set([...text.matchAll(/"point":"([^"]+)"/g)].map(([, name]) => name!))) {
      writeFileSync(other, text.replaceAll(new RegExp(`("point":"${point}",.*"options":)`, 'g'), '$19'));
      const { code: exit, stderr } = await covisor(['replay', other]);
      expect([exit, stderr]).toEqual([3, expect.stringMatching(/: stale tape: question \d+ at \S+ has/)]);
      expect(stderr.match(/stale tape/g), stderr).toHaveLength(1);
    }

    writeFileSync(other, text.replace('"version": 1', '"version": 2'));
    expect(await covisor(['replay', other])).toMatchObject({
      code: 2,
      stderr: `${other} was written by another Covisor (tape version 2); this one reads 1\n`,
    });
  });

  it('goes on where it was interrupted, and forgets nothing', async () => {
    const out = systems.path('resumed');
    const first = await explore('small', '--seeds', '1..5', '--out', out, '--json', '--quiet');
    const second = await explore('small', '--seeds', '1..12', '--out', out, '--json', '--quiet', '--resume');
    const whole = await explore(
      'small',
      '--seeds',
      '1..12',
      '--out',
      systems.path('whole'),
      '--json',
      '--quiet',
    );
    const figures = (text: string): unknown => ({ ...(JSON.parse(text) as object), took: 0 });
    expect((figures(first.stdout) as { runs: number }).runs).toBe(5);
    expect(figures(second.stdout)).toEqual(figures(whole.stdout));
  });

  it('carries out a fault plan in every run', async () => {
    const plan = systems.path('plan.yaml');
    writeFileSync(
      plan,
      'faults:\n  - { fault: kill, coproc: gpu0, when: { event: submit, nth: 1, plus: 10us } }\n',
    );
    const out = systems.path('planned');
    const { code, stdout } = await explore(
      'small',
      '--seeds',
      '1..8',
      '--faults',
      plan,
      '--out',
      out,
      '--json',
      '--quiet',
    );
    expect(code).toBe(0);
    const { marks } = JSON.parse(stdout) as { marks: Record<string, number> };
    expect(marks['injected: kill']).toBeGreaterThan(3);
    writeFileSync(plan, 'faults:\n  - { fault: kil }\n');
    expect(await explore('small', '--faults', plan)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('faults.0'),
    });
  });

  it('runs the domains of a folder as long as --virtual-time says, and its tape says so, too', async () => {
    const patient = LOSES_UPDATES.replace(
      'let count',
      'for (let i = 0; i < 20; i++) await domain.sleep(1_000_000);\n    let count',
    );
    const system = systems.make({
      'guests/left.js': patient,
      'domains/right.cfg': undefined,
      'guests/right.js': undefined,
    });
    const lasting = (length: string): ReturnType<typeof explore> =>
      explore(
        system,
        '--seeds',
        '1..200',
        '--virtual-time',
        length,
        '--out',
        systems.path(length),
        '--quiet',
      );
    expect(await lasting('5ms')).toMatchObject({ code: 0, stdout: expect.stringContaining('200 runs') });
    const { code, stdout } = await lasting('100ms');
    expect([code, stdout]).toEqual([1, expect.stringContaining('counted 1')]);
    const tape = /covisor replay (\S+reduced\.json)/.exec(stdout)?.[1] ?? '';
    expect(JSON.parse(readFileSync(tape, 'utf8'))).toMatchObject({ length: 100_000_000 });
    expect(await covisor(['replay', tape])).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('counted 1'),
    });
    for (const wrong of ['0ms', 'soon'])
      expect(await explore(system, '--virtual-time', wrong)).toMatchObject({
        code: 2,
        stderr: expect.stringContaining('--virtual-time'),
      });
  });

  it('begins nothing more once its time is over', async () => {
    const { code, stdout } = await explore(
      'small',
      '--seeds',
      '1..1000000',
      '--time-limit',
      '1ms',
      '--out',
      systems.path('short'),
      '--json',
      '--quiet',
    );
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { runs: number }).runs).toBeLessThan(1000);
  });

  it('gives up a run that is under way when its time is over', async () => {
    const out = systems.path('given-up');
    // It takes minutes.
    const args = ['--seeds', '6', '--time-limit', '1s', '--virtual-time', '1000s', '--out', out];
    const { code, stdout } = await explore('examples/shares', ...args, '--json', '--quiet');
    expect([code, (JSON.parse(stdout) as { runs: number }).runs]).toEqual([0, 0]);
  });

  it('refuses seeds that are none and an output that cannot be written', async () => {
    expect(await explore('small', '--seeds', '9..1')).toMatchObject({ code: 2 });
    const locked = systems.path('locked');
    mkdirSync(locked);
    chmodSync(locked, 0o500);
    const { code } = await explore('small', '--seeds', '1..2', '--out', join(locked, 'out'), '--quiet');
    // Whoever may do everything may write there, too.
    expect(code).toBe(process.getuid?.() === 0 ? 0 : 2);
    chmodSync(locked, 0o700);
  });
});
