// What holds of every IOMMU: of the one that ships, and of no mutant of it that behaves otherwise.
import fc from 'fast-check';
import { expect } from 'vitest';
import { PAGE_BYTES } from '../../src/memory/guest-ram.ts';
import { reach, type Iommu as Shipped } from '../../src/memory/iommu.ts';
import { AddressSpace, EPOCH, RIGHT } from '../../src/memory/page-table.ts';
import { Oracle, RAM_BYTES, RAM_PAGES, freeRun } from './iommu-oracle.ts';
import { ROOT, TABLES, decode, handMade } from './page-tables.ts';
import { COUNTER } from '../../src/memory/channel.ts';

const BOTH = RIGHT.read | RIGHT.write;
const ACCESSES = Object.keys(RIGHT) as (keyof typeof RIGHT)[];

/** One transfer, whichever way it goes. */
const access = (iommu: Shipped, how: keyof typeof RIGHT, iova: number, local: Uint8Array) =>
  how === 'read'
    ? iommu.read(iova, local)
    : how === 'write'
      ? iommu.write(iova, local)
      : iommu.fetch(iova, local);

type Deed =
  | { kind: 'map'; page: number; bytes: number; rights: number }
  | { kind: 'unmap' | 'reclaim'; which: number }
  | { kind: 'leave' }
  | { kind: 'dma'; how: keyof typeof RIGHT; which: number; offset: number; size: number; byte: number };

const sizes = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 5 * PAGE_BYTES }) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: RAM_BYTES }) },
  // At least a block.
  { weight: 1, arbitrary: fc.integer({ min: 2 ** 21 - 1, max: RAM_BYTES }) },
);
const deeds: fc.Arbitrary<Deed> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('map' as const),
      page: fc.oneof(fc.nat({ max: RAM_PAGES - 1 }), fc.constant(0)),
      bytes: sizes.map((size) => size + 1),
      rights: fc.constantFrom(RIGHT.read, RIGHT.write, BOTH, BOTH, RIGHT.execute, RIGHT.read | RIGHT.execute),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('unmap', 'reclaim'), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('leave' as const) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('dma' as const),
      how: fc.constantFrom(...ACCESSES),
      which: fc.nat(),
      // Around the ends of a mapping and anywhere else.
      offset: fc.oneof(
        fc.integer({ min: -PAGE_BYTES, max: 3 * PAGE_BYTES }),
        fc.integer({ min: -9, max: 9 }),
        fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      ),
      size: sizes,
      byte: fc.integer({ min: 1, max: 255 }),
    }),
  },
);

// A page table full of rubbish.
const RAM = 16;
const entryOf = (frames: number, flagged: number): fc.Arbitrary<number> =>
  fc
    .tuple(fc.nat({ max: frames }), fc.nat({ max: 15 }))
    .map(([frame, flags]) => (frame << 12) | flags | flagged);
/** What looks like a table, mostly one that is there, or like a block. */
const root = fc.oneof({ weight: 6, arbitrary: entryOf(2, 1) }, { weight: 1, arbitrary: fc.integer() });
const entry = fc.oneof(
  { weight: 1, arbitrary: fc.integer() },
  // What looks like a page, with frames in and out of range.
  { weight: 6, arbitrary: entryOf(20, 0) },
  { weight: 1, arbitrary: fc.nat({ max: 15 }).map((flags) => -4096 | flags) },
);

/** Each in a sentence; they throw. */
export const checksOf = (
  Iommu: new (...given: ConstructorParameters<typeof Shipped>) => Shipped,
): Readonly<Record<string, () => void>> => ({
  'serves blocks wherever they are mapped, whole or not, and goes past their borders only as the table says':
    () => {
      const WHOLE = 512;
      // Behind each other for the device, and not in memory; one that is read only; one that the memory ends within; one
      // whose frames go past the last that can be named, and begin again at the first; two for one place in the cache.
      const blocks = [
        { block: 1, frame: WHOLE, rights: BOTH },
        { block: 2, frame: 0, rights: BOTH },
        { block: 3, frame: 2 * WHOLE, rights: RIGHT.read | RIGHT.execute },
        { block: 5, frame: 2 * WHOLE + 8, rights: BOTH },
        { block: 17, frame: 7, rights: BOTH },
        { block: 33, frame: 16 * WHOLE, rights: BOTH },
        { block: 40, frame: 2 ** 20 - 1, rights: BOTH },
        { block: 2047, frame: WHOLE, rights: BOTH },
      ];
      const offsets = [
        0,
        1,
        PAGE_BYTES - 1,
        PAGE_BYTES,
        2 ** 21 - PAGE_BYTES - 1,
        2 ** 21 - PAGE_BYTES,
        2 ** 21 - 1,
      ];
      const memories = [3 * WHOLE, 3 * WHOLE + 7, 17 * WHOLE - 1, 17 * WHOLE];
      for (const pages of memories) {
        const table = new Int32Array(handMade([]));
        for (const { block, frame, rights } of blocks) table[ROOT + block] = (frame << 12) | 8 | rights | 1;
        const ram = new SharedArrayBuffer(pages * PAGE_BYTES);
        const bytes = new Uint8Array(ram);
        for (let page = 0; page < pages; page++)
          bytes.fill(1 + (page % 251), page * PAGE_BYTES, page * PAGE_BYTES + 9);
        const iommu = new Iommu();
        iommu.enter(reach(table.buffer, ram));
        for (const size of [1, 10, PAGE_BYTES + 2])
          for (const offset of offsets)
            for (const { block } of blocks)
              for (const how of ACCESSES) {
                const right = RIGHT[how];
                const iova = block * 2 ** 21 + offset;
                const local = new Uint8Array(size).fill(0x5a);
                const fault = access(iommu, how, iova, local);
                const past = iova + size > 2 ** 32;
                const at = Array.from({ length: size }, (_, byte) =>
                  past ? undefined : decode(table, iova + byte, right, pages),
                );
                const bad = at.indexOf(undefined);
                expect(fault?.iova, `${size} at ${iova.toString(16)}`).toBe(bad < 0 ? undefined : iova + bad);
                const there = bad < 0 ? at.map((address) => bytes[address!]) : at.map(() => 0x5a);
                expect(
                  Buffer.compare(
                    local,
                    Uint8Array.from(there, (byte) => byte ?? -1),
                  ),
                ).toBe(0);
              }
      }
    },

  'keeps the translations of sixteen neighbouring blocks, and of two that share a place the last': () => {
    const table = new Int32Array(handMade([]));
    for (let block = 1; block <= 17; block++) table[ROOT + block] = 8 | BOTH | 1;
    const counters = new Int32Array(2);
    const iommu = new Iommu(counters);
    iommu.enter(reach(table.buffer, new SharedArrayBuffer(2 ** 21)));
    const look = (block: number, offset = 0): void =>
      expect(iommu.read(block * 2 ** 21 + offset, new Uint8Array(1))).toBeUndefined();
    for (let block = 1; block <= 16; block++) look(block);
    for (let block = 1; block <= 16; block++) look(block, 2 ** 21 - 1);
    expect([...counters]).toEqual([16, 16]);
    // What was said of a block is not taken for what is said of its pages.
    look(17);
    look(1, 5 * PAGE_BYTES);
    look(17);
    expect([...counters]).toEqual([16, 19]);
  },

  'reaches memory behind 2 GiB': () => {
    const half = 2 ** 19;
    const table = new Int32Array(handMade([[1024, half + 512]]));
    table[ROOT + 1] = (half << 12) | 8 | BOTH | 1;
    const ram = new SharedArrayBuffer(2 ** 31 + 2 ** 21 + PAGE_BYTES);
    const counters = new Int32Array(2);
    const iommu = new Iommu(counters);
    iommu.enter(reach(table.buffer, ram));
    for (const page of [512, 1023, 1024])
      expect(iommu.write(page * PAGE_BYTES + 5, new Uint8Array([page & 255]))).toBeUndefined();
    const bytes = new Uint8Array(ram, 2 ** 31);
    expect([bytes[5], bytes[511 * PAGE_BYTES + 5], bytes[512 * PAGE_BYTES + 5]]).toEqual([0, 255, 0]);
    expect(iommu.write(1024 * PAGE_BYTES + 6, new Uint8Array([9]))).toBeUndefined();
    expect(bytes[512 * PAGE_BYTES + 6]).toBe(9);
    // The block has one translation, its page behind it another.
    expect([...counters]).toEqual([2, 2]);
  },

  'looks up once what lies within a page': () => {
    const counters = new Int32Array(2);
    const iommu = new Iommu(counters);
    iommu.enter(reach(handMade([[600, 0]]), new SharedArrayBuffer(PAGE_BYTES)));
    const page = 600 * PAGE_BYTES;
    const within = [
      [0, 1],
      [PAGE_BYTES - 1, 1],
      [0, PAGE_BYTES],
      [100, PAGE_BYTES - 100],
    ] as const;
    for (const [offset, size] of within)
      expect(iommu.read(page + offset, new Uint8Array(size))).toBeUndefined();
    expect([...counters]).toEqual([within.length - 1, 1]);
  },

  'reaches nothing before a context enters and after it has left, however much is asked for': () => {
    const iommu = new Iommu();
    const refuses = (): void => {
      for (const size of [1, PAGE_BYTES + 1])
        expect(iommu.read(600 * PAGE_BYTES, new Uint8Array(size))).toEqual({
          access: 'read',
          iova: 600 * PAGE_BYTES,
        });
    };
    refuses();
    iommu.enter(reach(handMade([[600, 0]]), new SharedArrayBuffer(PAGE_BYTES)));
    iommu.leave();
    refuses();
  },

  'fills what it is told and not a byte more, over pages that follow each other in memory and that do not':
    () => {
      const table = handMade([
        [600, 5],
        [601, 0],
        [602, 1],
        [603, 2],
      ]);
      const ram = new SharedArrayBuffer(6 * PAGE_BYTES);
      const iommu = new Iommu();
      iommu.enter(reach(table, ram));
      expect(iommu.fill(600 * PAGE_BYTES, 7, 2 * PAGE_BYTES + 10)).toBeUndefined();
      expect(iommu.fill(601 * PAGE_BYTES + 100, 8, PAGE_BYTES)).toBeUndefined();
      const expected = new Uint8Array(ram.byteLength);
      expected
        .fill(7, 5 * PAGE_BYTES)
        .fill(7, 0, PAGE_BYTES + 10)
        .fill(8, 100, PAGE_BYTES + 100);
      expect(Buffer.compare(new Uint8Array(ram), expected)).toBe(0);
    },

  'reaches the very last pages of all addresses': () => {
    const last = 2 ** 20 - 1;
    const iommu = new Iommu();
    const ram = new SharedArrayBuffer(2 * PAGE_BYTES);
    const table = handMade([
      [last - 1, 0],
      [last, 1],
    ]);
    iommu.enter(reach(table, ram));
    expect(iommu.write((last - 1) * PAGE_BYTES, new Uint8Array(2 * PAGE_BYTES).fill(4))).toBeUndefined();
    expect(new Uint8Array(ram).every((byte) => byte === 4)).toBe(true);
  },

  'names the page of a list that goes in the middle of a transfer': () => {
    const count = 300;
    const table = handMade(Array.from({ length: count }, (_, page) => [page, count - 1 - page] as const));
    class Meddling extends Uint8Array {
      override subarray(from?: number, to?: number): Uint8Array<ArrayBuffer> {
        // The first range was copied.
        if (from === PAGE_BYTES) new Int32Array(table)[TABLES + 280] = 0;
        return new Uint8Array(this.buffer, from, (to ?? 0) - (from ?? 0)) as Uint8Array<ArrayBuffer>;
      }
    }
    const iommu = new Iommu();
    iommu.enter(reach(table, new SharedArrayBuffer(count * PAGE_BYTES)));
    const list = Uint32Array.from(
      Array.from({ length: count }, (_, page) => [page * PAGE_BYTES, PAGE_BYTES]).flat(),
    );
    expect(iommu.gather(list, new Meddling(count * PAGE_BYTES))).toEqual({
      access: 'read',
      iova: 280 * PAGE_BYTES,
    });
  },

  'does with every range what a map of pages says, to the byte': () => {
    fc.assert(
      fc.property(fc.array(deeds, { maxLength: 40, size: 'max' }), (script) => {
        const ram = new SharedArrayBuffer(RAM_BYTES);
        const space = new AddressSpace(RAM_BYTES);
        const iommu = new Iommu();
        iommu.enter(reach(space.memory, ram));
        const oracle = new Oracle();
        const mapped: { iova: number; pages: number }[] = [];
        const unmapped: { iova: number; bytes: number }[] = [];
        const synchronise = (): void => {
          iommu.synchronise();
          oracle.stale.clear();
        };
        const deed = (now: Deed): void => {
          if (now.kind === 'map') {
            const iova = space.map(now.page * PAGE_BYTES, now.bytes, now.rights);
            const pages = Math.ceil(now.bytes / PAGE_BYTES);
            if (iova === undefined) {
              expect(freeRun(mapped, unmapped)).toBeLessThan(pages + 1);
              return;
            }
            const first = iova / PAGE_BYTES;
            // Whole pages that nobody had, with nothing mapped right before and right behind, never near null.
            expect(Number.isInteger(first) && first >= 512).toBe(true);
            for (let page = first - 1; page <= first + pages; page++)
              expect(oracle.pages.has(page)).toBe(false);
            for (let page = 0; page < pages; page++)
              oracle.pages.set(first + page, { frame: now.page + page, rights: now.rights });
            mapped.push({ iova, pages });
          } else if (now.kind === 'unmap' && mapped.length > 0) {
            const { iova, pages } = mapped.splice(now.which % mapped.length, 1)[0]!;
            expect(space.unmap(iova)?.bytes).toBe(pages * PAGE_BYTES);
            expect(space.unmap(iova)).toBeUndefined();
            for (let page = iova / PAGE_BYTES; page < iova / PAGE_BYTES + pages; page++) {
              oracle.pages.delete(page);
              oracle.stale.add(page);
            }
            unmapped.push({ iova, bytes: pages * PAGE_BYTES });
          } else if (now.kind === 'reclaim' && unmapped.length > 0) {
            synchronise();
            const { iova, bytes } = unmapped.splice(now.which % unmapped.length, 1)[0]!;
            space.reclaim(iova, bytes);
          } else if (now.kind === 'leave') {
            iommu.leave();
            expect(iommu.read(512 * PAGE_BYTES, new Uint8Array(1))).toBeDefined();
            iommu.enter(reach(space.memory, ram));
            oracle.stale.clear();
          } else if (now.kind === 'dma') {
            const base = mapped.length === 0 ? 0 : mapped[now.which % mapped.length]!.iova;
            const iova = (base + now.offset) >>> 0;
            if (oracle.touchesStale(iova, now.size)) synchronise();
            const right = RIGHT[now.how];
            const local = new Uint8Array(now.size).fill(now.byte);
            const expected = local.slice();
            const bad = oracle.firstBad(iova, now.size, right);
            if (bad === undefined) oracle.copy(iova, expected, right);
            const fault = access(iommu, now.how, iova, local);
            expect(fault).toEqual(bad === undefined ? undefined : { access: now.how, iova: bad });
            expect(Buffer.compare(local, expected)).toBe(0);
          }
        };
        for (const now of script) deed(now);
        expect(space.mappedBytes).toBe(mapped.reduce((total, { pages }) => total + pages, 0) * PAGE_BYTES);
        expect(Buffer.compare(new Uint8Array(ram), oracle.ram)).toBe(0);
      }),
      { numRuns: 50 },
    );
  },

  'never uses a translation that was unmapped once it has synchronised, not even after reuse': () => {
    const ram = new SharedArrayBuffer(4 * PAGE_BYTES);
    new Uint8Array(ram).fill(1, 0, PAGE_BYTES).fill(2, PAGE_BYTES, 2 * PAGE_BYTES);
    const space = new AddressSpace(ram.byteLength);
    const iommu = new Iommu();
    iommu.enter(reach(space.memory, ram));
    const local = new Uint8Array(1);
    const iova = space.map(0, PAGE_BYTES, BOTH)!;
    expect(iommu.read(iova, local)).toBeUndefined();
    expect(iommu.stale).toBe(false);

    const { epoch } = space.unmap(iova)!;
    expect(iommu.stale).toBe(true);
    expect(iommu.synchronise()).toBe(epoch);
    expect(iommu.stale).toBe(false);
    expect(iommu.synchronise()).toBe(-1);
    expect(iommu.read(iova, local)).toEqual({ access: 'read', iova });
    space.reclaim(iova, PAGE_BYTES);
    expect(space.map(PAGE_BYTES, PAGE_BYTES, RIGHT.read)).toBe(iova);
    expect(iommu.read(iova, local)).toBeUndefined();
    expect(local[0]).toBe(2);
    expect(iommu.write(iova, local)).toEqual({ access: 'write', iova });
  },

  'acknowledges only an epoch whose unmaps its empty cache has seen': () => {
    const space = new AddressSpace(PAGE_BYTES);
    const iommu = new Iommu();
    const ram = new SharedArrayBuffer(PAGE_BYTES);
    iommu.enter(reach(space.memory, ram));
    const iovas = [1, 2, 3].map(() => space.map(0, PAGE_BYTES, BOTH)!);
    const epochs = iovas.map((iova) => space.unmap(iova)!.epoch);
    expect(epochs).toEqual([1, 2, 3]);
    expect(iommu.synchronise()).toBe(3);
    new Int32Array(space.memory)[EPOCH] = 2 ** 31 - 1;
    expect(iommu.synchronise()).toBe(2 ** 31 - 1);
    expect(space.unmap(space.map(0, 1, BOTH)!)!.epoch).toBe(-(2 ** 31));
    expect(iommu.synchronise()).toBe(-(2 ** 31));
  },

  'another context finds nothing of the one before it': () => {
    const [one, other] = [new AddressSpace(PAGE_BYTES), new AddressSpace(PAGE_BYTES)];
    const [ram, otherRam] = [new SharedArrayBuffer(PAGE_BYTES), new SharedArrayBuffer(PAGE_BYTES)];
    new Uint8Array(ram).fill(1);
    const iova = one.map(0, PAGE_BYTES, BOTH)!;
    const iommu = new Iommu();
    const local = new Uint8Array(1);
    iommu.enter(reach(one.memory, ram));
    expect(iommu.read(iova, local)).toBeUndefined();
    iommu.leave();
    expect(iommu.read(iova, local)).toEqual({ access: 'read', iova });
    expect([iommu.stale, iommu.synchronise()]).toEqual([false, -1]);
    iommu.enter(reach(other.memory, otherRam));
    expect(iommu.read(iova, local)).toEqual({ access: 'read', iova });
    expect(other.map(0, PAGE_BYTES, RIGHT.read)).toBe(iova);
    expect(iommu.read(iova, local)).toBeUndefined();
    expect(local[0]).toBe(0);
    iommu.enter(reach(one.memory, ram));
    expect(iommu.read(iova, local)).toBeUndefined();
    expect(local[0]).toBe(1);
    expect(iommu.write(iova, local)).toBeUndefined();
  },

  'counts what its cache spared and what it did not': () => {
    const ram = new SharedArrayBuffer(8 * PAGE_BYTES);
    const space = new AddressSpace(ram.byteLength);
    const iova = space.map(0, ram.byteLength, BOTH)!;
    const counters = new Int32Array(2);
    const iommu = new Iommu(counters);
    iommu.enter(reach(space.memory, ram));
    for (let round = 0; round < 3; round++) iommu.read(iova, new Uint8Array(ram.byteLength));
    // A page is looked up when the range is checked and again when it is copied.
    expect([...counters]).toEqual([3 * 16 - 8, 8]);
    iommu.read(0, new Uint8Array(1));
    expect(counters[COUNTER.iotlbMisses]).toBe(9);
  },

  'needs one translation for a block, and keeps it': () => {
    const ram = new SharedArrayBuffer(2 ** 21);
    const space = new AddressSpace(ram.byteLength);
    const iova = space.map(0, ram.byteLength, RIGHT.read)!;
    const counters = new Int32Array(2);
    const iommu = new Iommu(counters);
    iommu.enter(reach(space.memory, ram));
    for (let round = 0; round < 3; round++) iommu.read(iova, new Uint8Array(ram.byteLength));
    expect([...counters]).toEqual([5, 1]);
    expect(iommu.write(iova + 5, new Uint8Array(1))).toEqual({ access: 'write', iova: iova + 5 });
  },

  'fills, gathers and scatters what a flat memory would, or touches nothing and names the place': () => {
    const PAGES = 6;
    const range = fc.record({ at: fc.nat({ max: (PAGES + 1) * PAGE_BYTES }), size: fc.nat({ max: 9000 }) });
    const transfer = fc.record({
      kind: fc.constantFrom('fill', 'gather', 'scatter'),
      list: fc.array(range, { maxLength: 6 }),
      byte: fc.nat({ max: 255 }),
    });
    fc.assert(
      fc.property(fc.subarray([0, 1, 2, 3, 4, 5]), fc.array(transfer), (readOnly, script) => {
        // Behind each other for the device, in reverse in memory.
        const rights = (page: number): number => (readOnly.includes(page) ? RIGHT.read : BOTH);
        const table = handMade(Array.from({ length: PAGES }, (_, page) => [512 + page, PAGES - 1 - page]));
        const words = new Int32Array(table);
        for (let page = 0; page < PAGES; page++)
          words[TABLES + page] = (words[TABLES + page]! & ~BOTH) | rights(page);
        const ram = new SharedArrayBuffer(PAGES * PAGE_BYTES);
        const iommu = new Iommu();
        iommu.enter(reach(table, ram));
        const flat = new Uint8Array(PAGES * PAGE_BYTES);
        const base = 512 * PAGE_BYTES;
        for (const { kind, list, byte } of script) {
          const right = kind === 'gather' ? RIGHT.read : RIGHT.write;
          const ranges = kind === 'fill' ? list.slice(0, 1) : list;
          const size = ranges.reduce((total, one) => total + one.size, 0);
          const bytes = ranges.flatMap((one) => Array.from({ length: one.size }, (_, n) => one.at + n));
          const bad = bytes.find(
            (at) => at >= flat.length || (rights(Math.floor(at / PAGE_BYTES)) & right) === 0,
          );
          const local = Uint8Array.from({ length: size }, (_, n) => byte + n);
          const expected = local.slice();
          if (bad === undefined) {
            if (kind === 'gather') bytes.forEach((at, n) => (expected[n] = flat[at]!));
            else bytes.forEach((at, n) => (flat[at] = kind === 'fill' ? byte : local[n]!));
          }
          const pairs = Uint32Array.from(ranges.flatMap((one) => [base + one.at, one.size]));
          const fault =
            kind === 'gather'
              ? iommu.gather(pairs, local)
              : kind === 'scatter'
                ? iommu.scatter(pairs, local)
                : ranges.length === 0
                  ? undefined
                  : iommu.fill(pairs[0]!, byte, pairs[1]!);
          const access = right === RIGHT.read ? 'read' : 'write';
          expect(fault).toEqual(bad === undefined ? undefined : { access, iova: base + bad });
          expect(Buffer.compare(local, expected)).toBe(0);
          for (let page = 0; page < PAGES; page++) {
            const there = new Uint8Array(ram, (PAGES - 1 - page) * PAGE_BYTES, PAGE_BYTES);
            expect(Buffer.compare(there, flat.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES))).toBe(0);
          }
        }
      }),
      { numRuns: 60 },
    );
  },

  'moves nothing for no bytes, wherever they are': () => {
    const iommu = new Iommu();
    iommu.enter(reach(new AddressSpace(PAGE_BYTES).memory, new SharedArrayBuffer(PAGE_BYTES)));
    for (const iova of [0, 1, PAGE_BYTES, 2 ** 32 - 1]) {
      expect(iommu.read(iova, new Uint8Array(0))).toBeUndefined();
      expect(iommu.write(iova, new Uint8Array(0))).toBeUndefined();
    }
  },

  'refuses a range that runs past 4 GiB instead of going on at zero': () => {
    // The last page of all addresses, and the first, both mapped.
    const table = handMade([
      [2 ** 20 - 1, 0],
      [0, 1],
    ]);
    const ram = new SharedArrayBuffer(2 * PAGE_BYTES);
    const iommu = new Iommu();
    iommu.enter(reach(table, ram));
    const last = 2 ** 32 - PAGE_BYTES;
    expect(iommu.write(last, new Uint8Array(PAGE_BYTES).fill(1))).toBeUndefined();
    expect(iommu.write(2 ** 32 - 1, new Uint8Array([2]))).toBeUndefined();
    expect(iommu.write(last, new Uint8Array(PAGE_BYTES + 1).fill(3))).toMatchObject({ access: 'write' });
    expect(iommu.write(2 ** 32 - 1, new Uint8Array(2).fill(3))).toMatchObject({ access: 'write' });
    const bytes = new Uint8Array(ram);
    expect([bytes[0], bytes[PAGE_BYTES - 1], bytes[PAGE_BYTES]]).toEqual([1, 2, 0]);
  },

  'refuses a page that goes in the middle of a transfer, even when its cache had forgotten it': () => {
    // Pages in reverse order, so that each is a run of its own, and more of them than the cache has places for.
    const count = 300;
    const at = 280;
    const pages = Array.from({ length: count }, (_, page) => [page, count - 1 - page] as const);
    const ram = new SharedArrayBuffer(count * PAGE_BYTES);
    const table = handMade(pages);
    const before = new Uint8Array(ram).fill(9).slice();
    const takeAway = (): void => {
      new Int32Array(table)[TABLES + at] = 0;
    };
    class Meddling extends Uint8Array {
      override set(source: ArrayLike<number>, offset?: number): void {
        takeAway();
        super.set(source, offset);
      }
    }
    const iommu = new Iommu();
    iommu.enter(reach(table, ram));
    const local = new Meddling(count * PAGE_BYTES);
    expect(iommu.read(0, local)).toEqual({ access: 'read', iova: at * PAGE_BYTES });
    expect(local.subarray(0, at * PAGE_BYTES).every((byte) => byte === 9)).toBe(true);
    expect(local.subarray(at * PAGE_BYTES).every((byte) => byte === 0)).toBe(true);
    expect(Buffer.compare(new Uint8Array(ram), before)).toBe(0);
  },

  'never leads out of the memory, whatever rubbish its table has, and every byte goes where its entry says':
    () => {
      const words = TABLES + 2 * 512;
      fc.assert(
        fc.property(
          fc.array(fc.tuple(fc.nat({ max: words - 1 }), entry), { maxLength: 40 }),
          fc.array(root, { minLength: 4, maxLength: 4 }),
          fc.array(entry, { minLength: 7, maxLength: 7 }),
          fc.array(
            fc.tuple(fc.nat({ max: 4 * 512 }), fc.nat({ max: 4095 }), fc.nat({ max: 9000 }), fc.boolean()),
          ),
          (scattered, roots, entries, transfers) => {
            const table = new Int32Array(new SharedArrayBuffer(words * 4));
            for (const [at, value] of scattered) table[at] = value;
            for (let page = 0; page < 1024; page++) table[TABLES + page] ||= entries[page % 7]!;
            table.set(roots, ROOT);
            const ram = new SharedArrayBuffer(RAM * PAGE_BYTES);
            const bytes = new Uint8Array(ram);
            const iommu = new Iommu();
            iommu.enter(reach(table.buffer, ram));
            for (const [page, offset, size, isWrite] of transfers) {
              const iova = page * PAGE_BYTES + offset;
              const right = isWrite ? RIGHT.write : RIGHT.read;
              const before = bytes.slice();
              const local = new Uint8Array(size).fill(0x5a);
              const fault = isWrite ? iommu.write(iova, local) : iommu.read(iova, local);
              const addresses = Array.from({ length: size }, (_, byte) =>
                decode(table, iova + byte, right, RAM),
              );
              const bad = addresses.findIndex((address) => address === undefined);
              expect(fault?.iova).toBe(bad < 0 ? undefined : iova + bad);
              if (bad >= 0) {
                expect(Buffer.compare(bytes, before)).toBe(0);
                expect(local.every((byte) => byte === 0x5a)).toBe(true);
              } else {
                if (isWrite) for (const address of addresses) before[address!] = 0x5a;
                expect(Buffer.compare(bytes, before)).toBe(0);
                if (!isWrite)
                  expect(addresses.every((address, byte) => local[byte] === bytes[address!])).toBe(true);
              }
            }
          },
        ),
      );
    },
});
