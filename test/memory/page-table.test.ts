import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/base/assert.ts';
import { BLOCK_BYTES, PAGE_BYTES } from '../../src/memory/guest-ram.ts';
import { AddressSpace, RIGHT, walk } from '../../src/memory/page-table.ts';
import { ROOT, TABLES } from './page-tables.ts';

const MIB = 1024 * 1024;

describe('an address space', () => {
  test('maps its memory about twice over, then says that it is full and changes nothing', () => {
    const space = new AddressSpace(4 * MIB);
    const iovas: number[] = [];
    for (;;) {
      const iova = space.map(0, MIB, RIGHT.read);
      if (iova === undefined) break;
      iovas.push(iova);
    }
    expect(iovas.length).toBeGreaterThanOrEqual(8);
    const before = new Int32Array(space.memory).slice();
    expect(space.map(0, MIB, RIGHT.read)).toBeUndefined();
    expect(new Int32Array(space.memory)).toEqual(before);
    expect(space.mappedBytes).toBe(iovas.length * MIB);
  });

  test('is whole again when all is unmapped and given back, in whatever order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), (order) => {
        const space = new AddressSpace(2 * MIB);
        const sizes = [1, 2, 3, 4, 5, 6, 7, 8].map((pages) => pages * PAGE_BYTES);
        const iovas = sizes.map((size) => space.map(0, size, RIGHT.read)!);
        for (const at of order) {
          const { bytes } = space.unmap(iovas[at]!)!;
          space.reclaim(iovas[at]!, bytes);
        }
        // The whole space in one piece, but for its guard page.
        expect(space.map(0, 4 * BLOCK_BYTES - PAGE_BYTES, RIGHT.read)).toBe(BLOCK_BYTES);
      }),
    );
  });

  test('does not give an address out anew before it is given back', () => {
    const space = new AddressSpace(MIB);
    const iova = space.map(0, PAGE_BYTES, RIGHT.read)!;
    const { bytes } = space.unmap(iova)!;
    expect(space.map(0, PAGE_BYTES, RIGHT.read)).not.toBe(iova);
    space.reclaim(iova, bytes);
    expect(space.map(0, PAGE_BYTES, RIGHT.read)).toBe(iova);
  });

  test('is walked to the frames and rights that were mapped, and to nothing beside them', () => {
    const space = new AddressSpace(8 * MIB);
    const words = new Int32Array(space.memory);
    // Over the border of a table, so that two of them are used.
    const iova = space.map(MIB, 3 * MIB, RIGHT.write)!;
    for (let page = 0; page < (3 * MIB) / PAGE_BYTES; page++) {
      const entry = walk(words, iova + page * PAGE_BYTES);
      expect(entry >>> 12).toBe(MIB / PAGE_BYTES + page);
      expect(entry & (RIGHT.read | RIGHT.write)).toBe(RIGHT.write);
    }
    for (const outside of [0, PAGE_BYTES, iova - 1, iova + 3 * MIB, 2 ** 32 - 1])
      expect(walk(words, outside)).toBe(0);
    space.unmap(iova);
    for (let at = iova; at < iova + 3 * MIB; at += PAGE_BYTES) expect(walk(words, at)).toBe(0);
  });

  test('of a domain with nearly 4 GiB stays below 4 GiB and writes no entry behind its root', () => {
    const space = new AddressSpace(4095 * MIB);
    const words = new Int32Array(space.memory);
    const iovas: number[] = [];
    for (;;) {
      // Not from the beginning of a block: pages of their own, one behind the other.
      const iova = space.map(PAGE_BYTES, 512 * MIB, RIGHT.read);
      if (iova === undefined) break;
      iovas.push(iova);
    }
    expect(iovas.length).toBe(7);
    for (const iova of iovas) expect(iova + 512 * MIB).toBeLessThanOrEqual(2 ** 32);
    // The rest, to the very end: its guard page is the last page of all.
    const last = iovas.at(-1)! + 512 * MIB + PAGE_BYTES;
    expect(space.map(0, 2 ** 32 - last - PAGE_BYTES, RIGHT.read)).toBe(last);
    expect(space.map(0, 1, RIGHT.read)).toBeUndefined();
    expect(walk(words, BLOCK_BYTES) >>> 12).toBe(1);
    expect(words[ROOT + 2047]! & 1).toBe(1);
    expect(words[TABLES + 511]! & 1).toBe(1);
  });

  test('takes one entry for each whole block of memory that begins on one, and pages for the rest', () => {
    const space = new AddressSpace(16 * MIB);
    const words = new Int32Array(space.memory);
    const small = space.map(PAGE_BYTES, PAGE_BYTES, RIGHT.read)!;
    const bytes = 2 * BLOCK_BYTES + 3 * PAGE_BYTES;
    const iova = space.map(4 * MIB, bytes, RIGHT.write)!;
    expect(iova % BLOCK_BYTES).toBe(0);
    const root = (block: number): number => words[ROOT + iova / BLOCK_BYTES + block]!;
    const BLOCK = 8;
    expect([root(0), root(1), root(2)].map((entry) => entry & BLOCK)).toEqual([BLOCK, BLOCK, 0]);
    for (let at = 0; at < bytes; at += PAGE_BYTES) {
      expect(walk(words, iova + at) >>> 12).toBe((4 * MIB + at) / PAGE_BYTES);
      expect(walk(words, iova + at) & (RIGHT.read | RIGHT.write)).toBe(RIGHT.write);
    }
    expect(walk(words, iova + bytes)).toBe(0);
    space.unmap(iova);
    for (let at = 0; at < bytes; at += PAGE_BYTES) expect(walk(words, iova + at)).toBe(0);
    expect(walk(words, small) >>> 12).toBe(1);
  });

  test('uses a block for pages again, and pages for a block, as it comes', () => {
    const pieces = fc.array(
      fc.record({ first: fc.nat({ max: 3 }), pages: fc.integer({ min: 1, max: 1030 }), off: fc.boolean() }),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(pieces, fc.infiniteStream(fc.nat()), (script, choices) => {
        const space = new AddressSpace(8 * MIB);
        const words = new Int32Array(space.memory);
        const flat = new Map<number, number>();
        const live: { iova: number; pages: number }[] = [];
        for (const { first, pages, off } of script) {
          const address = first * BLOCK_BYTES + (off ? PAGE_BYTES : 0);
          const iova = space.map(address, pages * PAGE_BYTES, RIGHT.read);
          if (iova !== undefined) {
            live.push({ iova, pages });
            for (let page = 0; page < pages; page++)
              flat.set(iova / PAGE_BYTES + page, address / PAGE_BYTES + page);
          }
          if (live.length > 0 && choices.next().value % 2 === 0) {
            const [gone] = live.splice(choices.next().value % live.length, 1);
            const { bytes } = space.unmap(gone!.iova)!;
            space.reclaim(gone!.iova, bytes);
            for (let page = 0; page < gone!.pages; page++) flat.delete(gone!.iova / PAGE_BYTES + page);
          }
          for (let page = 0; page < 11 * 512; page++) {
            const entry = walk(words, page * PAGE_BYTES);
            if ((entry === 0 ? undefined : entry >>> 12) !== flat.get(page))
              expect([page, entry >>> 12]).toEqual([page, flat.get(page)]);
          }
        }
      }),
      { numRuns: 30 },
    );
  });

  test('refuses a mapping that does not begin on a page', () => {
    expect(() => new AddressSpace(MIB).map(100, PAGE_BYTES, RIGHT.read)).toThrow(InvariantError);
  });

  test('unmaps only what begins where a mapping began', () => {
    const space = new AddressSpace(MIB);
    const iova = space.map(0, 2 * PAGE_BYTES, RIGHT.read)!;
    for (const wrong of [0, iova + PAGE_BYTES, iova + 1, NaN, -1]) expect(space.unmap(wrong)).toBeUndefined();
    expect(space.mappedBytes).toBe(2 * PAGE_BYTES);
  });
});
