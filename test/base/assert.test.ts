import { describe, expect, test } from 'vitest';
import { InvariantError, assert, present } from '../../src/base/assert.ts';

describe('assert', () => {
  test('passes what holds and throws the fact that does not', () => {
    expect(() => assert(true, 'sky is up')).not.toThrow();
    expect(() => assert(false, 'sky is up')).toThrow(new InvariantError('sky is up'));
  });

  test('an InvariantError is told apart by its name', () => {
    expect(new InvariantError('x')).toMatchObject({ name: 'InvariantError', message: 'x' });
  });
});

describe('present', () => {
  test('gives back what is there, zero and nothing-like values too', () => {
    expect([present(0, 'a'), present('', 'b'), present(false, 'c')]).toEqual([0, '', false]);
  });

  test('throws the fact when there is nothing', () => {
    expect(() => present(undefined, 'there is one')).toThrow('there is one');
    expect(() => present(null, 'there is one')).toThrow(InvariantError);
  });
});
