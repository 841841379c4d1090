import { expect, test } from 'vitest';
import { clear } from '../../src/memory/clear.ts';
import { RecycledMemory } from '../../src/memory/recycled-memory.ts';

test('memory of a lease that ended is given out again, zeroed', () => {
  const pool = new RecycledMemory();
  const first = pool.lease();
  const [buffer, local] = [first.shared(100_000), first.local(2)];
  new Uint8Array(buffer).fill(7);
  new Uint8Array(local.buffer).fill(7);
  first.end();
  const second = pool.lease();
  expect(second.shared(100_000)).toBe(buffer);
  expect(second.local(2)).toBe(local);
  expect(new Uint8Array(buffer).every((byte) => byte === 0)).toBe(true);
  expect(new Uint8Array(local.buffer).every((byte) => byte === 0)).toBe(true);
});

test('two leases at once have nothing in common', () => {
  const pool = new RecycledMemory();
  const [one, other] = [pool.lease(), pool.lease()];
  expect(one.shared(64)).not.toBe(other.shared(64));
  expect(one.local(1)).not.toBe(other.local(1));
});

test('clears any length', () => {
  for (const length of [0, 1, 65_535, 65_536, 65_537, 200_000]) {
    const bytes = new Uint8Array(length).fill(9);
    clear(bytes);
    expect(bytes.every((byte) => byte === 0)).toBe(true);
  }
});
