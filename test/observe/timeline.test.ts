import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { instant, ns } from '../../src/base/units.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import type { RunReport } from '../../src/contract/report.ts';
import { COPROC_STATES, VCOPROC_STATES } from '../../src/contract/states.ts';
import type { Row } from '../../src/observe/timeline.ts';
import { timeline, waits } from '../../src/observe/timeline.ts';
import { syntheticRun } from './fixtures.ts';

const { report, trace } = syntheticRun();
const WALL = 1000;
const short: RunReport = { ...report, wall: ns(WALL) };
const gpu = report.coprocs[0]!.id;
const onGpu = report.vcoprocs.filter(({ coproc }) => coproc === gpu).map(({ id }) => id);

const eventAt = fc.oneof(
  fc.record({
    kind: fc.constant('coproc' as const),
    coproc: fc.constant(gpu),
    state: fc.constantFrom(...COPROC_STATES),
    vcoproc: fc.constantFrom(...onGpu, null),
  }),
  fc.record({
    kind: fc.constant('vcoproc' as const),
    vcoproc: fc.constantFrom(...onGpu),
    state: fc.constantFrom(...VCOPROC_STATES),
  }),
);
/** Any trace in the order of time, with several events at one instant and some past the end. */
const anyTrace = fc
  .array(fc.tuple(fc.integer({ min: 0, max: WALL + 100 }), eventAt), { maxLength: 60 })
  .map((events) =>
    events.sort(([a], [b]) => a - b).map(([at, event]): TraceEvent => ({ at: instant(at), ...event })),
  );

const at = (row: Row, time: number) => row.spans.find(({ start, end }) => start <= time && time < end);

describe('the timeline', () => {
  test('tiles the whole run with spans, row by row, without a gap, an overlap or an empty span', () => {
    fc.assert(
      fc.property(
        anyTrace,
        fc.option(fc.integer({ min: 0, max: WALL }), { nil: undefined }),
        (events, end) => {
          for (const { spans } of timeline(short, events, end === undefined ? undefined : instant(end))
            .rows) {
            expect(spans[0]!.start).toBe(0);
            expect(spans.at(-1)!.end).toBe(WALL);
            spans.forEach((span, place) => {
              expect(span.end).toBeGreaterThan(span.start);
              const next = spans[place + 1];
              if (next === undefined) return;
              expect(next.start).toBe(span.end);
              expect([next.phase, next.owner]).not.toEqual([span.phase, span.owner]);
            });
          }
        },
      ),
    );
  });

  test('shows at every instant what the last event before it said', () => {
    fc.assert(
      fc.property(anyTrace, fc.integer({ min: 0, max: WALL - 1 }), (events, time) => {
        const before = events.filter((event) => event.at <= time);
        const last = before.findLast((event) => event.kind === 'coproc');
        const state = last?.state ?? 'idle';
        const owner = state === 'idle' ? null : last!.vcoproc;
        const { rows } = timeline(short, events);
        expect(at(rows[0]!, time)).toMatchObject({ phase: state, owner });
        const [one] = onGpu;
        const own = before.findLast((event) => event.kind === 'vcoproc' && event.vcoproc === one);
        const away = own?.kind === 'vcoproc' ? own.state : 'sleeping';
        const waiting = away === 'running' || away === 'askedToSleep' ? 'waiting' : away;
        expect(at(rows[1]!, time)!.phase).toBe(owner === one ? state : waiting);
      }),
    );
  });

  test('is the same in whatever order the events are told', () => {
    const late = (events: readonly TraceEvent[]): TraceEvent[] => [
      ...events.filter(({ kind }) => kind !== 'coproc'),
      ...events.filter(({ kind }) => kind === 'coproc'),
    ];
    fc.assert(
      fc.property(anyTrace, (events) => {
        const once = events.filter(({ at: time }, place) => time !== events[place - 1]?.at);
        expect(timeline(short, late(once))).toEqual(timeline(short, once));
        expect(waits(late(once))).toEqual(waits(once));
      }),
    );
  });

  test('adds up to the account of the run, exactly', () => {
    const { rows } = timeline(report, trace);
    for (const coproc of report.coprocs) {
      const { spans } = rows.find(({ name }) => name === coproc.id)!;
      const total = (...phases: string[]): number =>
        spans
          .filter(({ phase }) => phases.includes(phase))
          .reduce((sum, { start, end }) => sum + end - start, 0);
      expect(total('running')).toBe(coproc.running);
      expect(total('saving', 'loading', 'denySwitch')).toBe(coproc.switching);
      expect(total('idle')).toBe(coproc.idle);
      expect(total('faulted')).toBe(coproc.faulted);
    }
    for (const { id, time } of report.vcoprocs) {
      const { spans } = rows.find(({ name }) => name === id)!;
      const had = spans
        .filter(({ phase }) => phase === 'running')
        .reduce((sum, { start, end }) => sum + end - start, 0);
      expect(had).toBe(time);
    }
  });

  test('puts each vcoproc below its coprocessor', () => {
    expect(timeline(report, []).rows.map(({ name }) => name)).toEqual([
      'gpu0',
      'cluster/gpu0',
      'assist/gpu0',
      'dsp0',
      'media/dsp0',
      'camera/dsp0',
    ]);
  });

  test('is unknown from where the trace was not kept', () => {
    const { rows } = timeline(short, [], instant(400));
    for (const { spans } of rows)
      expect(spans.at(-1)).toMatchObject({ start: 400, end: WALL, phase: 'unknown' });
  });

  test('marks faults, denials and interrupts on the rows that they belong to', () => {
    const { marks, rows } = timeline(report, trace);
    const names = (kind: string): Set<string> =>
      new Set(
        marks
          .filter((mark) => mark.kind === kind)
          .map((mark) => mark.rows.map((row) => rows[row]!.name).join()),
      );
    expect(names('interrupt')).toEqual(new Set(report.vcoprocs.map(({ id }) => id)));
    expect(names('fault')).toEqual(new Set(report.vcoprocs.map(({ id, coproc }) => `${coproc},${id}`)));
    expect(marks.filter(({ kind }) => kind === 'denied')).toHaveLength(18);
    expect(marks.map((mark) => mark.at)).toEqual(marks.map((mark) => mark.at).sort((a, b) => a - b));
  });
});

describe('waits', () => {
  test('run from becoming ready to running; a wait that ends in sleep is none', () => {
    const [id] = onGpu;
    const said = (time: number, state: (typeof VCOPROC_STATES)[number]): TraceEvent => ({
      at: instant(time),
      kind: 'vcoproc',
      vcoproc: id!,
      state,
    });
    const events = [
      said(5, 'waiting'),
      said(7, 'waiting'),
      said(9, 'running'),
      said(12, 'waiting'),
      said(20, 'sleeping'),
      said(30, 'running'),
    ];
    expect([...waits(events)]).toEqual([[id, [4]]]);
  });
});
