import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectedOneOf, nearest } from '../../src/base/nearest.ts';

const names = ['round-robin', 'credit', 'fixed-priority'];

describe('nearest', () => {
  test.each([
    ['round-robbin', 'round-robin'],
    ['Round-Robin', 'round-robin'],
    ['roundrobin', 'round-robin'],
    ['credti', 'credit'],
    ['priority', undefined],
    ['cr___t', 'credit'],
    ['c____t', undefined],
    ['xyz', undefined],
  ])('finds what %s was meant to be: %s', (wanted, meant) => {
    expect(nearest(wanted, names)).toBe(meant);
  });

  test('prefers the closest name, and the first of equals', () => {
    expect(nearest('gpu2', ['gpu10', 'gpu0', 'gpu1'])).toBe('gpu0');
    expect(nearest('spun', ['spins', 'spin'])).toBe('spin');
  });

  test('finds nothing among no names', () => {
    expect(nearest('gpu0', [])).toBeUndefined();
  });

  const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '-'), minLength: 1, maxLength: 8 });

  test('finds a known name as itself, wherever it stands', () => {
    fc.assert(
      fc.property(fc.uniqueArray(word, { minLength: 1 }), fc.nat(), (known, pick) => {
        const wanted = known[pick % known.length]!;
        expect(nearest(wanted, known)).toBe(wanted);
      }),
    );
  });

  test('finds a name again after one letter was changed, lost or doubled', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('p', 'q', 'r'), minLength: 2, maxLength: 9 }),
        fc.nat(),
        fc.constantFrom('', '#', '##'),
        (name, at, letter) => {
          const cut = at % name.length;
          const wanted =
            name.slice(0, cut) + (letter === '##' ? name[cut]! + '#' : letter) + name.slice(cut + 1);
          expect(nearest(wanted, ['a-stranger-far-away', name])).toBe(name);
        },
      ),
    );
  });
});

describe('expectedOneOf', () => {
  test('lists the known names and the nearest', () => {
    expect(expectedOneOf('credits', names)).toBe(
      'expected one of round-robin, credit, fixed-priority; did you mean credit?',
    );
  });

  test('guesses nothing when nothing is near', () => {
    expect(expectedOneOf('xyz', names)).toBe('expected one of round-robin, credit, fixed-priority');
  });

  test('says so when there is nothing to choose from', () => {
    expect(expectedOneOf('gpu0', [])).toBe('there are none');
  });
});
