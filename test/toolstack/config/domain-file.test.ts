import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDomainFile, type Value } from '../../../src/toolstack/config/domain-file.ts';
import { ConfigurationError } from '../../../src/toolstack/config/problem.ts';
import { Source } from '../../../src/toolstack/config/source.ts';

type Bare = string | number | Bare[];
const bare = (value: Value): Bare =>
  value.kind === 'list' ? value.values.map(bare) : value.kind === 'number' ? value.number : value.text;
const read = (text: string): [string, Bare][] =>
  parseDomainFile(new Source('/domain.cfg', text)).map(({ key, value }) => [key, bare(value)]);

function refusal(text: string): string {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ConfigurationError) return error.message;
    throw error;
  }
  return 'accepted';
}

describe('a domain file', () => {
  it.each<[string, [string, Bare][]]>([
    ['', []],
    ['\n\n# only a comment', []],
    ['a=1', [['a', 1]]],
    ['  a  =  "x"  # comment', [['a', 'x']]],
    [`a = 'single "quoted"'`, [['a', 'single "quoted"']]],
    ['a = "# no comment; nor end"', [['a', '# no comment; nor end']]],
    [
      'a=1;b=2 ; ;c=3;\r\nd=4\n',
      [
        ['a', 1],
        ['b', 2],
        ['c', 3],
        ['d', 4],
      ],
    ],
    [
      'a = 0x1F\nb = 017\nc = 0\nd = -5',
      [
        ['a', 31],
        ['b', 15],
        ['c', 0],
        ['d', -5],
      ],
    ],
    ['a = []', [['a', []]]],
    ['a = [ 1, "two", [ 3, [] ], ]', [['a', [1, 'two', [3, []]]]]],
    [
      'a = [\n  "one", # first\n\n  "two"\n  ,\n]\nb = 1',
      [
        ['a', ['one', 'two']],
        ['b', 1],
      ],
    ],
    ['a = [ 1 ]\na += [ 2, 3 ]', [['a', [1, 2, 3]]]],
    ['a = "one"\na += " two"', [['a', 'one two']]],
    ['a += [ 1 ]', [['a', [1]]]],
    [
      'a = 1\na = 2',
      [
        ['a', 1],
        ['a', 2],
      ],
    ],
    [String.raw`a = "\n\t\\\"\'\x41\101\q"`, [['a', '\n\t\\"\'AAq']]],
    ['a = \\\n 1', [['a', 1]]],
    ['Name_2 = "é"', [['Name_2', 'é']]],
  ])('%j', (text, settings) => {
    expect(read(text)).toEqual(settings);
  });

  it.each([
    ['a', "/domain.cfg:1:2: the end of the file is out of place; expected '=' after a"],
    [
      'a = ',
      '/domain.cfg:1:5: the end of the file is out of place; expected a string in quotes, a number or a list in [ ]',
    ],
    [
      '\n a = \n',
      '/domain.cfg:2:6: the end of the line is out of place; expected a string in quotes, a number or a list in [ ]',
    ],
    [
      'a = word',
      '/domain.cfg:1:5: "word" is out of place; expected a string in quotes, a number or a list in [ ]',
    ],
    ['a = "x', '/domain.cfg:1:5: this string does not end; expected " on the same line'],
    ['a = "x\n"', '/domain.cfg:1:5: this string does not end; expected " on the same line'],
    [
      'a = 1 b = 2',
      `/domain.cfg:1:7: "b" is out of place; expected the end of the line or ';' after a setting`,
    ],
    ['a = [ 1 2 ]', `/domain.cfg:1:9: "2" is out of place; expected ',' or ']' in the list`],
    ['a = [ 1, ', "/domain.cfg:1:5: this list does not end; expected ']'"],
    [
      'a = [ , ]',
      '/domain.cfg:1:7: "," is out of place; expected a string in quotes, a number or a list in [ ]',
    ],
    [
      'a = 08',
      '/domain.cfg:1:5: "08" is no number; expected decimal, octal (0...) or hexadecimal (0x...) digits',
    ],
    [
      'a = 12kb',
      '/domain.cfg:1:5: "12kb" is no number; expected decimal, octal (0...) or hexadecimal (0x...) digits',
    ],
    ['a = 99999999999999999', '/domain.cfg:1:5: "99999999999999999" is too large; expected less than 2^53'],
    [
      'a = 1\na += [ 2 ]',
      '/domain.cfg:2:6: a list is added to a number; expected += between two lists or two strings',
    ],
    ['= 1', '/domain.cfg:1:1: "=" is out of place; expected a setting, KEY = VALUE'],
    ['a = "\\x"', '/domain.cfg:1:5: \\x stands without a digit; expected hexadecimal digits after it'],
  ])('refuses %j', (text, line) => {
    expect(refusal(text)).toBe(line);
  });

  it('knows where every value stands', () => {
    const [setting] = parseDomainFile(new Source('/domain.cfg', '\n  coproc = [ "one",\n\t"two" ]'));
    expect(setting?.position).toMatchObject({ line: 2, column: 3 });
    expect(setting?.value.position).toMatchObject({ line: 2, column: 12 });
    const places = setting?.value.kind === 'list' ? setting.value.values.map(({ position }) => position) : [];
    expect(places).toMatchObject([
      { line: 2, column: 14 },
      { line: 3, column: 2 },
    ]);
  });

  it('gives back every value that is written out', () => {
    const { value } = fc.letrec<{ value: Bare }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.nat(),
        fc.string({ unit: 'binary' }),
        fc.array(tie('value'), { maxLength: 4 }),
      ),
    }));
    const write = (from: Bare): string => {
      if (typeof from === 'number') return String(from);
      if (typeof from !== 'string') return `[${from.map(write).join(',\n ')}]`;
      return `"${from.replace(/["\\]/g, '\\$&').replaceAll('\n', '\\n')}"`;
    };
    fc.assert(
      fc.property(value, (from) => {
        expect(read(`a = ${write(from)}`)).toEqual([['a', from]]);
      }),
    );
  });
});
