import { expect, it } from 'vitest';
import type { SystemState } from '../../../src/toolstack/control/protocol.ts';
import { topRows, topText } from '../../../src/toolstack/commands/top-table.ts';

const spread = { count: 0, p50: 0, p99: 0, max: 0 };

/** A state after `seconds` in which vcoprocs had so much of the coprocessor, in seconds, and did so many commands. */
function state(seconds: number, had: Readonly<Record<string, readonly [number, number]>>): SystemState {
  const coproc = {
    id: 'gpu0',
    scheduler: 'credit',
    timeslice: 1e6,
    denials: 0,
    resets: 0,
    switches: 10 * seconds,
  };
  const vcoprocs = Object.entries(had).map(([name, [time, ok]]) => ({
    id: `${name}/gpu0`,
    domain: name,
    coproc: 'gpu0',
    state: 'running',
    time: time * 1e9,
    wait: spread,
    commands: { submitted: ok, ok, failed: 0, cancelled: 0 },
    parameters: { weight: 7 },
  }));
  return {
    at: seconds * 1e9,
    model: 'A board',
    coprocs: [
      { ...coproc, running: seconds * 5e8, wall: seconds * 1e9, now: { state: 'running', owner: 'a/gpu0' } },
    ],
    vcoprocs,
    domains: Object.keys(had).map((name) => ({ name, state: 'running' })),
  } as unknown as SystemState;
}

const before = state(10, { a: [9, 100], b: [1, 10] });
const now = state(12, { a: [9.5, 110], b: [2, 40] });

it('counts shares and rates since the look before, not since the start', () => {
  const rows = topRows({ state: now, before, sort: 'share' });
  expect(rows.map(({ vcoproc, share, commandsPerSecond }) => [vcoproc.id, share, commandsPerSecond])).toEqual(
    [
      ['b/gpu0', 0.5, 15],
      ['a/gpu0', 0.25, 5],
    ],
  );
  const first = topRows({ state: before, before: undefined, sort: 'share' });
  expect(first.map(({ vcoproc, share }) => [vcoproc.id, share])).toEqual([
    ['a/gpu0', 0.9],
    ['b/gpu0', 0.1],
  ]);
});

it('counts a domain that was rebooted from its new beginning', () => {
  const rebooted = state(12, { a: [0.5, 4], b: [2, 40] });
  const [, a] = topRows({ state: rebooted, before, sort: 'share' });
  expect(a).toMatchObject({ share: 0.25, commandsPerSecond: 2 });
});

it('sorts as asked', () => {
  const order = (sort: 'time' | 'name' | 'share'): string[] =>
    topRows({ state: now, before, sort }).map(({ vcoproc }) => vcoproc.domain);
  expect([order('time'), order('name'), order('share')]).toEqual([
    ['a', 'b'],
    ['a', 'b'],
    ['b', 'a'],
  ]);
});

it('fits the terminal, and marks the selected line alone', () => {
  for (const width of [30, 60, 100]) {
    const lines = topText({ state: now, before, sort: 'name', width, color: false });
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(width);
    expect(lines.some((line) => line.startsWith('a/gpu0'))).toBe(true);
  }
  const colored = topText({ state: now, before, sort: 'name', width: 100, color: true, selected: 'b/gpu0' });
  const inverse = colored.filter((line) => line.includes('\u001b[7m'));
  expect(inverse).toEqual([expect.stringContaining('b/gpu0')]);
});
