import { EventEmitter } from 'node:events';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { instant, seconds, us } from '../../src/base/units.ts';
import { vcoprocId, coprocId, domainId } from '../../src/contract/names.ts';
import type { LiveSnapshot } from '../../src/observe/live-snapshot.ts';
import { liveSnapshot } from '../../src/observe/live-snapshot.ts';
import { liveText, liveView } from '../../src/observe/live.ts';
import { syntheticRun } from './fixtures.ts';

const { report } = syntheticRun();
const snapshotAt = (at: number, before?: LiveSnapshot): LiveSnapshot =>
  liveSnapshot(
    instant(at),
    report,
    ({ id }) => ({
      state: 'running',
      owner: report.vcoprocs.find(({ coproc }) => coproc === id)!.id,
      sliceLeft: us(820),
    }),
    before,
  );

function terminal(columns: number): { stream: NodeJS.WriteStream; text: () => string } {
  const written: string[] = [];
  const stream = Object.assign(new EventEmitter(), {
    columns,
    rows: 40,
    isTTY: false,
    write: (text: string) => written.push(text) > 0,
  });
  return { stream: stream as unknown as NodeJS.WriteStream, text: () => written.join('') };
}

afterEach(() => vi.unstubAllEnvs());

describe('the live table', () => {
  test('shows who has each coprocessor and how each vcoproc fares', () => {
    const text = liveText(snapshotAt(2e9), 140, false).join('\n');
    expect(text).toMatch(/gpu0 +running +cluster\/gpu0 +820 us +60 +8 +2 +83 % +█{8}░░/);
    expect(text).toMatch(/camera\/dsp0 +gone +95\.5 ms +41 % +█{4}░{6} +180\/180 +180 +2\.10 ms +4\.40 ms/);
  });

  test('keeps every figure that people ask for at 80 columns', () => {
    const text = liveText(snapshotAt(2e9), 80, false).join('\n');
    for (const head of [
      'slice left',
      'switches/s',
      'denials',
      'share',
      'commands',
      'irqs',
      'wait p50',
      'p99',
    ]) {
      expect(text).toContain(head);
    }
  });

  test.each([120, 80, 60, 40, 20])(
    'never reaches the last of %i columns, with colours or without',
    (width) => {
      for (const color of [false, true]) {
        for (const line of liveText(snapshotAt(2e9), width, color)) {
          expect(stripVTControlCharacters(line).length).toBeLessThan(width);
        }
      }
    },
  );

  test('does not let a name move the cursor or add a line', () => {
    const evil = vcoprocId(domainId('\u001b[2J\u001b]0;x\u0007a\nb'), coprocId('gpu0'));
    const [first] = report.vcoprocs;
    const snapshot = { ...snapshotAt(1e9), vcoprocs: [{ ...first!, id: evil }] };
    const text = liveText(snapshot, 200, false).join('\n');
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u007f]/);
    expect(text).toContain('a b/gpu0');
  });

  test('counts switches per second since the snapshot before', () => {
    const before = snapshotAt(1e9);
    const [gpu, ...rest] = before.coprocs;
    const fewer = { ...gpu!, figures: { ...gpu!.figures, switches: gpu!.figures.switches - 30 } };
    const next = snapshotAt(1.5e9, { ...before, coprocs: [fewer, ...rest] });
    expect(next.coprocs.map((coproc) => coproc.switchesPerSecond)).toEqual([60, 0]);
    expect(snapshotAt(0).coprocs[0]!.switchesPerSecond).toBe(0);
  });
});

describe('the live view', () => {
  test('prints plain lines off a terminal: one a second, then one for ten, no escapes', () => {
    const { stream, text } = terminal(80);
    const view = liveView({ stream, interactive: false, color: true });
    for (let at = 0; at <= seconds(30); at += seconds(0.25)) view.update(snapshotAt(at));
    view.end();
    const lines = text().trimEnd().split('\n');
    expect(lines).toHaveLength(9 + 3);
    expect(text()).not.toMatch(/\u001b/);
    expect(lines[0]).toBe(
      '1.00 s | gpu0 running cluster/gpu0, 82.8 % busy, 120 switches | ' +
        'dsp0 running media/dsp0, 83.3 % busy, 120 switches | 720 of 720 commands ok',
    );
  });

  test('draws in place on a terminal and leaves the last table there', () => {
    const { stream, text } = terminal(100);
    const view = liveView({ stream, interactive: true, color: false });
    view.update(snapshotAt(1e9));
    view.update(snapshotAt(2e9));
    view.end();
    expect(text()).toContain('running 1.00 s');
    expect(text()).toContain('\u001b[');
    expect(stripVTControlCharacters(text())).toContain('cluster/gpu0');
  });

  test('uses no colour when NO_COLOR is set', () => {
    const colours = /\u001b\[(?:2|3\d)m/;
    for (const [value, expected] of [
      ['1', false],
      ['', true],
    ] as const) {
      vi.stubEnv('NO_COLOR', value);
      const { stream, text } = terminal(100);
      liveView({ stream, interactive: true, color: true }).update(snapshotAt(1e9));
      expect(colours.test(text())).toBe(expected);
    }
  });
});
