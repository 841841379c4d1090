import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Connection } from '../../../src/toolstack/control/client.ts';
import { connected, until } from '../staying.ts';
import { Systems, covisor, domainFile, guest, type Said } from '../systems.ts';

const systems = new Systems();
const runtime = mkdtempSync(join(tmpdir(), 'covisor-faults-'));
const socket = join(runtime, 'c.sock');

/** Always has work, until it is asked to end. */
const BUSY = guest(`
  const gpu = domain.coproc('gpu0');
  let on = true;
  domain.onShutdown(() => (on = false));
  while (on) {
    const { status } = await gpu.submit({ op: 4, args: [2000] });
    if (status === 'cancelled') return;
  }`);
const busy = (name: string): string => domainFile(name).replace('firmware=noop', 'firmware=spin');
const folder = systems.make({
  'domains/left.cfg': busy('left'),
  'domains/right.cfg': busy('right'),
  'guests/left.js': BUSY,
  'guests/right.js': BUSY,
});

const fault = (verb: string, ...args: string[]): Promise<Said> =>
  covisor(['fault', verb, '--socket', socket, ...args]);

describe('a system that is up with --faults', () => {
  let up: Promise<Said>;
  let system: Connection;
  beforeAll(async () => {
    up = covisor(['up', folder, '--faults', '--socket', socket]);
    system = await connected(socket, up);
  });
  afterAll(async () => {
    system.close();
    await covisor(['down', '--socket', socket]);
    expect((await up).code).toBe(0);
    systems.remove();
    rmSync(runtime, { recursive: true });
  });
  const done = async (): Promise<number> =>
    (await system.vcoprocs()).reduce((total, { commands }) => total + commands.ok, 0);

  it('has a coprocessor killed, goes on, and says what became of it', async () => {
    expect((await fault('inject', 'kill', 'gpu0')).code).toBe(0);
    await until(async () => (await system.coprocs())[0]!.resets === 1);
    const before = await done();
    await until(async () => (await done()) > before + 5);
    const [report] = await system.faults();
    expect(report).toMatchObject({ kind: 'kill', times: 1 });
    expect(report!.became).not.toBe('never happened');
    expect((await fault('list')).stdout).toContain('kill coproc=gpu0');
  }, 30_000);

  it('loses interrupts of one line of one domain, and doorbells of one queue; nobody loses more than time', async () => {
    const failed = async (): Promise<number> =>
      (await system.vcoprocs()).reduce((total, { commands }) => total + commands.failed, 0);
    const before = await failed();
    for (const words of [
      ['lose-interrupts', 'gpu0', 'domain=left', 'line=0', 'count=2'],
      ['drop-doorbells', 'gpu0', 'domain=left', 'queue=0', 'count=2'],
    ]) {
      expect((await fault('inject', ...words)).code).toBe(0);
      await until(async () => (await system.faults()).at(-1)!.became === 'recovered');
    }
    const upTo = await done();
    await until(async () => (await done()) > upTo + 5);
    expect(await failed()).toBe(before);
  }, 30_000);

  it('waits for the moment of a fault, and says that it did not come', async () => {
    expect((await fault('inject', 'crash-guest', 'left', 'event=no-such', 'nth=3')).code).toBe(0);
    expect((await system.faults()).at(-1)).toMatchObject({ times: 0, became: 'never happened' });
  });

  it.each([
    [['kill', 'gpu7'], /no coprocessor gpu7; expected one of gpu0/],
    [['flip-bit', 'nobody/gpu0', 'bit=0.3'], /no vcoproc nobody\/gpu0/],
    [['crash-guest', 'nobody'], /no domain nobody/],
    [['kil', 'gpu0'], /kil/],
    [['stall', 'gpu0'], /for/],
    [
      ['corrupt-ring', 'left/gpu0', 'queue=7'],
      /no queue 7 of left\/gpu0; it has 1, of which 0 is the default/,
    ],
    [['corrupt-ring', 'left/gpu0', 'queue=-1'], /queue/],
    [['drop-doorbells', 'gpu0', 'count=1', 'queue=0'], /queue 0 is a domain's; expected domain/],
    [['drop-doorbells', 'gpu0', 'count=1', 'domain=nobody', 'queue=0'], /no domain nobody/],
    [['lose-interrupts', 'gpu0', 'count=1', 'domain=left', 'line=32'], /line/],
  ])('refuses %j in one line', async (args, said) => {
    const before = (await system.faults()).length;
    const { code, stdout, stderr } = await fault('inject', ...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(said);
    expect(stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(await system.faults()).toHaveLength(before);
  });
});
