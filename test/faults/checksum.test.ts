import fc from 'fast-check';
import { expect, it } from 'vitest';
import { firmwareLibrary } from '../../src/firmware/library.ts';
import { ContextImage, IMAGE_HEADER_BYTES, checksum, imageBytes } from '../../src/memory/context-image.ts';

const loaded = firmwareLibrary().load('pattern');
if (loaded.kind === 'failed') throw new Error(loaded.reason);
const firmware = loaded.value;

function sealed(): { memory: SharedArrayBuffer; image: ContextImage; local: Int32Array } {
  const memory = new SharedArrayBuffer(imageBytes(firmware));
  new Uint8Array(memory, IMAGE_HEADER_BYTES).forEach((_, at, all) => (all[at] = (at * 197) & 0xff));
  const image = new ContextImage(memory, firmware);
  const local = Int32Array.from({ length: 999 }, (_, at) => at * 7919);
  image.seal(local);
  return { memory, image, local };
}

it('changes with every single bit of what it sums up', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer(), { minLength: 1, maxLength: 40 }),
      fc.nat(),
      fc.nat(31),
      (values, place, bit) => {
        const words = Int32Array.from(values);
        const before = checksum(words);
        words[place % words.length]! ^= 1 << bit;
        expect(checksum(words)).not.toBe(before);
      },
    ),
  );
});

it('finds a bit that flipped anywhere in a resting context', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
      fc.boolean(),
      (where, inLocal) => {
        const { memory, image, local } = sealed();
        expect(image.intact(local)).toBe(true);
        const bytes = inLocal ? new Uint8Array(local.buffer) : new Uint8Array(memory, IMAGE_HEADER_BYTES);
        const bit = Math.floor(where * bytes.length * 8);
        bytes[bit >> 3]! ^= 1 << (bit & 7);
        expect(image.intact(local)).toBe(false);
      },
    ),
  );
});

it('holds when a guest writes saved registers through the window', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1023), fc.integer()), { maxLength: 20 }), (writes) => {
      const { image, local } = sealed();
      for (const [word, value] of writes) image.latch(word, value);
      expect(image.intact(local)).toBe(true);
    }),
  );
});
