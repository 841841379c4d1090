import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { instant, ns } from '../../../src/base/units.ts';
import { syntheticRun } from '../fixtures.ts';
import { pageData } from '../../../src/observe/report-page/page-data.ts';
import type { Span } from '../../../src/observe/timeline.ts';
import { timeline } from '../../../src/observe/timeline.ts';

/** LEB128, read with big integers: independent of how the page reads it. */
function numbers(base64: string): number[] {
  const read: number[] = [];
  let number = 0n;
  let shift = 0n;
  for (const byte of Buffer.from(base64, 'base64')) {
    number |= BigInt(byte & 127) << shift;
    shift += 7n;
    if (byte >= 128) continue;
    read.push(Number(number));
    number = 0n;
    shift = 0n;
  }
  return read;
}

describe('the data of the page', () => {
  test('carries spans of any length exactly, up to days in nanoseconds', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 2 ** 50 }), { minLength: 1, maxLength: 6 }),
        (lengths) => {
          let start = 0;
          const spans = lengths.map((length): Span => {
            const span = {
              start: instant(start),
              end: instant(start + length),
              phase: 'idle' as const,
              owner: null,
            };
            start += length;
            return span;
          });
          const data = pageData(
            { wall: ns(start), rows: [{ kind: 'coproc', name: 'gpu0', spans }], marks: [] },
            [],
          );
          expect(numbers(data.rows[0]!.spans).filter((_, place) => place % 2 === 0)).toEqual(lengths);
        },
      ),
    );
  });

  test('carries who had each span, and each mark with its time, row and text', () => {
    const { report, trace } = syntheticRun();
    const lines = timeline(report, trace);
    const data = pageData(
      lines,
      report.vcoprocs.map(({ id }) => id),
    );
    data.rows.forEach(({ spans, count }, place) => {
      const codes = numbers(spans).filter((_, index) => index % 2 === 1);
      expect(codes).toHaveLength(count);
      const read = codes.map((code) => ({
        phase: data.phases[code % data.phases.length],
        owner: data.owners[Math.floor(code / data.phases.length) - 1] ?? null,
      }));
      expect(read).toEqual(lines.rows[place]!.spans.map(({ phase, owner }) => ({ phase, owner })));
    });
    const marks = numbers(data.marks);
    let at = 0;
    const read = Array.from({ length: data.markCount }, (_, mark) => {
      const [delta, kind, row, text] = marks.slice(4 * mark, 4 * mark + 4);
      at += delta!;
      return [at, data.markKinds[kind!], row, data.texts[text!]];
    });
    expect(read).toEqual(
      lines.marks.flatMap((mark) => mark.rows.map((row) => [mark.at, mark.kind, row, mark.text])),
    );
  });
});
