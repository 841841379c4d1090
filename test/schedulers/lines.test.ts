import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Lines } from '../../src/schedulers/lines.ts';

const inLine = (lines: Lines, line: number): number[] => {
  const found: number[] = [];
  for (let next = lines.first(line); next !== undefined; next = lines.behind(next)) found.push(next);
  return found;
};

describe('lines', () => {
  it('serve as they came, whoever leaves them, and know both of their ends', () => {
    const step = fc.record({ member: fc.nat(9), line: fc.nat(2) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100, size: 'max' }), (steps) => {
        const lines = new Lines(3);
        for (let member = 0; member < 10; member++) lines.admit(member);
        const model: number[][] = [[], [], []];
        for (const { member, line } of steps) {
          const before = model.findIndex((members) => members.includes(member));
          expect(lines.of(member)).toBe(before < 0 ? undefined : before);
          // Whoever stands in one leaves, whoever does not comes.
          if (before < 0) {
            lines.append(line, member);
            model[line]!.push(member);
          } else {
            lines.remove(member);
            model[before] = model[before]!.filter((other) => other !== member);
          }
          expect(model.map((_, at) => inLine(lines, at))).toEqual(model);
          expect(model.map((_, at) => [lines.first(at), lines.last(at)])).toEqual(
            model.map((members) => [members[0], members.at(-1)]),
          );
        }
      }),
    );
  });
});
