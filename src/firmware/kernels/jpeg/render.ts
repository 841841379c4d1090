// From component planes to pixels: chroma upsampling and colour conversion, one row of one tile at a time.
// Filters and roundings are libjpeg's ("fancy" triangle upsampling, 16-bit fixed-point YCbCr).

import { dmaIn, dmaOut } from '../abi';
import { DMA_FAULT } from './errors';
import { CMYK, colourSpace, Component, component, frame, GRAY, MAX_COMPONENTS, RGB, YCC } from './frame';

/** Pixels of a tile row; a multiple of 1 to 4, so that a tile begins at a whole sample of every component. */
const TILE: i32 = 960;
// A cached row: one sample of context on each side of at most TILE samples.
const ROW_BYTES: i32 = 976;
const ROW_START: i32 = 8;
const ROWS: i32 = 4;

const cache: usize = memory.data(15616, 16);
/** Which row of the plane each cached row is, plus 1. */
const cached: usize = memory.data(64, 4);
const upsampled: usize = memory.data(3840, 16);
const pixels: usize = memory.data(3840, 16);

let output: u32 = 0;
let pixelBytes: i32 = 0;
let colour: i32 = 0;
let tileAt: i32 = 0;
let line: i32 = 0;

export function startRendering(to: u32, bytesPerPixel: i32): void {
  output = to;
  pixelBytes = bytesPerPixel;
  colour = colourSpace();
  tileAt = 0;
  line = 0;
  memory.fill(cached, 0, 64);
}

export function renderIsOver(): bool {
  return tileAt >= frame.width;
}

/** Local address of the tile's first sample of `row`, fetched unless it is here. 0: the IOMMU refused. */
function rowOf(index: i32, part: Component, row: i32, width: i32): usize {
  const slot = index * ROWS + (row & (ROWS - 1));
  const start = cache + slot * ROW_BYTES + ROW_START;
  if (load<i32>(cached + (slot << 2)) == row + 1) return start;
  const from = (tileAt * part.h) / frame.hMax;
  const left = from > 0 ? 1 : 0;
  const right = from + width < part.width ? 1 : 0;
  const iova = part.plane + <u32>row * (<u32>part.blocksWide << 3) + <u32>(from - left);
  if (dmaIn(start - left, iova, left + width + right) != 0) return 0;
  // Beyond the picture its last sample goes on.
  if (left == 0) store<u8>(start - 1, load<u8>(start));
  if (right == 0) store<u8>(start + width, load<u8>(start + width - 1));
  store<i32>(cached + (slot << 2), row + 1);
  return start;
}

/** Each sample gives two, each 3/4 of it and 1/4 of its nearer neighbour. */
function widen(from: usize, to: usize, width: i32): void {
  let before = <i32>load<u8>(from - 1);
  let here = <i32>load<u8>(from);
  for (let at = 0; at < width; at++, from++, to += 2) {
    const after = <i32>load<u8>(from, 1);
    store<u8>(to, (3 * here + before + 1) >> 2);
    store<u8>(to, (3 * here + after + 2) >> 2, 1);
    before = here;
    here = after;
  }
}

/** The same down and across: `near` is the neighbouring row that is closer to the output row. */
function widenBetween(from: usize, near: usize, to: usize, width: i32): void {
  let before = 3 * <i32>load<u8>(from - 1) + <i32>load<u8>(near - 1);
  let here = 3 * <i32>load<u8>(from) + <i32>load<u8>(near);
  for (let at = 0; at < width; at++, from++, near++, to += 2) {
    const after = 3 * <i32>load<u8>(from, 1) + <i32>load<u8>(near, 1);
    store<u8>(to, (3 * here + before + 8) >> 4);
    store<u8>(to, (3 * here + after + 7) >> 4, 1);
    before = here;
    here = after;
  }
}

function between(from: usize, near: usize, to: usize, width: i32, bias: i32): void {
  for (let at = 0; at < width; at++) {
    store<u8>(to + at, (3 * <i32>load<u8>(from + at) + <i32>load<u8>(near + at) + bias) >> 2);
  }
}

/** Any other ratio repeats samples. */
function repeat(from: usize, to: usize, count: i32, share: i32, per: i32): void {
  let phase = 0;
  for (let at = 0; at < count; at++) {
    store<u8>(to + at, load<u8>(from));
    phase += share;
    if (phase >= per) {
      phase -= per;
      from++;
    }
  }
}

/** Local address of `count` samples of one component at the picture's resolution; 0: the IOMMU refused. */
function samplesOf(index: i32, count: i32): usize {
  const part = component(index);
  const row = (line * part.v) / frame.vMax;
  const start = (tileAt * part.h) / frame.hMax;
  const width = min((count * part.h + frame.hMax - 1) / frame.hMax, part.width - start);
  const here = rowOf(index, part, row, width);
  if (here == 0) return 0;
  const sameHeight = part.v == frame.vMax;
  const halfHeight = part.v * 2 == frame.vMax;
  const halfWidth = part.h * 2 == frame.hMax;
  if (part.h == frame.hMax && sameHeight) return here;
  const to = upsampled + index * TILE;
  // libjpeg filters across only where there are three samples or more.
  const across = halfWidth && part.width > 2;
  if (across && sameHeight) {
    widen(here, to, width);
    return to;
  }
  if (halfHeight && (across || part.h == frame.hMax)) {
    const below = line & 1;
    const near = rowOf(index, part, below != 0 ? min(row + 1, part.height - 1) : max(row - 1, 0), width);
    if (near == 0) return 0;
    if (across) widenBetween(here, near, to, width);
    else between(here, near, to, width, below + 1);
    return to;
  }
  repeat(here, to, count, part.h, frame.hMax);
  return to;
}

@inline
function clamp(value: i32): i32 {
  return (value & ~255) == 0 ? value : value < 0 ? 0 : 255;
}

@inline
function emit(to: usize, red: i32, green: i32, blue: i32): void {
  store<u8>(to, red);
  store<u8>(to, green, 1);
  store<u8>(to, blue, 2);
}

/** CMYK as Adobe writes it: inverted, 255 is no ink. */
@inline
function ink(colour: i32, black: i32): i32 {
  return (2 * colour * black + 255) / 510;
}

// 1.402, 0.34414, 0.71414 and 1.772 times 65536, and a half.

@inline
function red(luma: i32, cr: i32): i32 {
  return clamp(luma + ((91881 * (cr - 128) + 32768) >> 16));
}

@inline
function green(luma: i32, cb: i32, cr: i32): i32 {
  return clamp(luma + ((-22554 * (cb - 128) - 46802 * (cr - 128) + 32768) >> 16));
}

@inline
function blue(luma: i32, cb: i32): i32 {
  return clamp(luma + ((116130 * (cb - 128) + 32768) >> 16));
}

/** What nearly all pictures are: a loop of its own. */
function convertYcc(a: usize, b: usize, c: usize, count: i32): void {
  const end = a + count;
  for (let to = pixels; a < end; a++, b++, c++, to += pixelBytes) {
    const luma = <i32>load<u8>(a);
    const cb = <i32>load<u8>(b);
    const cr = <i32>load<u8>(c);
    emit(to, red(luma, cr), green(luma, cb, cr), blue(luma, cb));
  }
}

function convertOther(a: usize, b: usize, c: usize, d: usize, count: i32): void {
  let to = pixels;
  for (let at = 0; at < count; at++, to += pixelBytes) {
    const first = <i32>load<u8>(a + at);
    const second = <i32>load<u8>(b + at);
    const third = <i32>load<u8>(c + at);
    const black = <i32>load<u8>(d + at);
    if (colour == GRAY) {
      emit(to, first, first, first);
    } else if (colour == RGB) {
      emit(to, first, second, third);
    } else if (colour == CMYK) {
      emit(to, ink(first, black), ink(second, black), ink(third, black));
    } else {
      const cyan = 255 - red(first, third);
      const magenta = 255 - green(first, second, third);
      const yellow = 255 - blue(first, second);
      emit(to, ink(cyan, black), ink(magenta, black), ink(yellow, black));
    }
  }
}

function makeOpaque(count: i32): void {
  const end = pixels + (count << 2);
  for (let to = pixels; to < end; to += 4) store<u8>(to, 255, 3);
}

/** Renders one row of one tile. Returns what it cost, or an error. */
export function renderRow(): i32 {
  const count = min(frame.width - tileAt, TILE);
  const a = samplesOf(0, count);
  const b = frame.components > 1 ? samplesOf(1, count) : a;
  const c = frame.components > 1 ? samplesOf(2, count) : a;
  const d = frame.components == MAX_COMPONENTS ? samplesOf(3, count) : a;
  if (a == 0 || b == 0 || c == 0 || d == 0) return DMA_FAULT;
  if (colour == YCC) convertYcc(a, b, c, count);
  else convertOther(a, b, c, d, count);
  if (pixelBytes == 4) makeOpaque(count);
  const to = output + (<u32>line * <u32>frame.width + <u32>tileAt) * <u32>pixelBytes;
  if (dmaOut(to, pixels, count * pixelBytes) != 0) return DMA_FAULT;
  if (++line == frame.height) {
    line = 0;
    tileAt += TILE;
    memory.fill(cached, 0, 64);
  }
  return 16 + (count << 1);
}
