import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { connect } from '../../src/toolstack/control/client.ts';
import { RUNTIMES } from '../rig.ts';
import { SQUARES, Systems, domainFile, guest } from './systems.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const compiled = join(root, 'dist', 'src', 'toolstack', 'main.js');
const source = [
  join(root, 'node_modules', 'tsx', 'dist', 'cli.mjs'),
  join(root, 'src', 'toolstack', 'main.ts'),
];

const systems = new Systems();
afterAll(() => systems.remove());

/** Types that a compiler has to take away, and an import that only a TypeScript loader can resolve. */
const TYPED = {
  'domains/left.cfg': domainFile('left').replace('left.js', 'left.ts'),
  'guests/left.js': undefined,
  'guests/answer.ts': 'export const answer: number = 42;\n',
  'guests/left.ts': `import { answer } from './answer.ts';
interface Domain { coproc(id: string): { submit(command: object): Promise<{ results: readonly number[] }> }; verify(what: string, check: () => object): void }
export default {
  async main(domain: Domain): Promise<void> {
    const { results } = await domain.coproc('gpu0').submit({ op: 1, args: [answer] });
    domain.verify('typed', () => ({ ok: results[0] === answer, detail: String(results[0]) }));
  },
};
`,
};

/** Runs the command line as a process of its own; one that does not end by itself has left something behind. */
function covisor(program: readonly string[], ...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [...program, ...args], {
    cwd: systems.root,
    encoding: 'utf8',
    timeout: 30_000,
  });
  return { status, stdout, stderr };
}

describe.each([
  ['compiled', [compiled]],
  ['from source', source],
] as const)('a system in a folder elsewhere, %s', (how, program) => {
  test('runs a guest in JavaScript and one in TypeScript', (context) => {
    // There is nothing compiled before the first build.
    context.skip(!existsSync(program[0]), `${how}: not built, npm run build`);
    const { status, stdout, stderr } = covisor(program, 'run', systems.make(TYPED), '--no-files');
    expect(stderr).not.toContain('Error');
    expect(stdout).toContain('ok   left: typed: 42');
    expect(stdout).toContain('ok   right: squares: 0,1,4');
    expect(status).toBe(0);
  });
});

describe('a process', () => {
  test.each(RUNTIMES)('ends by itself when a domain cannot be created on %s', (runtime) => {
    const folder = systems.make({ 'firmware/noop.wasm': Uint8Array.of(1, 2, 3) });
    const { status, stdout, stderr } = covisor(source, 'run', folder, '--runtime', runtime);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(existsSync(systems.path('out'))).toBe(false);
  });

  test.each(RUNTIMES)('outlives a failure that a guest let go, on %s', (runtime) => {
    const careless = guest(`void Promise.reject(new Error('let go of 100% ')); await domain.sleep(1e9);`);
    const folder = systems.make({ 'guests/left.js': careless });
    const { status, stdout, stderr } = covisor(source, 'run', folder, '--no-files', '--runtime', runtime);
    expect(stdout).toContain('FAIL left: crashed: Error: let go of 100%  at left.js:');
    expect(stdout).toContain('ok   right: squares: 0,1,4');
    expect(status, stderr).toBe(1);
  });

  test.each(RUNTIMES)('outlives a guest that wants to end it, on %s', (runtime) => {
    const folder = systems.make({ 'guests/left.js': guest('await domain.sleep(1e5); process.exit(0);') });
    const { status, stdout, stderr } = covisor(source, 'run', folder, '--no-files', '--runtime', runtime);
    expect(stdout).toContain('FAIL left: crashed: GuestError: a guest cannot end the process');
    expect(stdout).toContain('ok   right: squares: 0,1,4');
    expect(status, stderr).toBe(1);
  });

  test('outlives a guest that has the way to end it from elsewhere, or asks for the end when all is over', () => {
    const named = `import { exit } from 'node:process';\n${guest('exit(0);')}`;
    const first = covisor(source, 'run', systems.make({ 'guests/left.js': named }), '--no-files');
    expect(first.stdout).toContain('FAIL left: crashed: GuestError: a guest cannot end the process');
    expect(first.status, first.stderr).toBe(1);
    const late = guest(`setTimeout(() => process.exit(7), 2000);`);
    const second = covisor(source, 'run', systems.make({ 'guests/left.js': late }), '--no-files', '--quiet');
    expect(second.stderr).toBe('');
    expect(second.status).toBe(0);
  });

  test('outlives a module that wants to end it while it is read', () => {
    const folder = systems.make({ 'guests/left.js': `process.exit(0);` });
    const { status, stderr } = covisor(source, 'run', folder, '--no-files');
    expect(stderr).toMatch(/left\.js.*a guest cannot end the process.*\n$/);
    expect(status).toBe(2);
  });

  test.each([
    [['run', '--runtime', 'simulated'], {}, 'a simulated run has no threads to hold; leave it out'],
    [['run'], { PATH: '/nowhere' }, 'taskset'],
    [['up'], { PATH: '/nowhere' }, 'taskset'],
  ])('refuses to hold threads where it cannot: %j', ([verb, ...args], env, why) => {
    const folder = systems.make({});
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [...source, verb!, folder, '--pin', ...args],
      {
        cwd: systems.root,
        encoding: 'utf8',
        timeout: 20_000,
        env: { ...process.env, ...env, XDG_RUNTIME_DIR: folder },
      },
    );
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^--pin: .*\n$/);
    expect(stderr).toContain(why);
    expect(existsSync(systems.path('out'))).toBe(false);
  });

  test('keeps what a guest logs by itself out of the data', () => {
    const folder = systems.make({ 'guests/left.js': guest(`console.log('hello');`) });
    const { stdout, stderr } = covisor(source, 'run', folder, '--no-files', '--json', '--quiet');
    expect(JSON.parse(stdout)).toMatchObject({ ok: true });
    expect(stderr).toBe('hello\n');
  });

  test('says in one line that nothing can be written to where it should', (context) => {
    context.skip(!existsSync('/dev/full'), 'no device that is always full');
    const full = openSync('/dev/full', 'w');
    const { status, stderr } = spawnSync(process.execPath, [...source, 'schema'], {
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
    });
    closeSync(full);
    expect(stderr).toMatch(/^covisor: nothing can be written to stdout: ENOSPC.*\n$/);
    expect(status).toBe(3);
  });

  test('that stays outlives what a guest throws where nobody waits, and knows which guest it was', async () => {
    const careless = guest(`
      setTimeout(() => { throw new Error('thrown 100% alone'); }, 1);
      await domain.sleep(1e12);`);
    const folder = systems.make({
      'guests/left.js': careless,
      'guests/right.js': guest('await domain.sleep(1e12);'),
    });
    const socket = systems.path('stays.sock');
    const up = spawn(process.execPath, [...source, 'up', folder, '--socket', socket]);
    await new Promise<void>((isUp) =>
      up.stderr.on('data', (piece) => String(piece).includes('is up') && isUp()),
    );
    const hypervisor = await connect({ socket });
    try {
      await vi.waitFor(async () =>
        expect((await hypervisor.state()).domains).toMatchObject([
          {
            name: 'left',
            state: 'crashed',
            reason: expect.stringMatching(/^Error: thrown 100% alone at left.js:\d+:\d+$/) as string,
          },
          { name: 'right', state: 'running' },
        ]),
      );
    } finally {
      await hypervisor.down();
      hypervisor.close();
    }
    const code = up.exitCode ?? ((await once(up, 'exit')) as [number])[0];
    expect(code).toBe(0);
  });

  test.each(RUNTIMES)(
    'that is interrupted ends its domains, keeps what they made and answers 130, on %s',
    async (runtime) => {
      const endless = SQUARES.replace(
        'domain.verify',
        `process.stderr.write('at work\\n');\n    for (;;) await domain.sleep(1e6);\n    domain.verify`,
      );
      const out = systems.path(`interrupted-${runtime}`);
      const folder = systems.make({ 'guests/left.js': endless });
      const run = spawn(process.execPath, [...source, 'run', folder, '--runtime', runtime, '--out', out]);
      let stdout = '';
      run.stdout.on('data', (piece) => (stdout += String(piece)));
      for await (const piece of run.stderr) {
        if (String(piece).includes('at work')) run.kill('SIGINT');
      }
      const code = run.exitCode ?? ((await once(run, 'exit')) as [number])[0];
      expect(code).toBe(130);
      expect(stdout).toContain('not finished: left (destroyed)');
      expect(existsSync(join(out, 'left', 'squares.txt'))).toBe(true);
    },
  );

  test('stops without complaint when nobody reads on', async () => {
    const run = spawn(process.execPath, [...source, 'schema']);
    run.stdout.destroy();
    let stderr = '';
    run.stderr.on('data', (piece) => (stderr += String(piece)));
    expect(await once(run, 'close')).toEqual([0, null]);
    expect(stderr).toBe('');
  });
});
