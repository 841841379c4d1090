/** Labelled pictures of digits, 28 x 28 grey values each. */
export interface Digits {
  readonly count: number;
  /** `count` pictures, one after the other. */
  readonly pixels: Uint8Array;
  /** `count` labels, 0 to 9. */
  readonly labels: Uint8Array;
}

export const SIDE = 28;
export const PIXELS = SIDE * SIDE;
export const CLASSES = 10;

const MAGIC = 0x47444d43;
const VERSION = 1;
const HEADER = 16;

/** File: magic "CMDG", version, count, bytes per picture (32-bit words, little-endian), pictures, labels. */
export function encodeDigits(digits: Digits): Uint8Array {
  const file = new Uint8Array(HEADER + digits.count * (PIXELS + 1));
  const view = new DataView(file.buffer);
  [MAGIC, VERSION, digits.count, PIXELS].forEach((word, index) => view.setUint32(index * 4, word, true));
  file.set(digits.pixels, HEADER);
  file.set(digits.labels, HEADER + digits.count * PIXELS);
  return file;
}

/** Throws an `Error` that says what is wrong with the file. */
export function decodeDigits(file: Uint8Array): Digits {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const word = (index: number): number => view.getUint32(index * 4, true);
  if (file.length < HEADER || word(0) !== MAGIC || word(1) !== VERSION || word(3) !== PIXELS) {
    throw new Error('not a file of digits: it must begin with CMDG, version 1, of 28 x 28 pictures');
  }
  const count = word(2);
  const labels = HEADER + count * PIXELS;
  if (file.length !== labels + count) throw new Error(`file of ${count} digits is cut short`);
  return { count, pixels: file.subarray(HEADER, labels), labels: file.subarray(labels) };
}

export function picture(digits: Digits, index: number): Uint8Array {
  return digits.pixels.subarray(index * PIXELS, (index + 1) * PIXELS);
}
