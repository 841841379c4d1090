import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../../src/toolstack/cli.ts';
import type { Connection, Followed } from '../../../src/toolstack/control/client.ts';
import { connected, until } from '../staying.ts';
import { FIRST_COME, Systems, domainFile, guest } from '../systems.ts';

const systems = new Systems();
const runtime = mkdtempSync(join(tmpdir(), 'covisor-up-'));
const socket = join(runtime, 'c.sock');

/** Always has work, until it is asked to end; tells of whatever does not come back ok. */
const BUSY = guest(`
  const gpu = domain.coproc('gpu0');
  let on = true;
  domain.onShutdown(() => (on = false));
  while (on) {
    const { status, reason } = await gpu.submit({ op: 4, args: [2000] });
    if (status !== 'ok') domain.log(status + ': ' + reason);
    if (status === 'cancelled') return;
  }`);

const busy = (name: string, weight: number): string =>
  domainFile(name).replace('firmware=noop', `firmware=spin, weight=${weight}`);

const folder = systems.make({
  'system.dts': `/dts-v1/;
/ {
	model = "Two GPUs";
	#address-cells = <1>;
	#size-cells = <1>;
	chosen {
		coprocessors {
			compatible = "covisor,shared-coprocessors";
			gpu0 { device = <&a>; scheduler = "credit"; timeslice-us = <1000>; };
			gpu1 { device = <&b>; };
		};
	};
	a: gpu@1000 { compatible = "covisor,tile-gpu"; reg = <0x1000 0x1000>; covisor,local-memory = <0x10000>; };
	b: gpu@2000 { compatible = "covisor,tile-gpu"; reg = <0x2000 0x1000>; covisor,local-memory = <0x10000>; };
};
`,
  'domains/left.cfg': busy('left', 256),
  'domains/right.cfg': busy('right', 512),
  'guests/left.js': BUSY,
  'guests/right.js': BUSY,
  'guests/deaf.js': guest(`await domain.coproc('gpu0').submit({ op: 4, args: [1 << 30] });`),
  'guests/ends.js': guest(`await domain.coproc('gpu0').submit({ op: 4, args: [10] });`),
  'guests/falls.js': guest(`throw new Error('own fault');`),
  'more/third.cfg': busy('third', 128).replace('third.js', 'left.js'),
  'more/deaf.cfg': busy('deaf', 128),
  'more/ends.cfg': busy('ends', 128),
  'more/falls.cfg': busy('falls', 128),
  'more/wrong.cfg': busy('wrong', 128).replace('spin', 'spinn').replace('wrong.js', 'left.js'),
});
const file = (name: string): string => join(folder, 'more', `${name}.cfg`);

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** One command line against the hypervisor of this file. */
async function covisor(...args: string[]): Promise<Ran> {
  const text = { out: '', err: '' };
  const stream = (to: 'out' | 'err'): NodeJS.WriteStream =>
    Object.assign(
      new Writable({
        write(piece, _encoding, done) {
          text[to] += String(piece);
          done();
        },
      }),
      { columns: 120, isTTY: false },
    ) as unknown as NodeJS.WriteStream;
  const [verb = '', ...rest] = args;
  const line = [verb, '--socket', socket, ...rest];
  const code = await main(line, { stdout: stream('out'), stderr: stream('err') });
  return { code, ...text };
}

let up: Promise<Ran>;
let hypervisor: Connection;
const events: Followed[] = [];
let isDown = false;

beforeAll(async () => {
  up = covisor('up', folder);
  hypervisor = await connected(
    socket,
    up.then(({ err }) => ({ stderr: err })),
  );
  await hypervisor.follow((event) => events.push(event));
});
afterAll(() => {
  systems.remove();
  rmSync(runtime, { recursive: true });
});

const stateOf = async (name: string): Promise<string | undefined> =>
  (await hypervisor.list()).find((domain) => domain.name === name)?.state;
const commandsOf = async (name: string): Promise<number> =>
  (await hypervisor.vcoprocs()).find(({ domain }) => domain === name)?.commands.ok ?? 0;
const progresses = async (name: string): Promise<void> => {
  const before = await commandsOf(name);
  await until(async () => (await commandsOf(name)) > before + 2);
};

// Whatever was done to the others: this one never noticed.
afterEach(async () => {
  if (isDown) return;
  const right = (await hypervisor.vcoprocs()).find(({ domain }) => domain === 'right');
  if (right === undefined) return;
  expect(right.commands).toMatchObject({ failed: 0, cancelled: 0 });
  expect(right.faults).toEqual([]);
  expect((await hypervisor.coprocs()).map(({ resets }) => resets)).toEqual([0, 0]);
});

describe('a hypervisor that stays', () => {
  it('shows its domains, coprocessors and vcoprocs, as tables and as JSON', async () => {
    await progresses('right');
    const { out, code } = await covisor('list');
    expect(code).toBe(0);
    expect(out).toMatch(/^Name +Mem +VCOPROCs +State +Time\(s\)\nleft +4 +1 +[-rb]{2}---- +[\d.]+\n/m);
    for (const [verb, key, values] of [
      ['list', 'name', ['left', 'right']],
      ['coprocs', 'id', ['gpu0', 'gpu1']],
      ['vcoprocs', 'id', ['left/gpu0', 'right/gpu0']],
      ['sched', 'domain', ['left', 'right']],
    ] as const) {
      const rows = JSON.parse((await covisor(verb, '--json')).out) as Record<string, unknown>[];
      expect(rows.map((row) => row[key])).toEqual(values);
      expect((await covisor(verb)).out.split('\n')).toHaveLength(values.length + 2);
    }
    expect((await covisor('vcoprocs', '-d', 'left')).out).toContain('weight=256');
    expect((await covisor('vcoprocs', '-d', 'left')).out).not.toContain('right');
    const ofLeft = JSON.parse((await covisor('coprocs', '-d', 'left', '--json')).out) as { id: string }[];
    expect(ofLeft.map(({ id }) => id)).toEqual(['gpu0']);
    expect(JSON.parse((await covisor('info', '--json')).out)).toMatchObject({
      model: 'Two GPUs',
      pid: process.pid,
    });
    expect(JSON.parse((await covisor('dump')).out)).toMatchObject({
      model: 'Two GPUs',
      log: expect.any(Array),
    });
    expect(
      (await covisor('top', '-b', '-i', '2', '-d', '10')).out.match(/right\/gpu0/g)?.length,
    ).toBeGreaterThan(1);
  });

  it('refuses a second one on its socket', async () => {
    const second = await covisor('up', folder);
    expect(second).toMatchObject({ code: 2, err: expect.stringMatching(/listens on .* already/) });
    expect(await covisor('up', folder, '--detach')).toMatchObject({ code: 2 });
    expect(await stateOf('left')).toBe('running');
  });

  it('pauses a domain and lets it go on, and says so when it is neither', async () => {
    expect(await covisor('pause', 'left', '--json')).toMatchObject({ code: 0, out: '{"domain":"left"}\n' });
    expect((await covisor('list', '-d', 'left')).out).toContain('--p---');
    const before = await commandsOf('left');
    await progresses('right');
    expect(await commandsOf('left')).toBe(before);
    expect(await covisor('pause', 'left')).toMatchObject({
      code: 2,
      err: expect.stringContaining('is paused'),
    });
    expect(await covisor('unpause', 'left')).toMatchObject({ code: 0 });
    await progresses('left');
  });

  it('says what is wrong with a request, in one line', async () => {
    for (const [args, says] of [
      [['pause', 'lfet'], 'no domain lfet; expected one of left, right; did you mean left?'],
      [['create', file('wrong')], 'spinn'],
      [['create', file('nowhere')], 'nowhere.cfg'],
      [['create', join(folder, 'domains', 'left.cfg')], 'there is a domain left already'],
      [['attach', 'left', 'gpu9,firmware=spin'], 'gpu9'],
      [['attach', 'left', 'gpu1,firmware=sping'], 'did you mean spin?'],
      [['attach', 'left', 'gpu1'], 'expected COPROC,firmware=NAME'],
      [['detach', 'left', 'gpu1'], 'no vcoproc on gpu1'],
      [['create', folder], `${folder}:1:1: this is a folder; expected a file`],
      [['sched', '-c', 'gpu0', '-s', 'credits'], 'no scheduler credits; expected one of'],
      [['sched', '-c', 'gpu0', '-s', 'credits'], 'did you mean credit?\n'],
      [['sched', '-c', 'gpu0', '-w', '5'], 'expected -d with its name'],
      [['sched', '-w', '5', '-d', 'left'], 'expected -c with one of gpu0, gpu1'],
      [['sched', '-c', 'gpu0', '-d', 'left', '-w', '70000'], '65535'],
      [['sched', '-c', 'gpu0', '-s', 'edf'], 'period'],
      [
        ['sched', '-c', 'gpu0', '-t', 'long'],
        '--timeslice long: expected a whole number from 1 to 1000000000, in us',
      ],
      [['sched', '-c', 'gpu0', '-d', 'left', '-p', '2h'], '--period 2h: expected a whole number from 1 to'],
      [
        ['top', '-d', '0.1'],
        '--delay 0.1: expected a whole number from 10 to 3600000, in ms, or a length with its',
      ],
      [['top', '-d', '1ms'], '--delay 1ms: expected a whole number from 10'],
    ] as const) {
      const { code, err } = await covisor(...args);
      expect([args, code]).toEqual([args, 2]);
      expect(err).toContain(says);
      expect(err.trimEnd().split('\n')).toHaveLength(1);
    }
    expect(await stateOf('left')).toBe('running');
  });

  it.each(['list', 'coprocs', 'vcoprocs', 'sched'])(
    'refuses to filter %s by what is not there: an empty table would say that it has nothing',
    async (verb) => {
      expect(await covisor(verb, '-c', 'gpu9')).toEqual({
        code: 2,
        out: '',
        err: 'no coprocessor gpu9; expected one of gpu0, gpu1; did you mean gpu0?\n',
      });
      expect(await covisor(verb, '-d', 'nobody', '--json')).toEqual({
        code: 2,
        out: '',
        err: 'no domain nobody; expected one of left, right\n',
      });
    },
  );

  it('changes weight, slice and algorithm', async () => {
    const onGpu0 = async (): Promise<unknown[]> =>
      (await hypervisor.vcoprocs())
        .filter(({ coproc }) => coproc === 'gpu0')
        .map(({ parameters }) => parameters);
    expect(await covisor('sched', '-c', 'gpu0', '-d', 'left', '-w', '1024')).toMatchObject({
      code: 0,
      err: '',
    });
    expect(await onGpu0()).toEqual([{ weight: 1024 }, { weight: 512 }]);
    expect(await covisor('sched', '-c', 'gpu0', '-t', '700', '-s', 'fair')).toMatchObject({ code: 0 });
    expect(await hypervisor.coprocs()).toMatchObject([{ scheduler: 'fair', timeslice: 700_000 }, {}]);
    expect(await onGpu0()).toEqual([{ weight: 1024 }, { weight: 512 }]);
    expect((await covisor('sched', '-c', 'gpu0', '-d', 'left', '--cap', '500')).err).toBe(
      'fair has no parameter cap: it has only weight\n',
    );
    await progresses('left');
    expect(await covisor('sched', '-c', 'gpu0', '-t', '0.9ms')).toMatchObject({ code: 0, err: '' });
    expect((await hypervisor.coprocs())[0]).toMatchObject({ timeslice: 900_000 });
    const served = ['--for', 'left,period=9s,budget=1500us', '--for', 'right,period=9000000,budget=2ms'];
    expect(await covisor('sched', '-c', 'gpu0', '-s', 'edf', ...served)).toMatchObject({ code: 0, err: '' });
    expect(await covisor('sched', '-c', 'gpu0', '-d', 'left', '-p', '8s', '-b', '2500')).toMatchObject({
      err: '',
    });
    expect((await onGpu0())[0]).toEqual({ period: 8_000_000, budget: 2500 });
    const told = ['--for', 'left,weight=3', '--for', 'right,weight=4'];
    expect(await covisor('sched', '-c', 'gpu0', '-s', 'credit', ...told)).toMatchObject({ code: 0 });
    expect(await onGpu0()).toEqual([{ weight: 3 }, { weight: 4 }]);
    await progresses('left');
  });

  it('takes an algorithm from a file, and tells it more of the domains', async () => {
    const mine = join(folder, 'mine.mjs');
    writeFileSync(mine, `export default ${FIRST_COME};`);
    expect(await covisor('sched', '-c', 'gpu0', '-s', mine)).toMatchObject({ code: 0, err: '' });
    expect((await hypervisor.coprocs())[0]).toMatchObject({ scheduler: 'first' });
    await progresses('left');
    expect(await covisor('sched', '-c', 'gpu0', '--for', 'left,rank=3')).toMatchObject({ code: 0, err: '' });
    expect((await covisor('vcoprocs', '-d', 'left')).out).toContain('rank=3');
    // Edited, and named again: it is read again, what it said before is over.
    writeFileSync(mine, `export default ${FIRST_COME.replace("'first'", "'second'")};`);
    expect(await covisor('sched', '-c', 'gpu0', '-s', mine)).toMatchObject({ code: 0, err: '' });
    expect((await hypervisor.coprocs())[0]).toMatchObject({ scheduler: 'second' });
    writeFileSync(mine, 'export default (;');
    expect((await covisor('sched', '-c', 'gpu0', '-s', mine)).err).toMatch(/mine\.mjs cannot be loaded: /);
    expect((await hypervisor.coprocs())[0]).toMatchObject({ scheduler: 'second' });
    // One that fails under load is replaced, and says so; the domains go on.
    writeFileSync(
      mine,
      `export default ${FIRST_COME.replace('pick() {', 'pick() { throw new Error("no");')};`,
    );
    expect(await covisor('sched', '-c', 'gpu0', '-s', mine)).toMatchObject({ code: 0, err: '' });
    await progresses('left');
    const [gpu] = await hypervisor.coprocs();
    expect(gpu).toMatchObject({ scheduler: 'round-robin' });
    expect(gpu?.faults).toEqual([expect.stringMatching(/mine\.mjs: pick throws: no; round-robin decides/)]);
    expect((await covisor('dmesg')).out).toContain('mine.mjs: pick throws: no; round-robin decides');
    const { err } = await covisor('sched', '-c', 'gpu0', '-s', 'none.mjs');
    expect(err).toMatch(/the scheduler .*none\.mjs cannot be loaded: /);
    expect(await covisor('sched', '-c', 'gpu0', '-s', 'credit')).toMatchObject({ code: 0 });
  });

  it('gives a domain another coprocessor and takes it again, and keeps both over a reboot', async () => {
    await hypervisor.attach('left', 'gpu1', { firmware: 'spin' });
    await hypervisor.schedule('gpu0', 'left', { weight: 77 });
    expect(await covisor('reboot', 'left')).toMatchObject({ code: 0 });
    const left = (await hypervisor.vcoprocs()).filter(({ domain }) => domain === 'left');
    expect(left.map(({ id, parameters }) => [id, parameters])).toEqual([
      ['left/gpu0', { weight: 77 }],
      ['left/gpu1', {}],
    ]);
    await progresses('left');
    expect(await covisor('detach', 'left', 'gpu1')).toMatchObject({ code: 0 });
    await hypervisor.reboot('left');
    expect((await hypervisor.list())[1]?.name ?? '').not.toBe('');
    expect((await hypervisor.vcoprocs()).filter(({ domain }) => domain === 'left')).toHaveLength(1);
  });

  it('tells the scheduler of another stop deadline, or says why that cannot be', async () => {
    const attach = (): Promise<Ran> =>
      covisor('attach', 'left', 'gpu1,firmware=spin,period=50000,budget=5000');
    const within = (us: number): Promise<Ran> =>
      covisor('watchdog', '-c', 'gpu1', '--stop-deadline', `${us}`);
    expect(await covisor('sched', '-c', 'gpu1', '-s', 'edf')).toMatchObject({ code: 0 });
    expect((await attach()).err).toContain('a denial or a switch may take 640');
    expect(await within(20_000)).toMatchObject({ code: 0, err: '' });
    expect(await attach()).toMatchObject({ code: 0, err: '' });
    expect(await within(640_000)).toMatchObject({
      code: 2,
      err: expect.stringMatching(/^[^\n]*edf does not take left\/gpu1: [^\n]*640[^\n]* %\n$/),
    });
    expect((await covisor('watchdog', '-c', 'gpu1')).out).toContain('20.0 ms');
    await hypervisor.detach('left', 'gpu1');
    expect(await within(640_000)).toMatchObject({ code: 0 });
    expect(await covisor('sched', '-c', 'gpu1', '-s', 'round-robin')).toMatchObject({ code: 0 });
  });

  it('is as before when domains came and went, ten of them at once', async () => {
    const shape = async (): Promise<unknown> => {
      const { coprocs, vcoprocs, domains } = await hypervisor.state();
      return [
        coprocs.map(({ id, scheduler, timeslice }) => [id, scheduler, timeslice]),
        vcoprocs.map(({ id, firmware, parameters }) => JSON.stringify([id, firmware, parameters])).sort(),
        domains.map(({ name, memory }) => `${name} ${memory}`).sort(),
      ];
    };
    const before = await shape();
    for (let turn = 0; turn < 3; turn++) {
      const third = hypervisor.create(file('third'));
      await Promise.all([third, hypervisor.create(file('deaf')), hypervisor.reboot('left')]);
      await Promise.all([hypervisor.destroy('third'), hypervisor.destroy('deaf')]);
    }
    expect(await shape()).toEqual(before);
    await progresses('left');
  });

  it('takes the same domain through many commands at once, each with an answer', async () => {
    const asked = [
      hypervisor.create(file('third')),
      hypervisor.create(file('third')),
      hypervisor.reboot('third'),
      hypervisor.reboot('third'),
      hypervisor.destroy('third'),
    ];
    const answers = (await Promise.allSettled(asked)).map(({ status }) => status);
    expect(answers).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled', 'fulfilled']);
    expect(await stateOf('third')).toBeUndefined();
  });

  it('shows what became of a domain that ended, until its name is wanted again', async () => {
    for (const [name, state, letter] of [
      ['ends', 'finished', '---s--'],
      ['falls', 'crashed', '----c-'],
    ] as const) {
      await hypervisor.create(file(name));
      await until(async () => (await stateOf(name)) === state);
      expect((await covisor('list', '-d', name)).out).toContain(letter);
      expect(await covisor('create', file(name))).toMatchObject({ code: 0 });
      await until(async () => (await stateOf(name)) === state);
      expect(await covisor('reboot', name)).toMatchObject({ code: 0 });
      expect(await covisor('destroy', name)).toMatchObject({ code: 0 });
      expect(await stateOf(name)).toBeUndefined();
    }
    expect((await covisor('dmesg')).out).toContain('falls: crashed: Error: own fault');
  });

  it('asks a domain to shut down, and destroys one that does not listen', async () => {
    await Promise.all([hypervisor.create(file('third')), hypervisor.create(file('deaf'))]);
    expect(await covisor('shutdown', 'third')).toMatchObject({ code: 0 });
    await until(async () => (await stateOf('third')) === 'finished');
    expect(await covisor('shutdown', 'deaf')).toMatchObject({ code: 0 });
    expect(await stateOf('deaf')).toBeUndefined();
    await hypervisor.destroy('third');
  });

  it('told who follows of all that happened, in order', async () => {
    await until(() =>
      events.some((event) => 'kind' in event && event.kind === 'domain' && event.domain === 'deaf'),
    );
    const times = events.flatMap((event) => ('at' in event && event.kind === 'domain' ? [event.at] : []));
    expect(times).toEqual([...times].sort((a, b) => a - b));
    const lives = events.flatMap((event) =>
      'kind' in event && event.kind === 'domain' && event.domain === 'ends' ? [event.state] : [],
    );
    expect(lives.slice(0, 4)).toEqual(['running', 'finished', 'destroyed', 'running']);
  });

  it('goes down whatever it does, also while a domain is created, and leaves no socket', async () => {
    const creates = [file('third'), file('deaf')].map((path) =>
      hypervisor.create(path).catch(() => 'refused'),
    );
    const reboots = hypervisor.reboot('left').catch(() => 'refused');
    isDown = true;
    expect(await covisor('down')).toMatchObject({ code: 0 });
    await Promise.all([...creates, reboots]);
    expect(await up).toMatchObject({ code: 0, err: expect.stringContaining('Two GPUs is up, socket') });
    await hypervisor.closed;
    expect(existsSync(socket)).toBe(false);
    expect(await covisor('list')).toMatchObject({
      code: 3,
      err: expect.stringContaining('start one with covisor up'),
    });
  });
});
