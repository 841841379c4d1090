import { encode } from 'fast-png';

/** A picture: RGBA, `width * height * 4` bytes. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export const toPng = (picture: Picture): Uint8Array => encode({ ...picture, channels: 4 });

/** All pictures, which are of one size, on one sheet, row by row. */
export function contactSheet(pictures: readonly Picture[], columns: number): Picture {
  const { width, height } = pictures[0] ?? { width: 1, height: 1 };
  const across = Math.min(columns, Math.max(1, pictures.length));
  const rows = Math.max(1, Math.ceil(pictures.length / columns));
  const gap = 4;
  const sheet = {
    width: across * (width + gap) + gap,
    height: rows * (height + gap) + gap,
  };
  const data = new Uint8Array(sheet.width * sheet.height * 4);
  for (let at = 3; at < data.length; at += 4) data[at] = 255;
  pictures.forEach((picture, index) => {
    const left = gap + (index % columns) * (width + gap);
    const top = gap + Math.floor(index / columns) * (height + gap);
    for (let row = 0; row < height; row++) {
      const line = picture.data.subarray(row * width * 4, (row + 1) * width * 4);
      data.set(line, ((top + row) * sheet.width + left) * 4);
    }
  });
  return { ...sheet, data };
}

/**
 * One PNG that plays `frames` (PNG files of one size) for ever, `frameMs` each. Programs that know no
 * animation show the first one. Format: PNG third edition, chunks acTL, fcTL and fdAT.
 */
export function animated(frames: readonly Uint8Array[], frameMs: number): Uint8Array {
  const first = chunksOf(frames[0] ?? new Uint8Array());
  const header = first.find(({ type }) => type === 'IHDR')?.data ?? new Uint8Array(13);
  let sequence = 0;
  const parts = [SIGNATURE, chunk('IHDR', header), chunk('acTL', words(frames.length, 0))];
  frames.forEach((frame, index) => {
    const timing = Uint8Array.of(frameMs >> 8, frameMs & 255, 1000 >> 8, 1000 & 255, 0, 0);
    parts.push(chunk('fcTL', joined([words(sequence++), header.subarray(0, 8), words(0, 0), timing])));
    for (const { type, data } of chunksOf(frame)) {
      if (type !== 'IDAT') continue;
      parts.push(index === 0 ? chunk('IDAT', data) : chunk('fdAT', joined([words(sequence++), data])));
    }
  });
  return joined([...parts, chunk('IEND', new Uint8Array())]);
}

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);

interface Chunk {
  readonly type: string;
  readonly data: Uint8Array;
}

function chunksOf(png: Uint8Array): Chunk[] {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  const chunks: Chunk[] = [];
  for (let at = SIGNATURE.length; at < png.length;) {
    const length = view.getUint32(at);
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    chunks.push({ type, data: png.subarray(at + 8, at + 8 + length) });
    at += length + 12;
  }
  return chunks;
}

function chunk(type: string, data: Uint8Array): Uint8Array {
  const body = joined([Uint8Array.from(type, (letter) => letter.charCodeAt(0)), data]);
  return joined([words(data.length), body, words(crc32(body))]);
}

/** 32-bit words, big-endian. */
function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 4);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => view.setUint32(index * 4, value));
  return bytes;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const crcTable = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

function crc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = crcTable[(crc ^ byte) & 255]! ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}
