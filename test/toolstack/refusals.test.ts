import { chmodSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { RUNTIMES } from '../rig.ts';
import { SYSTEM, Systems, covisor, domainFile, guest, type Files } from './systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

/** One mistake: what is changed in a system that is right, and the line that must come. */
type Mistake = readonly [what: string, changes: Files, line: RegExp];

const left = (from: string | RegExp, to: string): Files => {
  const right = domainFile('left');
  const wrong = right.replace(from, to);
  if (wrong === right) throw new Error(`${String(from)} is not in the domain file`);
  return { 'domains/left.cfg': wrong };
};
const board = (from: string | RegExp, to: string): Files => {
  const wrong = SYSTEM.replace(from, to);
  if (wrong === SYSTEM) throw new Error(`${String(from)} is not in the system file`);
  return { 'system.dts': wrong };
};

const MISTAKES: readonly Mistake[] = [
  ['no system.dts', { 'system.dts': undefined }, /system\.dts:1:1: .*; expected/],
  [
    'no domain',
    { 'domains/left.cfg': undefined, 'domains/right.cfg': undefined },
    /domains:1:1: there is no domain in this system; expected domains\/\*\.cfg/,
  ],
  ['a missing semicolon', board('model = "tiny";', 'model = "tiny"'), /system\.dts:4:\d+: .*; expected/],
  [
    'an unclosed string',
    left('"guests/left.js"', '"guests/left.js'),
    /domains\/left\.cfg:3:\d+: .*; expected/,
  ],
  [
    'an unknown scheduler',
    board('"round-robin"', '"round-robbin"'),
    /system\.dts:9:\d+: unknown scheduler "round-robbin"; expected one of .*; did you mean round-robin\?/,
  ],
  [
    'an unknown platform',
    board('covisor,tile-gpu', 'covisor,tile-gpv'),
    /system\.dts:13:\d+: no platform is known for "covisor,tile-gpv"; expected one of .*; did you mean covisor,tile-gpu\?/,
  ],
  [
    'a reference to nothing',
    board('<&gpu>', '<&gpv>'),
    /system\.dts:9:\d+: .*gpv.*; expected .*; did you mean gpu\?/,
  ],
  [
    'a register window that overlaps another',
    board(
      'gpu: gpu',
      'dma: dma@10000800 { compatible = "covisor,media-dsp"; reg = <0x10000800 0x1000>; xen,coproc; };\n\tgpu: gpu',
    ),
    /system\.dts:\d+:\d+: .*overlap.*; expected/,
  ],
  ['a time slice of nothing', board('<1000>', '<0>'), /system\.dts:9:\d+: .*timeslice-us.*; expected/],
  [
    'half a page of local memory',
    board('<0x10000>', '<0x8000>'),
    /system\.dts:15:\d+: .*local-memory.*; expected/,
  ],
  [
    'an unknown firmware',
    left('noop', 'noob'),
    /left\.cfg:4:\d+: unknown firmware "noob"; expected one of .*; did you mean noop\?/,
  ],
  [
    'an unknown coprocessor',
    left('gpu0,', 'gpu1,'),
    /left\.cfg:4:\d+: unknown coprocessor "gpu1"; expected one of gpu0; did you mean gpu0\?/,
  ],
  [
    'two domains of one name',
    left('name = "left"', 'name = "right"'),
    /right\.cfg:1:\d+: domain name right is taken; expected another than at .*left\.cfg:1:\d+/,
  ],
  [
    'impossible memory',
    left('memory = 4', 'memory = 0'),
    /left\.cfg:2:\d+: memory = 0 is impossible; expected 1 to 4095 MiB/,
  ],
  [
    'an unknown setting',
    left(/$/, 'extar = "n=1"\n'),
    /left\.cfg:5:1: unknown setting extar; expected one of .*; did you mean extra\?/,
  ],
  [
    'a guest that is not there',
    { 'guests/left.js': undefined },
    /left\.cfg:3:\d+: kernel "guests\/left\.js" does not exist; expected/,
  ],
  [
    'a guest without main',
    { 'guests/left.js': 'export default {};\n' },
    /left\.cfg:1:\d+: the guest program .* is not one; expected a default export with a function main\(domain\)/,
  ],
  [
    'a guest without default export',
    { 'guests/left.js': 'export const main = 1;\n' },
    /left\.cfg:1:\d+: the guest program .* is not one; expected a default export/,
  ],
  [
    'a guest that throws at import',
    { 'guests/left.js': `throw new Error('early\\nand late');\n` },
    /left\.cfg:1:\d+: the guest program .* cannot be loaded: early at left\.js:1:7; expected a module that loads/,
  ],
  [
    'a guest with a syntax error',
    { 'guests/left.js': 'export default {\n  ;\n' },
    /left\.cfg:1:\d+: the guest program .* cannot be loaded: .* at left\.js:2:3; expected a module that loads/,
  ],
  [
    'a parameter that the scheduler does not know',
    left('firmware=noop', 'firmware=noop, wieght=3'),
    /left\.cfg:4:\d+: domain left: .*wieght.*; nothing was started/,
  ],
];

/** Two commands, and nothing of them stays. */
async function refused(args: readonly string[], line: RegExp): Promise<void> {
  const out = systems.path('never');
  const { code, stdout, stderr } = await covisor([...args, ...(args[0] === 'run' ? ['--out', out] : [])]);
  expect([code, stdout], stderr).toEqual([2, '']);
  expect(stderr).toMatch(line);
  expect(stderr.trimEnd().split('\n'), 'one line, no stack').toHaveLength(1);
  expect(existsSync(out)).toBe(false);
}

describe.each(MISTAKES)('%s', (_what, changes, line) => {
  test.each(['check', 'run'])('is refused by %s with one line that says where', async (command) => {
    await refused([command, systems.make(changes)], line);
  });
});

const rubbish = { 'firmware/noop.wasm': Uint8Array.of(1, 2, 3) };

test('firmware that is none is found by check, which starts nothing', async () => {
  await refused(
    ['check', systems.make(rubbish)],
    /left\.cfg:4:\d+: firmware noop is no valid WebAssembly.*; expected firmware that can be loaded/,
  );
});

describe('what only starting can tell', () => {
  const large = left('noop', 'render');
  test.each(RUNTIMES)('%s: firmware that is none', async (runtime) => {
    await refused(
      ['run', systems.make(rubbish), '--runtime', runtime],
      /left\.cfg:1:\d+: .*noop.*; the domain was not created, nor was anything started/,
    );
  });

  // Root may read everything.
  test.skipIf(process.getuid?.() === 0)('a folder of domains that may not be read', async () => {
    const folder = systems.make();
    chmodSync(join(folder, 'domains'), 0o300);
    await refused(['run', folder], /domains:1:1: this folder may not be read; expected/);
    chmodSync(join(folder, 'domains'), 0o700);
  });

  test.each(RUNTIMES)('%s: firmware that needs more local memory than there is', async (runtime) => {
    await refused(
      ['run', systems.make(large), '--runtime', runtime],
      /left\.cfg:1:\d+: .*render.*; the domain was not created, nor was anything started/,
    );
  });
});

describe('a command line that is wrong', () => {
  const usage: readonly (readonly [args: readonly string[], line: RegExp])[] = [
    [['rum'], /unknown command 'rum' \(Did you mean run\?\); usage: covisor \[options\]/],
    [['help', 'rum'], /^covisor has no command rum; did you mean run\?$/],
    [['help', 'fault', 'x'], /^fault has no command x; usage: covisor fault/],
    [['run'], /missing required argument 'system'; usage: covisor run \[options\] <system>/],
    [['fault', 'inject'], /missing required argument 'fault'; usage: covisor fault inject/],
    [['fault', 'list', 'x'], /too many arguments for 'list'.*; usage: covisor fault list/],
    [['races', 'none.ts'], /^none\.ts:1: there is no such file; expected a \.ts or \.js file/],
    [['races', 'docs'], /^docs:1: this is no module; expected a \.ts or \.js file that exports scenarios/],
    [['races', 'SYSTEM/guests/left.js'], /guests\/left\.js:1: exports no scenarios; export const scenarios/],
    [['dump', 'show'], /missing required argument 'file'; usage: covisor dump show/],
    [['check', 'SYSTEM', 'left'], /too many arguments/],
    [['run', 'nowhere'], /nowhere:1:1: this folder does not exist; expected a folder with system\.dts/],
    [['run', 'README.md'], /README\.md:1:1: this is a file; a system is a folder; expected a folder with/],
    [['run', 'SYSTEM', '--sed', '1'], /unknown option '--sed'/],
    [['run', 'SYSTEM', '--seed'], /argument missing/],
    [['run', 'SYSTEM', '--seed', 'one'], /--seed one: expected a whole number from -2147483648/],
    [['run', 'SYSTEM', '--seed', '1.5'], /--seed 1\.5: expected a whole number/],
    [['run', 'SYSTEM', '--seed', '2147483648'], /--seed 2147483648: expected a whole number/],
    [['run', 'SYSTEM', '--for', '3'], /--for 3: not a length of time; expected a positive number with ns/],
    [
      ['explore', 'small', '--time-limit', '8hours'],
      /--time-limit 8hours: not a length of time; .* min or h/,
    ],
    [['run', 'SYSTEM', '--for', '0s'], /--for 0s: not a length of time/],
    [['run', 'SYSTEM', '--for=-1s'], /--for -1s: not a length of time/],
    [['run', 'SYSTEM', '--runtime', 'thread'], /argument 'thread' is invalid.*threads, simulated/],
    [['run', 'SYSTEM', 'lefd'], /no domain lefd in .*; expected one of left, right; did you mean left\?/],
    [['run', 'SYSTEM', '--out', '/dev/null/x'], /\/dev\/null is not a folder; expected a new or empty one/],
    [
      ['run', 'SYSTEM', '--out', '/proc/x'],
      /--out \/proc\/x: it cannot be written \(ENOENT\); expected a folder/,
    ],
    [['up', 'SYSTEM', '--dumps', '/proc/x'], /--dumps \/proc\/x: it cannot be written/],
    [
      ['explore', 'small', '--out', 'docs'],
      /docs holds .*, which no campaign wrote there; expected an empty/,
    ],
    [['list', '--socket', `/tmp/${'x'.repeat(103)}`], /too long for a socket; expected 107 bytes at most/],
    [['run', 'SYSTEM', '--input', 'none.png'], /--input none\.png cannot be read; expected a picture/],
  ];

  test.each(usage)('%j', async (args, line) => {
    const folder = systems.make();
    const { code, stdout, stderr } = await covisor(args.map((word) => word.replace(/^SYSTEM/, () => folder)));
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr.trimEnd()).toMatch(line);
    expect(stderr.trimEnd().split('\n'), 'one line, no stack').toHaveLength(1);
  });

  test('that is empty gets the help, on stderr', async () => {
    const { code, stdout, stderr } = await covisor([]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^Usage: covisor/);
  });
});

describe('a fault plan that is wrong', () => {
  const at = 'when: { at: 0 }';
  const plans: readonly (readonly [fault: string, line: RegExp])[] = [
    [`{ fault: kill, coproc: gpu1, ${at} }`, /no coproc gpu1; expected one of gpu0/],
    [`{ fault: trap, coproc: gpu0, domain: lefd, ${at} }`, /no domain lefd; .*did you mean left/],
    [
      `{ fault: corrupt-ring, vcoproc: left/dsp0, queue: 1, ${at} }`,
      /no vcoproc left\/dsp0; expected one of/,
    ],
    [`{ fault: corrupt-ring, vcoproc: left/gpu0, queue: 4096, ${at} }`, /faults\.0\.queue/],
    [`{ fault: corrupt-ring, vcoproc: left/gpu0, queue: x, ${at} }`, /faults\.0\.queue/],
    [
      `{ fault: drop-doorbells, coproc: gpu0, queue: 1, count: 1, ${at} }`,
      /queue 1 is a domain's; expected domain/,
    ],
    [`{ fault: lose-interrupts, coproc: gpu0, line: 32, count: 1, ${at} }`, /faults\.0\.line/],
    [`{ fault: delay-interrupts, coproc: gpu0, line: 2, count: 1, ${at} }`, /faults\.0\.by/],
    [`{ fault: kill, coproc: gpu0, line: 2, ${at} }`, /line/],
    [
      '{ fault: lose-interrupts, coproc: gpu0, count: 1, when: { point: interrupt, nth: 1 } }',
      /lose-interrupts does not happen at interrupt/,
    ],
  ];

  test.each(plans)('%s', async (fault, line) => {
    const folder = systems.make({ 'plan.yaml': `faults: [${fault}]\n` });
    const { code, stdout, stderr } = await covisor(['run', folder, '--faults', `${folder}/plan.yaml`]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(line);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  });

  test('names a domain that has no share of the coprocessor', async () => {
    const fault =
      '{ fault: lose-interrupts, coproc: gpu0, domain: left, line: 2, count: 1, when: { at: 0 } }';
    const folder = systems.make({
      ...left('coproc = [ "gpu0, firmware=noop" ]', ''),
      'plan.yaml': `faults: [${fault}]\n`,
    });
    const { code, stderr } = await covisor(['run', folder, '--faults', `${folder}/plan.yaml`]);
    expect([code, stderr]).toEqual([
      2,
      expect.stringMatching(/no vcoproc left\/gpu0; expected one of right\/gpu0/),
    ]);
  });
});

test('several mistakes are told together, a line each', async () => {
  const folder = systems.make({ ...left('noop', 'noob'), 'guests/right.js': undefined });
  const { code, stderr } = await covisor(['run', folder]);
  expect(code).toBe(2);
  expect(stderr.trimEnd().split('\n')).toEqual([
    expect.stringMatching(/left\.cfg:4:\d+: unknown firmware/),
    expect.stringMatching(/right\.cfg:3:\d+: kernel .* does not exist/),
  ]);
});

test('a guest is not run by check', async () => {
  const folder = systems.make({ 'guests/left.js': guest(`throw new Error('ran');`) });
  expect(await covisor(['check', folder])).toMatchObject({ code: 0, stderr: '' });
});
