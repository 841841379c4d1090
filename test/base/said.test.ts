import { describe, expect, it } from 'vitest';
import { firstLineOf, isError, messageOf, namedMessageOf, placeOf, stackOf } from '../../src/base/said.ts';

const refuses = (): never => {
  throw new Error('no');
};

const THROWN: Readonly<Record<string, unknown>> = {
  nothing: undefined,
  'a symbol': Symbol('s'),
  'an object without a prototype': Object.create(null),
  'a message that throws': Object.assign(new Error(), { message: { toString: refuses } }),
  'a stack that throws': Object.defineProperty(new Error('m'), 'stack', { get: refuses }),
  'a stack that is no address': Object.assign(new Error('100% %zz %ff'), { stack: '100% %zz %ff' }),
  'a proxy that refuses everything': new Proxy({}, { get: refuses, getPrototypeOf: refuses, has: refuses }),
};

describe('whatever is thrown', () => {
  it.each(Object.entries(THROWN))('%s, it is put into words without a throw', (_what, thrown) => {
    for (const say of [messageOf, namedMessageOf, firstLineOf, stackOf])
      expect(typeof say(thrown)).toBe('string');
    expect(typeof isError(thrown, TypeError)).toBe('boolean');
    expect(placeOf(thrown, '/guests/guest.mjs')).toBeUndefined();
  });

  it('an error tells the place in the file, or below its folder, and no other', () => {
    const at = (line: string): unknown =>
      Object.assign(new Error('e'), { stack: `Error: e\n    at f (${line})` });
    expect(placeOf(at('file:///my%20guests/guest.mjs:7:3'), '/my guests/guest.mjs')).toBe('guest.mjs:7:3');
    expect(placeOf(at('/guests/lib/part.mjs?0a1b:12:9'), '/guests/guest.mjs')).toBe('lib/part.mjs:12:9');
    expect(placeOf(at('/elsewhere/guest.mjs:7:3'), '/guests/guest.mjs')).toBeUndefined();
  });
});
