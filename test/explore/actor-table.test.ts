import { expect, it } from 'vitest';
import { instant } from '../../src/base/units.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import { coprocId, domainId, vcoprocId } from '../../src/contract/names.ts';
import { actorTable } from '../../src/explore/actor-table.ts';

const [left, dsp0] = [domainId('left'), coprocId('dsp0')];
const copier = vcoprocId(left, dsp0);
const events: readonly TraceEvent[] = [
  { at: instant(0), kind: 'domain', domain: left, state: 'running', reason: null },
  { at: instant(35_100), kind: 'coproc', coproc: dsp0, state: 'running', vcoproc: copier },
  { at: instant(2_000), kind: 'vcoproc', vcoproc: copier, state: 'waiting' },
  { at: instant(2_000), kind: 'log', domain: left, line: 'waits' },
];

it('the table of a run goes forward in time, whatever was told when, and keeps what was told at one instant', () => {
  expect(actorTable(events, ['left', 'dsp0'])).toBe(
    [
      '   time | left         | dsp0',
      '--------+--------------+------------------',
      '   0 ns | running      |',
      '2.00 us | dsp0 waiting |',
      '2.00 us | waits        |',
      '35.1 us |              | running left/dsp0',
      '',
    ].join('\n'),
  );
});

it('the last rows of a table are the last in time', () => {
  expect(actorTable(events, ['left', 'dsp0'], 1)).toMatch(/^\(3 events before\)\n.*\n.*\n35\.1 us \|/);
});
