import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import type { RunReport } from '../../src/contract/report.ts';
import { checkLaws } from '../../src/observe/laws.ts';
import { SYSTEM, Systems, covisor, domainFile, guest } from './systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

const BOARD = { clock: 100_000_000, switching: 200, dma: 20, interrupt: 3_000 };
type Board = typeof BOARD;

const COPIES = guest(`
  const gpu = domain.coproc('gpu0');
  const [from, to] = [domain.memory.allocate(8192), domain.memory.allocate(8192)];
  const args = [gpu.map(from, 'read'), gpu.map(to, 'write'), 8192];
  for (let i = 0; i < 12; i++) await gpu.submit({ op: 2, args });
`);

/** Two domains that copy all the time, on a board of these figures. */
const board = ({ clock, switching, dma, interrupt }: Board): string =>
  systems.make({
    'system.dts': SYSTEM.replace('timeslice-us = <1000>', 'timeslice-us = <800>').replace(
      'covisor,local-memory',
      `clock-frequency = <${clock}>;
		covisor,switch-bandwidth-mbps = <${switching}>;
		covisor,dma-bandwidth-mbps = <${dma}>;
		covisor,interrupt-latency-ns = <${interrupt}>;
		covisor,local-memory`,
    ),
    ...Object.fromEntries(
      ['left', 'right'].flatMap((name) => [
        [`domains/${name}.cfg`, domainFile(name).replace('noop', 'stream')],
        [`guests/${name}.js`, COPIES],
      ]),
    ),
  });

const simulate = (folder: string, ...more: string[]): ReturnType<typeof covisor> =>
  covisor(['run', folder, '--runtime', 'simulated', ...more]);

/** What a run in simulation says of a board with these figures. */
async function predicted(changes: Partial<Board>) {
  const { stdout } = await simulate(board({ ...BOARD, ...changes }), '--json', '--quiet', '--no-files');
  const report = JSON.parse(stdout) as RunReport;
  expect([report.ok, checkLaws(report)]).toEqual([true, []]);
  const { prediction, coprocs } = report;
  const [{ perSecond, latency }, { running, switches, switching }] = [prediction!.work[0]!, coprocs[0]!];
  return { perSecond, p50: latency.p50, running, perSwitch: switching / switches, board: prediction!.board };
}

describe('a simulated run is a prediction', () => {
  const before = predicted({});

  test('that names the figures of the device tree', async () => {
    expect((await before).board).toEqual([
      {
        coproc: 'gpu0',
        clock: BOARD.clock,
        switchBandwidth: BOARD.switching * 1e6,
        dmaBandwidth: BOARD.dma * 1e6,
        interruptLatency: BOARD.interrupt,
      },
    ]);
  });

  test('of less work in the same time, and more of it, at twice the clock', async () => {
    const [{ running, perSecond, p50 }, after] = [await before, await predicted({ clock: 2 * BOARD.clock })];
    expect(after.running).toBeLessThan(running);
    expect(after.running).toBeGreaterThan(running / 2);
    expect(after.perSecond).toBeGreaterThan(perSecond);
    expect(after.p50).toBeLessThan(p50);
  });

  test('of switches that take about twice as long at half the switch bandwidth', async () => {
    const [{ perSwitch, perSecond }, after] = [
      await before,
      await predicted({ switching: BOARD.switching / 2 }),
    ];
    expect(after.perSwitch / perSwitch).toBeGreaterThan(1.8);
    expect(after.perSwitch / perSwitch).toBeLessThan(2.05);
    expect(after.perSecond).toBeLessThan(perSecond);
  });

  test('of more time for the same copies at half the DMA bandwidth', async () => {
    const [{ running, perSecond }, after] = [await before, await predicted({ dma: BOARD.dma / 2 })];
    // Read and written once, by two domains, twelve times.
    const moved = 2 * 2 * 12 * 8192;
    const longer = (moved / (BOARD.dma * 1e6)) * 1e9;
    // What is done while a context drains counts as switching.
    expect((after.running - running) / longer).toBeGreaterThan(0.8);
    expect((after.running - running) / longer).toBeLessThan(1.05);
    expect(after.perSecond).toBeLessThan(perSecond);
  });

  test('of commands that take longer when interrupts do', async () => {
    const after = await predicted({ interrupt: 100 * BOARD.interrupt });
    expect(after.p50).toBeGreaterThan((await before).p50 + 90 * BOARD.interrupt);
  });

  test('in its summary and on its page, which say that it is one', async () => {
    const out = systems.path('predicted');
    const { stdout } = await simulate(board(BOARD), '--out', out);
    expect(stdout).toContain('predicted for the described board, not measured on one\n');
    expect(stdout).toMatch(/^ +gpu0 +100 MHz +200 MB\/s +20 MB\/s +3\.00 us +[\d.]+ % +[\d.]+ %$/m);
    expect(stdout).toMatch(/^ +left\/gpu0 +\d+ +[\d.]+ ms +[\d.]+ ms +[\d.]+ ms +[\d.]+ (?:ms|us|ns)$/m);
    const page = readFileSync(join(out, 'report.html'), 'utf8');
    for (const text of ['Predicted for the described board', '100 MHz', '20 MB/s', 'Left out: caches'])
      expect(page).toContain(text);
  });

  test('and a run on threads is none', async () => {
    const { stdout } = await covisor(['run', board(BOARD), '--json', '--quiet', '--no-files']);
    expect(JSON.parse(stdout)).not.toHaveProperty('prediction');
  });
});
