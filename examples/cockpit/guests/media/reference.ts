import { present } from '../../../../src/base/assert.ts';

/**
 * The plainest JPEG decoder that can be written from ITU-T T.81: all coefficients first, then the inverse DCT by
 * its definition in double precision, triangle chroma filters, the colour matrix of JFIF in double precision.
 * It shares nothing with the firmware and checks it. It expects an undamaged stream.
 */
export interface Picture {
  readonly width: number;
  readonly height: number;
  /** Red, green and blue, a byte each, row by row. */
  readonly rgb: Uint8Array;
}

interface Component {
  readonly id: number;
  readonly h: number;
  readonly v: number;
  readonly quantizer: number;
  readonly width: number;
  readonly height: number;
  readonly blocksWide: number;
  readonly blocksHigh: number;
  readonly coefficients: Int32Array;
}

interface Frame {
  readonly isProgressive: boolean;
  readonly width: number;
  readonly height: number;
  readonly hMax: number;
  readonly vMax: number;
  readonly components: readonly Component[];
}

/** By the next 16 bits of the stream: `length * 256 + symbol`. */
type HuffmanTable = Uint16Array;

interface Scan {
  readonly frame: Frame;
  readonly parts: readonly { component: Component; dc: HuffmanTable; ac: HuffmanTable; predictor: number }[];
  readonly first: number;
  readonly last: number;
  readonly isRefining: boolean;
  readonly low: number;
  readonly restartInterval: number;
  endOfBandRun: number;
}

const ZIGZAG: readonly number[] = Array.from({ length: 64 }, (_, at) => at).sort((a, b) => {
  const [diagonalA, diagonalB] = [(a >> 3) + (a & 7), (b >> 3) + (b & 7)];
  if (diagonalA !== diagonalB) return diagonalA - diagonalB;
  // Even diagonals run upwards.
  return diagonalA % 2 === 0 ? (a & 7) - (b & 7) : (b & 7) - (a & 7);
});

/** Decodes a whole file. Throws an `Error` when it is not one that T.81's Huffman-coded 8-bit processes cover. */
export function decodeReference(jpeg: Uint8Array): Picture {
  const view = new DataView(jpeg.buffer, jpeg.byteOffset, jpeg.length);
  const quantizers: number[][] = [];
  const tables = new Map<number, HuffmanTable>();
  let frame: Frame | undefined;
  let restartInterval = 0;
  let colour: ColourHints = { isJfif: false, adobe: undefined };

  let at = 2;
  while (at + 4 <= jpeg.length) {
    const marker = jpeg[at + 1]!;
    if (jpeg[at] !== 0xff || marker === 0xff || marker === 0 || (marker & 0xf8) === 0xd0) {
      at++;
      continue;
    }
    if (marker === 0xd9) break;
    const end = at + 2 + view.getUint16(at + 2);
    const segment = jpeg.subarray(at + 4, end);
    at = end;
    if (marker === 0xdb) readQuantizers(segment, quantizers);
    else if (marker === 0xc4) readTables(segment, tables);
    else if (marker === 0xc0 || marker === 0xc1 || marker === 0xc2)
      frame = readFrame(segment, marker === 0xc2);
    else if (marker === 0xdd) restartInterval = segment[0]! * 256 + segment[1]!;
    else if (marker === 0xe0 || marker === 0xee) colour = hintsOf(segment, colour);
    else if (marker === 0xda) {
      const scan = readScan(
        segment,
        present(frame, 'a frame stands before its scans'),
        tables,
        restartInterval,
      );
      const { intervals, next } = entropyCoded(jpeg, end);
      decodeScan(scan, intervals);
      at = next;
    }
  }
  return paint(present(frame, 'the file has a frame'), quantizers, colour);
}

function readQuantizers(segment: Uint8Array, quantizers: number[][]): void {
  for (let at = 0; at < segment.length;) {
    const [size, id] = [segment[at]! >> 4, segment[at]! & 15];
    at++;
    const table: number[] = [];
    for (const natural of ZIGZAG) {
      table[natural] = size === 0 ? segment[at]! : segment[at]! * 256 + segment[at + 1]!;
      at += size + 1;
    }
    quantizers[id] = table;
  }
}

function readTables(segment: Uint8Array, tables: Map<number, HuffmanTable>): void {
  for (let at = 0; at < segment.length;) {
    const table = new Uint16Array(65536);
    const counts = segment.subarray(at + 1, at + 17);
    tables.set(segment[at]!, table);
    at += 17;
    let code = 0;
    counts.forEach((count, index) => {
      const length = index + 1;
      for (let each = 0; each < count; each++, code++) {
        const shift = 16 - length;
        table.fill(length * 256 + segment[at++]!, code << shift, (code + 1) << shift);
      }
      code *= 2;
    });
  }
}

function readFrame(segment: Uint8Array, isProgressive: boolean): Frame {
  const height = segment[1]! * 256 + segment[2]!;
  const width = segment[3]! * 256 + segment[4]!;
  const raw = Array.from({ length: segment[5]! }, (_, index) =>
    segment.subarray(6 + 3 * index, 9 + 3 * index),
  );
  const hMax = Math.max(...raw.map((each) => each[1]! >> 4));
  const vMax = Math.max(...raw.map((each) => each[1]! & 15));
  const components = raw.map((each): Component => {
    const [h, v] = [each[1]! >> 4, each[1]! & 15];
    const blocksWide = Math.ceil(width / (8 * hMax)) * h;
    const blocksHigh = Math.ceil(height / (8 * vMax)) * v;
    return {
      id: each[0]!,
      h,
      v,
      quantizer: each[2]!,
      blocksWide,
      blocksHigh,
      width: Math.ceil((width * h) / hMax),
      height: Math.ceil((height * v) / vMax),
      coefficients: new Int32Array(blocksWide * blocksHigh * 64),
    };
  });
  return { isProgressive, width, height, hMax, vMax, components };
}

function readScan(
  segment: Uint8Array,
  frame: Frame,
  tables: ReadonlyMap<number, HuffmanTable>,
  restartInterval: number,
): Scan {
  const count = segment[0]!;
  const missing = new Uint16Array(65536);
  const parts = Array.from({ length: count }, (_, index) => {
    const [id, selectors] = [segment[1 + 2 * index]!, segment[2 + 2 * index]!];
    return {
      component: present(
        frame.components.find((component) => component.id === id),
        'a scan names components of its frame',
      ),
      // A progressive scan needs only one of the two.
      dc: tables.get(selectors >> 4) ?? missing,
      ac: tables.get(0x10 | (selectors & 15)) ?? missing,
      predictor: 0,
    };
  });
  const [first = 0, last = 0, approximation = 0] = segment.subarray(1 + 2 * count);
  return {
    frame,
    parts,
    restartInterval,
    endOfBandRun: 0,
    ...(frame.isProgressive
      ? {
          first,
          last,
          isRefining: approximation >> 4 > 0,
          low: approximation & 15,
        }
      : {
          first: 0,
          last: 63,
          isRefining: false,
          low: 0,
        }),
  };
}

/** The entropy-coded data from `from` on, without its stuffing, split at the restart markers. */
function entropyCoded(jpeg: Uint8Array, from: number): { intervals: Uint8Array[]; next: number } {
  const intervals: Uint8Array[] = [];
  let bytes: number[] = [];
  let at = from;
  for (; at < jpeg.length; at++) {
    if (jpeg[at] !== 0xff) {
      bytes.push(jpeg[at]!);
      continue;
    }
    const code = jpeg[at + 1] ?? 0xd9;
    if (code === 0xff) continue;
    if (code === 0) bytes.push(0xff);
    else if ((code & 0xf8) === 0xd0) {
      intervals.push(Uint8Array.from(bytes));
      bytes = [];
    } else break;
    at++;
  }
  intervals.push(Uint8Array.from(bytes));
  return { intervals, next: at };
}

/** Reads bits, most significant first; past the end there are zeros. */
class Bits {
  private at = 0;
  private readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  private peek16(): number {
    const byte = this.at >> 3;
    const three =
      ((this.bytes[byte] ?? 0) << 16) | ((this.bytes[byte + 1] ?? 0) << 8) | (this.bytes[byte + 2] ?? 0);
    return (three >> (8 - (this.at & 7))) & 0xffff;
  }

  take(count: number): number {
    const value = this.peek16() >> (16 - count);
    this.at += count;
    return value;
  }

  symbol(table: HuffmanTable): number {
    const entry = table[this.peek16()]!;
    this.at += entry >> 8;
    return entry & 255;
  }

  /** T.81 F.2.2.1, EXTEND. */
  signed(count: number): number {
    const value = count === 0 ? 0 : this.take(count);
    return count > 0 && value < 2 ** (count - 1) ? value - 2 ** count + 1 : value;
  }
}

function decodeScan(scan: Scan, intervals: readonly Uint8Array[]): void {
  const { frame, parts, restartInterval } = scan;
  const { component: alone } = parts[0]!;
  const isAlone = parts.length === 1;
  const columns = isAlone ? Math.ceil(alone.width / 8) : Math.ceil(frame.width / (8 * frame.hMax));
  const rows = isAlone ? Math.ceil(alone.height / 8) : Math.ceil(frame.height / (8 * frame.vMax));
  const perInterval = restartInterval === 0 ? columns * rows : restartInterval;
  intervals.forEach((bytes, interval) => {
    const bits = new Bits(bytes);
    scan.endOfBandRun = 0;
    for (const part of parts) part.predictor = 0;
    const end = Math.min(columns * rows, (interval + 1) * perInterval);
    for (let mcu = interval * perInterval; mcu < end; mcu++) {
      const [x, y] = [mcu % columns, Math.floor(mcu / columns)];
      for (const part of parts) {
        const { h, v, blocksWide, coefficients } = part.component;
        const [wide, high] = isAlone ? [1, 1] : [h, v];
        for (let block = 0; block < wide * high; block++) {
          const column = x * wide + (block % wide);
          const row = y * high + Math.floor(block / wide);
          const at = (row * blocksWide + column) * 64;
          decodeBlock(scan, part, bits, coefficients.subarray(at, at + 64));
        }
      }
    }
  });
}

function decodeBlock(scan: Scan, part: Scan['parts'][number], bits: Bits, block: Int32Array): void {
  const { first, last, isRefining, low } = scan;
  if (first === 0) {
    if (isRefining) {
      block[0]! |= bits.take(1) << low;
    } else {
      part.predictor += bits.signed(bits.symbol(part.dc));
      block[0] = part.predictor * 2 ** low;
    }
  }
  if (last === 0) return;
  if (isRefining) refineBand(scan, part.ac, bits, block);
  else if (scan.endOfBandRun > 0) scan.endOfBandRun--;
  else newBand(scan, part.ac, bits, block);
}

/** T.81 F.2.2.2 and G.1.2.2: the AC coefficients of a band, for the first time. */
function newBand(scan: Scan, table: HuffmanTable, bits: Bits, block: Int32Array): void {
  for (let at = Math.max(1, scan.first); at <= scan.last; at++) {
    const symbol = bits.symbol(table);
    const [run, size] = [symbol >> 4, symbol & 15];
    if (size === 0 && run < 15) {
      scan.endOfBandRun = 2 ** run + (run > 0 ? bits.take(run) : 0) - 1;
      return;
    }
    at += run;
    if (size > 0) block[ZIGZAG[at]!] = bits.signed(size) * 2 ** scan.low;
  }
}

/** T.81 G.1.2.3: one more bit of the coefficients that are known, and new ones of magnitude 1 in between. */
function refineBand(scan: Scan, table: HuffmanTable, bits: Bits, block: Int32Array): void {
  const one = 2 ** scan.low;
  const correct = (natural: number): void => {
    if (bits.take(1) === 1) block[natural]! += Math.sign(block[natural]!) * one;
  };
  let at = scan.first;
  while (scan.endOfBandRun === 0 && at <= scan.last) {
    const symbol = bits.symbol(table);
    let run = symbol >> 4;
    if ((symbol & 15) === 0 && run < 15) {
      scan.endOfBandRun = 2 ** run + (run > 0 ? bits.take(run) : 0);
      break;
    }
    const fresh = (symbol & 15) === 0 ? 0 : bits.take(1) === 1 ? one : -one;
    for (; at <= scan.last; at++) {
      const natural = ZIGZAG[at]!;
      if (block[natural] !== 0) correct(natural);
      else if (run-- === 0) {
        block[natural] = fresh;
        break;
      }
    }
    at++;
  }
  if (scan.endOfBandRun === 0) return;
  for (; at <= scan.last; at++) if (block[ZIGZAG[at]!] !== 0) correct(ZIGZAG[at]!);
  scan.endOfBandRun--;
}

/** `cosines[x * 8 + u]`: the definition of the inverse DCT, T.81 A.3.3, for one dimension. */
const cosines = Float64Array.from({ length: 64 }, (_, index) => {
  const [x, u] = [index >> 3, index & 7];
  return (u === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * x + 1) * u * Math.PI) / 16);
});

/** Halves go up, also those that the cosines' last digits left just below: flat blocks are full of them. */
const ROUNDING = 0.5 + 1e-9;

/** The samples of a component, `blocksWide * 8` to a row. */
function samplesOf(component: Component, quantizer: readonly number[]): Uint8ClampedArray {
  const { blocksWide, blocksHigh, coefficients } = component;
  const samples = new Uint8ClampedArray(blocksWide * blocksHigh * 64);
  const rows = new Float64Array(64);
  for (let block = 0; block < blocksWide * blocksHigh; block++) {
    const corner = Math.floor(block / blocksWide) * blocksWide * 64 + (block % blocksWide) * 8;
    for (let v = 0; v < 8; v++) {
      for (let x = 0; x < 8; x++) {
        let sum = 0;
        for (let u = 0; u < 8; u++)
          sum += cosines[x * 8 + u]! * coefficients[block * 64 + v * 8 + u]! * quantizer[v * 8 + u]!;
        rows[v * 8 + x] = sum;
      }
    }
    for (let y = 0; y < 8; y++) {
      for (let x = 0; x < 8; x++) {
        let sum = 0;
        for (let v = 0; v < 8; v++) sum += cosines[y * 8 + v]! * rows[v * 8 + x]!;
        samples[corner + y * blocksWide * 8 + x] = Math.floor(sum + ROUNDING) + 128;
      }
    }
  }
  return samples;
}

/** A component at the resolution of the picture. */
function enlarge(component: Component, samples: Uint8ClampedArray, frame: Frame): Uint8Array {
  const { width, height, h, v, blocksWide } = component;
  const [acrossBy, downBy] = [frame.hMax / h, frame.vMax / v];
  // libjpeg's default, a triangle filter: 3/4 of the sample, 1/4 of its nearer neighbour. Other
  // ratios, and pictures of one or two samples across, repeat samples.
  const isAcross = acrossBy === 2 && width > 2 && downBy <= 2;
  const isDown = downBy === 2 && (isAcross || acrossBy === 1);
  const large = new Uint8Array(frame.width * frame.height);
  const sample = (x: number, y: number): number =>
    samples[Math.min(Math.max(y, 0), height - 1) * blocksWide * 8 + Math.min(Math.max(x, 0), width - 1)]!;
  for (let y = 0; y < frame.height; y++) {
    const row = Math.floor(y / downBy);
    const nearRow = row + (y % 2 === 0 ? -1 : 1);
    const column = (x: number): number => (isDown ? 3 * sample(x, row) + sample(x, nearRow) : sample(x, row));
    for (let x = 0; x < frame.width; x++) {
      const at = Math.floor(x / acrossBy);
      let sum = column(at);
      let weight = isDown ? 4 : 1;
      // Ties alternate between up and down, so that a flat slope keeps its mean.
      let bias = isDown ? (y % 2 === 0 ? 1 : 2) : 0;
      if (isAcross) {
        sum = 3 * sum + column(at + (x % 2 === 0 ? -1 : 1));
        weight *= 4;
        bias = isDown ? (x % 2 === 0 ? 8 : 7) : x % 2 === 0 ? 1 : 2;
      }
      large[y * frame.width + x] = Math.floor((sum + bias) / weight);
    }
  }
  return large;
}

interface ColourHints {
  readonly isJfif: boolean;
  /** The colour transform of Adobe's marker. */
  readonly adobe: number | undefined;
}

function hintsOf(segment: Uint8Array, known: ColourHints): ColourHints {
  const name = new TextDecoder('latin1').decode(segment.subarray(0, 5));
  if (name === 'JFIF\0' && segment.length >= 14) return { ...known, isJfif: true };
  if (name === 'Adobe' && segment.length >= 12) return { ...known, adobe: segment[11]! };
  return known;
}

/** Whether the first three components are luma and two colour differences. */
function isTransformed({ components }: Frame, { isJfif, adobe }: ColourHints): boolean {
  if (components.length === 1) return false;
  if (components.length === 4) return adobe !== undefined && adobe !== 0;
  if (isJfif) return true;
  if (adobe !== undefined) return adobe !== 0;
  return components.map(({ id }) => String.fromCharCode(id)).join('') !== 'RGB';
}

function paint(frame: Frame, quantizers: readonly (readonly number[])[], hints: ColourHints): Picture {
  const { width, height, components } = frame;
  const planes = components.map((component) => {
    const quantizer = present(quantizers[component.quantizer], 'a component has its quantization table');
    return enlarge(component, samplesOf(component, quantizer), frame);
  });
  const [a, b = a, c = a, black] = planes as [Uint8Array, ...Uint8Array[]];
  const transformed = isTransformed(frame, hints);
  const rgb = new Uint8ClampedArray(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const at = pixel * 3;
    const [first, cb, cr] = [a[pixel]!, b[pixel]! - 128, c[pixel]! - 128];
    rgb[at] = transformed ? Math.round(first + 1.402 * cr) : first;
    rgb[at + 1] = transformed ? Math.round(first - 0.344136286 * cb - 0.714136286 * cr) : b[pixel]!;
    rgb[at + 2] = transformed ? Math.round(first + 1.772 * cb) : c[pixel]!;
    if (black === undefined) continue;
    // Adobe stores inverted inks: 255 is none. After the transform they are the inks themselves.
    for (let channel = at; channel < at + 3; channel++) {
      const paper = transformed ? 255 - rgb[channel]! : rgb[channel]!;
      rgb[channel] = Math.round((paper * black[pixel]!) / 255);
    }
  }
  return { width, height, rgb: new Uint8Array(rgb.buffer) };
}
