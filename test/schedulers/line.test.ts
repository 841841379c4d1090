import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Line, inNoLine, type InLine } from '../../src/schedulers/line.ts';

interface Person extends InLine<Person> {
  readonly name: number;
}

const names = (line: Line<Person>): number[] => {
  const found: number[] = [];
  for (let person = line.first; person !== undefined; person = person.behind) found.push(person.name);
  return found;
};

describe('line', () => {
  it('serves as they came, whoever leaves it, and knows both of its ends', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 100, size: 'max' }), (steps) => {
        const people = Array.from({ length: 10 }, (_, name): Person => ({ name, ...inNoLine() }));
        const line = new Line<Person>();
        let model: number[] = [];
        for (const name of steps) {
          const person = people[name]!;
          // Whoever stands in it leaves, whoever does not comes.
          if (person.line === undefined) {
            line.append(person);
            model.push(name);
          } else {
            line.remove(person);
            model = model.filter((other) => other !== name);
          }
          expect(names(line)).toEqual(model);
          expect([line.first?.name, line.last?.name]).toEqual([model[0], model.at(-1)]);
        }
      }),
    );
  });
});
