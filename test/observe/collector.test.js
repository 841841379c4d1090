import { describe, expect, test } from 'vitest';
import { instant } from '../../src/base/units.js';
import { domainId } from '../../src/contract/names.js';
import { traceCollector } from '../../src/observe/collector.js';
import { syntheticRun } from './fixtures.js';
const { trace } = syntheticRun();
const isDetail = ({ kind }) => ['submit', 'complete', 'interrupt'].includes(kind);
describe('the trace collector', () => {
  test('gives back exactly the events that it was given, in their order', () => {
    const collector = traceCollector();
    trace.forEach(collector.sink);
    expect(collector.events()).toEqual(trace);
    expect(collector.losses()).toEqual([]);
    expect(collector.endsAt()).toBeUndefined();
  });
  test('writes the same tape for the same events, whatever the order of their keys', () => {
    const turned = trace.map((event) => Object.fromEntries(Object.entries(event).reverse()));
    const [one, two] = [traceCollector(), traceCollector()];
    trace.forEach(one.sink);
    turned.forEach(two.sink);
    expect(one.tape()).toBe(two.tape());
    expect(
      one
        .tape()
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(trace);
  });
  test('lets go of submits, completions and interrupts first, and says how many', () => {
    const rest = trace.filter((event) => !isDetail(event));
    const collector = traceCollector({ events: rest.length + 10, text: 10_000 });
    trace.forEach(collector.sink);
    expect(collector.events()).toEqual(rest);
    expect(collector.losses()).toEqual([
      `trace over its limit: ${trace.length - rest.length} submits, completions and interrupts were not kept`,
    ]);
  });
  test('keeps the beginning when even that is too much, and says where it ends', () => {
    const collector = traceCollector({ events: 50, text: 10_000 });
    trace.forEach(collector.sink);
    const rest = trace.filter((event) => !isDetail(event));
    expect(collector.events()).toEqual(rest.slice(0, 50));
    expect(collector.endsAt()).toBe(rest[50].at);
    expect(collector.losses()).toHaveLength(2);
  });
  test('bounds the text of endless different log lines', () => {
    const collector = traceCollector({ events: 1000, text: 1000 });
    for (let line = 0; line < 500; line++) {
      collector.sink({
        at: instant(line),
        kind: 'log',
        domain: domainId('chatty'),
        line: `line ${line} ${'x'.repeat(50)}`,
      });
    }
    expect(collector.tape().length).toBeLessThan(60_000);
    expect(collector.losses().join()).toContain('the text of');
    expect(collector.events()).toHaveLength(500);
  });
  test('keeps null apart from text and false apart from zero', () => {
    const events = [
      { at: instant(1), kind: 'domain', domain: domainId('a'), state: 'crashed', reason: '' },
      { at: instant(2), kind: 'domain', domain: domainId('a'), state: 'crashed', reason: null },
      ...trace.filter(({ kind }) => kind === 'fault'),
    ];
    const collector = traceCollector();
    events.forEach(collector.sink);
    expect(collector.events()).toEqual(events);
  });
});
