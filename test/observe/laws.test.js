import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ns } from '../../src/base/units.js';
import { coprocId, domainId } from '../../src/contract/names.js';
import { checkLaws } from '../../src/observe/laws.js';
import { syntheticRun } from './fixtures.js';
const { report } = syntheticRun();
/** The report with the number at `path` moved by `by`. */
function nudged(path, by) {
  const copy = structuredClone(report);
  let place = copy;
  for (const key of path.slice(0, -1)) place = place[key];
  const last = path.at(-1);
  place[last] = place[last] + by;
  return copy;
}
const lawful = [
  ...report.coprocs.flatMap((_, coproc) =>
    ['running', 'switching', 'idle', 'faulted', 'wall'].map((field) => ['coprocs', coproc, field]),
  ),
  ...report.vcoprocs.flatMap((_, vcoproc) => [
    ...['submitted', 'ok', 'failed', 'cancelled'].map((field) => ['vcoprocs', vcoproc, 'commands', field]),
    ...['raised', 'delivered', 'pending', 'dropped'].map((field) => [
      'vcoprocs',
      vcoproc,
      'interrupts',
      field,
    ]),
  ]),
];
describe('the laws on the figures of a run', () => {
  test('hold on runs that obey them, whatever their shape', () => {
    fc.assert(
      fc.property(fc.integer(), fc.integer({ min: 0, max: 40 }), (seed, slices) => {
        expect(checkLaws(syntheticRun({ seed, slices }).report)).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });
  test('notice one figure that is off by any amount, and name whose it is', () => {
    const amount = fc.integer({ min: -1_000_000, max: 1_000_000 }).filter((by) => by !== 0);
    fc.assert(
      fc.property(fc.constantFrom(...lawful), amount, (path, by) => {
        const [list, place] = path;
        const laws = checkLaws(nudged(path, by));
        expect(laws.length).toBeGreaterThan(0);
        expect(laws[0]).toContain(report[list][place].id);
      }),
    );
  });
  test('say by how much time does not add up', () => {
    const { running, switching, idle, faulted, wall } = report.coprocs[0];
    expect(checkLaws(nudged(['coprocs', 0, 'idle'], 1))).toEqual([
      `gpu0: running ${running} + switching ${switching} + idle ${idle + 1} + faulted ${faulted} = ${wall + 1} ns, ` +
        `but wall is ${wall} ns`,
    ]);
  });
  test('notice a negative figure even when the sum is right', () => {
    const [first, ...rest] = report.coprocs;
    const moved = { ...first, idle: ns(-5), running: ns(first.running + first.idle + 5) };
    expect(checkLaws({ ...report, coprocs: [moved, ...rest] })).toEqual([
      'gpu0: idle time is -5, not a whole number of nanoseconds from 0 up',
    ]);
  });
  test('want every vcoproc to belong to a domain and a coprocessor of the report', () => {
    const [first, ...rest] = report.vcoprocs;
    const stray = { ...first, domain: domainId('ghost'), coproc: coprocId('npu9') };
    expect(checkLaws({ ...report, vcoprocs: [stray, ...rest] })).toEqual([
      'cluster/gpu0: its domain ghost is not in the report',
      'cluster/gpu0: its coprocessor npu9 is not in the report',
    ]);
  });
  test('want no name twice, and no more time given than there was', () => {
    expect(checkLaws({ ...report, domains: [...report.domains, report.domains[0]] })).toEqual([
      'domain cluster is reported more than once',
    ]);
    const [first, ...rest] = report.vcoprocs;
    const greedy = { ...first, time: ns(report.wall + 1) };
    expect(checkLaws({ ...report, vcoprocs: [greedy, ...rest] }).join()).toContain(
      'gpu0: its vcoprocs had it for',
    );
  });
});
