// The picture as its headers describe it (T.81 Annex B): components, tables, and where each plane lies.

import { DAMAGED, UNSUPPORTED } from './errors';
import { segmentByte, segmentRest, segmentWord } from './input';

export const MAX_COMPONENTS: i32 = 4;

/** One colour component. Sizes are in samples and in blocks of 8 x 8 samples. */
@unmanaged
export class Component {
  id: i32;
  h: i32;
  v: i32;
  quantizer: i32;
  /** Samples that belong to the picture. */
  width: i32;
  height: i32;
  /** Blocks including those that fill up the last MCUs. */
  blocksWide: i32;
  blocksHigh: i32;
  /** Where its samples lie in the scratch buffer, row by row, `blocksWide * 8` apart. */
  plane: u32;
  /** Where its coefficients lie (progressive only): 64 16-bit words for each block, row by row. */
  coefficients: u32;
  /** True once its quantization table was copied: a later DQT no longer touches it. */
  latched: bool;
  // Of the scan that is being decoded.
  dcTable: usize;
  acTable: usize;
  predictor: i32;
  /** Blocks of one MCU. */
  mcuWide: i32;
  mcuHigh: i32;
  /** Where its part of the chunk stands in local memory, and how many blocks one row of it has. */
  chunk: usize;
  chunkBlocks: i32;
}

@unmanaged
class Frame {
  width: i32;
  height: i32;
  components: i32;
  progressive: bool;
  hMax: i32;
  vMax: i32;
  mcusWide: i32;
  mcusHigh: i32;
  planeBytes: u32;
  scratchBytes: u32;
  restartInterval: i32;
  jfif: bool;
  adobe: bool;
  adobeTransform: i32;
}

const COMPONENT_BYTES: i32 = 128;
const components: usize = memory.data(512, 8);
export const frame: Frame = changetype<Frame>(memory.data(64, 8));

/** Four tables as DQT gave them, and four as components latched them: 64 16-bit words in natural order. */
const defined: usize = memory.data(512, 8);
const latched: usize = memory.data(512, 8);
let definedMask: i32 = 0;

/** From zig-zag to natural order; a run past the end of a damaged block lands on the last coefficient. */
export const NATURAL: usize = memory.data<u8>([
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14,
  21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53,
  60, 61, 54, 47, 55, 62, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63, 63,
]);

export function component(index: i32): Component {
  return changetype<Component>(components + index * COMPONENT_BYTES);
}

export function quantizerOf(index: i32): usize {
  return latched + index * 128;
}

export function forgetFrame(): void {
  memory.fill(components, 0, 512);
  memory.fill(changetype<usize>(frame), 0, 64);
  memory.fill(latched, 0, 512);
  definedMask = 0;
}

function ceilDiv(value: i32, divisor: i32): i32 {
  return (value + divisor - 1) / divisor;
}

/** SOF0, SOF1 or SOF2. Returns 0 or an error. */
export function readFrame(progressive: bool): i32 {
  if (frame.components != 0) return DAMAGED;
  const precision = segmentByte();
  frame.height = segmentWord();
  frame.width = segmentWord();
  const total = segmentByte();
  if (precision != 8 || frame.height == 0) return UNSUPPORTED;
  if (frame.width == 0 || total == 0) return DAMAGED;
  if (total != 1 && total != 3 && total != 4) return UNSUPPORTED;
  frame.progressive = progressive;
  frame.hMax = 1;
  frame.vMax = 1;
  for (let index = 0; index < total; index++) {
    const each = component(index);
    each.id = segmentByte();
    const sampling = segmentByte();
    each.h = sampling >> 4;
    each.v = sampling & 15;
    each.quantizer = segmentByte();
    if (each.h < 1 || each.h > 4 || each.v < 1 || each.v > 4 || each.quantizer > 3) return DAMAGED;
    frame.hMax = max(frame.hMax, each.h);
    frame.vMax = max(frame.vMax, each.v);
  }
  frame.mcusWide = ceilDiv(frame.width, 8 * frame.hMax);
  frame.mcusHigh = ceilDiv(frame.height, 8 * frame.vMax);
  let blocks: u64 = 0;
  for (let index = 0; index < total; index++) {
    const each = component(index);
    each.width = ceilDiv(frame.width * each.h, frame.hMax);
    each.height = ceilDiv(frame.height * each.v, frame.vMax);
    each.blocksWide = frame.mcusWide * each.h;
    each.blocksHigh = frame.mcusHigh * each.v;
    blocks += <u64>each.blocksWide * each.blocksHigh;
  }
  const scratch = blocks * (progressive ? 64 + 128 : 64);
  if (scratch > 0x7fffffff) return UNSUPPORTED;
  frame.planeBytes = <u32>blocks * 64;
  frame.scratchBytes = <u32>scratch;
  frame.components = total;
  return 0;
}

/** Lays the planes, then the coefficients, out in the scratch buffer. */
export function placeFrame(scratch: u32): void {
  let plane = scratch;
  let coefficients = scratch + frame.planeBytes;
  for (let index = 0; index < frame.components; index++) {
    const each = component(index);
    const blocks = <u32>each.blocksWide * each.blocksHigh;
    each.plane = plane;
    each.coefficients = coefficients;
    plane += blocks * 64;
    coefficients += blocks * 128;
  }
}

/** DQT: 8-bit or 16-bit tables. Returns 0 or an error. */
export function readQuantizers(): i32 {
  while (segmentRest() > 0) {
    const selector = segmentByte();
    const id = selector & 15;
    if (id > 3 || selector > 0x1f) return DAMAGED;
    for (let index = 0; index < 64; index++) {
      const step = selector >= 0x10 ? segmentWord() : segmentByte();
      store<u16>(defined + id * 128 + (<usize>load<u8>(NATURAL + index) << 1), step);
    }
    definedMask |= 1 << id;
  }
  return 0;
}

/** A component's first scan fixes its quantization table. False when that table was never defined. */
export function latchQuantizer(index: i32): bool {
  const each = component(index);
  if (each.latched) return true;
  if ((definedMask & (1 << each.quantizer)) == 0) return false;
  memory.copy(quantizerOf(index), defined + each.quantizer * 128, 128);
  each.latched = true;
  return true;
}

export function readRestartInterval(): void {
  frame.restartInterval = segmentWord();
}

/** APP0: a JFIF file is YCbCr, whatever else it says. */
export function readApp0(): void {
  if (segmentRest() < 14) return;
  frame.jfif =
    frame.jfif || (segmentWord() == 0x4a46 && segmentWord() == 0x4946 && segmentByte() == 0);
}

/** APP14: Adobe's marker tells the colour transform. */
export function readApp14(): void {
  if (segmentRest() < 12) return;
  if (segmentWord() != 0x4164 || segmentWord() != 0x6f62 || segmentByte() != 0x65) return;
  segmentWord();
  segmentWord();
  segmentWord();
  frame.adobe = true;
  frame.adobeTransform = segmentByte();
}

export const GRAY: i32 = 1;
export const RGB: i32 = 2;
export const YCC: i32 = 3;
export const CMYK: i32 = 4;
export const YCCK: i32 = 5;

/** The colour space, guessed as libjpeg does: the format itself does not say. */
export function colourSpace(): i32 {
  if (frame.components == 1) return GRAY;
  if (frame.components == 4) return frame.adobe && frame.adobeTransform != 0 ? YCCK : CMYK;
  if (frame.jfif) return YCC;
  if (frame.adobe) return frame.adobeTransform == 0 ? RGB : YCC;
  const named = component(0).id == 0x52 && component(1).id == 0x47 && component(2).id == 0x42;
  return named ? RGB : YCC;
}
