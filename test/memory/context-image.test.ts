import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { InvariantError } from '../../src/base/assert.ts';
import type { FirmwareImage } from '../../src/contract/firmware.ts';
import { WINDOW_WORDS } from '../../src/memory/channel.ts';
import {
  ContextImage,
  IMAGE_STATE,
  LINES,
  contextBytes,
  digestWords,
  imageBytes,
  type FrontEndState,
} from '../../src/memory/context-image.ts';

const PAGE = 65536;

function firmware(globals: number, memoryPages: number): FirmwareImage {
  return {
    name: 'test',
    sha256: '00'.repeat(32),
    digest: '00'.repeat(32),
    bytes: new Uint8Array(new SharedArrayBuffer(0)),
    memoryPages,
    maximumPages: undefined,
    globals: Array.from({ length: globals }, (_, index) => ({
      index,
      type: 'i64' as const,
      exportName: `g${index}`,
    })),
    metered: false,
    hasQuiesce: false,
    commandAddress: 0,
  };
}

function fresh(globals = 3, pages = 1): ContextImage {
  const its = firmware(globals, pages);
  return new ContextImage(new SharedArrayBuffer(imageBytes(its)), its);
}

const sizes = [fc.nat({ max: 70 }), fc.integer({ min: 1, max: 3 })] as const;
const digests = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));

const frontEnds: fc.Arbitrary<FrontEndState> = fc.record({
  active: fc.boolean(),
  sequence: fc.integer(),
  queue: fc.nat({ max: 4095 }),
  fault: fc.option(
    fc.record({
      access: fc.constantFrom('read' as const, 'write' as const),
      iova: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
    }),
    { nil: undefined },
  ),
});

/** The front end that an image gives back, into one that was doing something else. */
function loaded(image: ContextImage): FrontEndState {
  const into: FrontEndState = { active: true, queue: 98, sequence: 99, fault: { access: 'read', iova: 97 } };
  image.loadFrontEnd(into);
  return into;
}

describe('a context image', () => {
  test('has room for each part, aligned, and no byte twice, for any firmware', () => {
    fc.assert(
      fc.property(...sizes, (globals, pages) => {
        const its = firmware(globals, pages);
        const image = new ContextImage(new SharedArrayBuffer(imageBytes(its)), its);
        const { words, registers, globals: values, pending } = image;
        expect(words.byteOffset).toBe(0);
        expect(registers.length).toBe(WINDOW_WORDS);
        expect(values.byteLength).toBe(globals * 8);
        expect(pending.length).toBe(LINES);
        expect(pending.byteOffset + pending.byteLength).toBeLessThanOrEqual(words.byteLength);
        const parts = [words, registers, values].map(({ byteOffset, byteLength }) => ({
          from: byteOffset,
          to: byteOffset + byteLength,
        }));
        parts.forEach(({ from }, at) => expect(from).toBeGreaterThanOrEqual(parts[at - 1]?.to ?? 0));
        expect(parts.at(-1)!.to).toBe(imageBytes(its));
        expect(values.byteOffset % 8).toBe(0);
        expect(contextBytes(its)).toBe(imageBytes(its) + pages * PAGE);
      }),
    );
  });

  test('keeps pending interrupts, the firmware, the front end and the count apart', () => {
    fc.assert(
      fc.property(frontEnds, digests, fc.nat({ max: LINES - 1 }), (frontEnd, digest, line) => {
        const image = fresh();
        image.pending[line] = 5;
        image.state = IMAGE_STATE.saved;
        image.countRaised();
        image.countRaised();
        image.setFirmware(digestWords(digest));
        image.saveFrontEnd(frontEnd);
        expect(loaded(image)).toEqual(frontEnd);
        expect(image.isFirmware(digestWords(digest))).toBe(true);
        expect(image.state).toBe(IMAGE_STATE.saved);
        expect(image.raised).toBe(2);
        expect(Array.from(image.pending)).toEqual(
          Array.from({ length: LINES }, (_, at) => (at === line ? 5 : 0)),
        );
        expect(image.registers.every((word) => word === 0)).toBe(true);
      }),
    );
  });

  test('overwrites the whole of an older front end', () => {
    fc.assert(
      fc.property(frontEnds, frontEnds, (older, newer) => {
        const image = fresh();
        image.saveFrontEnd(older);
        image.saveFrontEnd(newer);
        expect(loaded(image)).toEqual(newer);
      }),
    );
  });

  test('tells its firmware from every other', () => {
    const different = fc
      .tuple(digests, fc.nat({ max: 63 }), fc.integer({ min: 1, max: 15 }))
      .map(([digest, at, flip]) => {
        const digit = (Number.parseInt(digest[at]!, 16) ^ flip).toString(16);
        return [digest, digest.slice(0, at) + digit + digest.slice(at + 1)] as const;
      });
    fc.assert(
      fc.property(different, ([digest, other]) => {
        const image = fresh();
        image.setFirmware(digestWords(digest));
        expect([image.isFirmware(digestWords(digest)), image.isFirmware(digestWords(other))]).toEqual([
          true,
          false,
        ]);
      }),
    );
  });

  test('begins anew with nothing but the count of interrupts that it raised', () => {
    fc.assert(
      fc.property(frontEnds, digests, fc.nat({ max: 5 }), (frontEnd, digest, raised) => {
        const image = fresh();
        image.saveFrontEnd(frontEnd);
        image.setFirmware(digestWords(digest));
        image.pending.fill(9);
        for (let count = 0; count < raised; count++) image.countRaised();
        image.state = IMAGE_STATE.away;
        image.renew();
        const clean = fresh();
        for (let count = 0; count < raised; count++) clean.countRaised();
        expect(image.words).toEqual(clean.words);
        expect(image.state).toBe(IMAGE_STATE.fresh);
        expect(image.raised).toBe(raised);
      }),
    );
  });

  test('is fresh in zeroed memory, and the same to both who hold it', () => {
    const its = firmware(1, 1);
    const memory = new SharedArrayBuffer(imageBytes(its));
    const [one, other] = [new ContextImage(memory, its), new ContextImage(memory, its)];
    expect(one.state).toBe(IMAGE_STATE.fresh);
    expect(loaded(one)).toEqual({ active: false, queue: 0, sequence: 0, fault: undefined });
    one.registers[3] = 7;
    one.globals.setFloat64(0, Math.PI);
    one.state = IMAGE_STATE.saved;
    expect([other.registers[3], other.globals.getFloat64(0), other.state]).toEqual([
      7,
      Math.PI,
      IMAGE_STATE.saved,
    ]);
  });

  test('refuses memory of another size than its firmware asks for', () => {
    const its = firmware(2, 1);
    for (const bytes of [0, imageBytes(its) - 1, imageBytes(its) + 64, imageBytes(firmware(3, 1))])
      expect(() => new ContextImage(new SharedArrayBuffer(bytes), its)).toThrow(InvariantError);
  });
});
