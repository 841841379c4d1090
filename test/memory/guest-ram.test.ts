import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/base/assert.ts';
import { BLOCK_BYTES, GuestRam, PAGE_BYTES } from '../../src/memory/guest-ram.ts';

const PAGES = 12;

type Deed =
  { readonly kind: 'allocate'; readonly bytes: number } | { readonly kind: 'free'; readonly which: number };

const deeds: fc.Arbitrary<Deed> = fc.oneof(
  fc.record({
    kind: fc.constant('allocate' as const),
    bytes: fc.oneof(
      fc.integer({ min: 0, max: PAGES * PAGE_BYTES + 1 }),
      fc.integer({ min: 1, max: 3 }).map((pages) => pages * PAGE_BYTES),
    ),
  }),
  fc.record({ kind: fc.constant('free' as const), which: fc.nat() }),
);

/** Lowest run of `count` pages that nobody owns. */
function firstFit(owners: readonly number[], count: number): number | undefined {
  for (let first = 0; first + count <= owners.length; first++)
    if (owners.slice(first, first + count).every((owner) => owner === 0)) return first;
  return undefined;
}

describe('guest memory', () => {
  test('gives out the first run of free pages that fits, zeroed, and never a page twice', () => {
    fc.assert(
      fc.property(fc.array(deeds, { maxLength: 40 }), (script) => {
        const ram = new GuestRam(PAGES * PAGE_BYTES);
        const owners = Array.from({ length: PAGES }, () => 0);
        const taken: { readonly address: number; readonly owner: number; readonly pages: number }[] = [];
        let owner = 0;
        for (const deed of script) {
          if (deed.kind === 'allocate') {
            const pages = Math.max(1, Math.ceil(deed.bytes / PAGE_BYTES));
            const expected = firstFit(owners, pages);
            const address = ram.allocate(deed.bytes);
            expect(address).toBe(expected === undefined ? undefined : expected * PAGE_BYTES);
            if (address === undefined || expected === undefined) continue;
            const view = ram.view(address, pages * PAGE_BYTES);
            expect(view.every((byte) => byte === 0)).toBe(true);
            view.fill(++owner);
            owners.fill(owner, expected, expected + pages);
            taken.push({ address, owner, pages });
          } else if (taken.length > 0) {
            const [gone] = taken.splice(deed.which % taken.length, 1);
            const first = gone!.address / PAGE_BYTES;
            expect(ram.free(gone!.address)).toBe(true);
            expect(ram.free(gone!.address)).toBe(false);
            owners.fill(0, first, first + gone!.pages);
          }
          expect(ram.freeBytes).toBe(owners.filter((page) => page === 0).length * PAGE_BYTES);
        }
        for (const { address, owner: mine, pages } of taken)
          expect(ram.view(address, pages * PAGE_BYTES).every((byte) => byte === (mine & 0xff))).toBe(true);
      }),
    );
  });

  test('is one run again when all is freed, in whatever order', () => {
    fc.assert(
      fc.property(
        fc.shuffledSubarray(
          Array.from({ length: PAGES }, (_, page) => page),
          { minLength: PAGES },
        ),
        (order) => {
          const ram = new GuestRam(PAGES * PAGE_BYTES);
          for (let page = 0; page < PAGES; page++) expect(ram.allocate(1)).toBe(page * PAGE_BYTES);
          for (const page of order) expect(ram.free(page * PAGE_BYTES)).toBe(true);
          expect(ram.allocate(PAGES * PAGE_BYTES)).toBe(0);
        },
      ),
    );
  });

  test('that is full says so and changes nothing', () => {
    const ram = new GuestRam(4 * PAGE_BYTES);
    expect(ram.allocate(3 * PAGE_BYTES)).toBe(0);
    ram.view(0, ram.size).fill(7);
    for (const bytes of [PAGE_BYTES + 1, 4 * PAGE_BYTES, 2 ** 40])
      expect(ram.allocate(bytes)).toBeUndefined();
    expect(ram.freeBytes).toBe(PAGE_BYTES);
    expect(ram.view(0, ram.size).every((byte) => byte === 7)).toBe(true);
    expect(ram.allocate(PAGE_BYTES)).toBe(3 * PAGE_BYTES);
  });

  test('lets what is as large as a block begin on one, while there is room for that', () => {
    const ram = new GuestRam(4 * BLOCK_BYTES);
    expect(ram.allocate(PAGE_BYTES)).toBe(0);
    expect(ram.allocate(BLOCK_BYTES + PAGE_BYTES)).toBe(BLOCK_BYTES);
    // What it left free in front of itself is not lost.
    expect(ram.allocate(BLOCK_BYTES - PAGE_BYTES)).toBe(PAGE_BYTES);
    expect(ram.allocate(BLOCK_BYTES - PAGE_BYTES)).toBe(2 * BLOCK_BYTES + PAGE_BYTES);
    expect(ram.free(2 * BLOCK_BYTES + PAGE_BYTES)).toBe(true);
    expect(ram.allocate(2 * BLOCK_BYTES - PAGE_BYTES)).toBe(2 * BLOCK_BYTES + PAGE_BYTES);
    expect(ram.freeBytes).toBe(0);
  });

  test('frees only what begins where an allocation began', () => {
    const ram = new GuestRam(4 * PAGE_BYTES);
    expect(ram.allocate(2 * PAGE_BYTES)).toBe(0);
    for (const address of [PAGE_BYTES, 1, -PAGE_BYTES, NaN, 2 * PAGE_BYTES, 1e9])
      expect(ram.free(address)).toBe(false);
    expect(ram.freeBytes).toBe(2 * PAGE_BYTES);
  });

  test('a view is the memory itself, as others see it', () => {
    const ram = new GuestRam(2 * PAGE_BYTES);
    ram.view(PAGE_BYTES, 4).set([1, 2, 3, 4]);
    expect(Array.from(new Uint8Array(ram.memory, PAGE_BYTES, 5))).toEqual([1, 2, 3, 4, 0]);
  });

  test.each([0, -PAGE_BYTES, 100, PAGE_BYTES + 1])('of %i bytes is refused: not whole pages', (size) => {
    expect(() => new GuestRam(size)).toThrow(InvariantError);
  });
});
