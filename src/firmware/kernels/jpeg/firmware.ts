// A JPEG decoder (ITU-T T.81): baseline, extended sequential and progressive Huffman coding with 8-bit
// samples, 1, 3 or 4 components, any sampling factors, restart intervals. Its pixels agree with libjpeg's
// accurate settings (islow, fancy upsampling) to the bit.
//
// op 1, probe: input iova, input bytes -> width, height, components, 1 if progressive, scratch bytes
// op 2, decode: input iova, input bytes, output iova, output bytes, scratch iova, scratch bytes,
//   bytes per pixel (3: RGB, 4: RGBA) -> as probe, then warnings (0: an undamaged stream), scans
//
// Rows of the output follow each other without gaps. `errors.ts` lists the error codes.

import { dmaOut, DONE, MORE } from '../abi';
import { BAD_COMMAND, BUFFER_TOO_SMALL, DAMAGED, DMA_FAULT } from './errors';
import { NOT_A_JPEG, TRUNCATED, UNSUPPORTED } from './errors';
import {
  forgetFrame,
  frame,
  placeFrame,
  readApp0,
  readApp14,
  readFrame,
  readQuantizers,
  readRestartInterval,
} from './frame';
import { defineTable, forgetTables } from './huffman';
import { closeSegment, EOI, inputCut, inputFaulted, nextByte, openInput } from './input';
import { openSegment, seekMarker, segmentRest, warn, warnings } from './input';
import { renderIsOver, renderRow, startRendering } from './render';
import { blocksToPause, finishBlocks, finishIsOver, forgetScans, readScan } from './scan';
import { scanCount, scanIsOver, scanIsWhole, scanMcu } from './scan';

export const abi: i32 = 1;
export const command: usize = memory.data(96, 8);

const OP_PROBE: i32 = 1;
const OP_DECODE: i32 = 2;

const READING_HEADERS: i32 = 1;
const CLEARING: i32 = 2;
const SCANNING: i32 = 3;
const FINISHING: i32 = 4;
const RENDERING: i32 = 5;

const HEADER_UNITS: i32 = 50;
const ZERO_BYTES: u32 = 4096;
const blank: usize = memory.data(4096, 16);

/** Calls of `step` that wait between two rows for the switch that a denied `quiesce` announced. */
const PATIENCE: i32 = 1 << 18;
/** How often a denial may double the expected time for a block, from half a microsecond. */
const MOST_DOUBLINGS: i32 = 4;

let phase: i32 = 0;
let clearAt: u32 = 0;
let clearEnd: u32 = 0;
let leaving: i32 = 0;
let denials: i32 = 0;

function argument(index: usize): u32 {
  return load<u32>(command + 8 + (index << 2));
}

function setResult(index: usize, value: i32): void {
  store<i32>(command + 64 + (index << 2), value);
}

function wraps(iova: u32, bytes: u32): bool {
  return <u64>iova + bytes > 0x100000000;
}

export function start(): i32 {
  phase = 0;
  leaving = 0;
  denials = 0;
  const op = load<i32>(command, 4);
  if (op != OP_PROBE && op != OP_DECODE) return BAD_COMMAND;
  if (wraps(argument(0), argument(1))) return BAD_COMMAND;
  if (op == OP_DECODE) {
    const format = argument(6);
    if (format != 3 && format != 4) return BAD_COMMAND;
    if (wraps(argument(2), argument(3)) || wraps(argument(4), argument(5))) return BAD_COMMAND;
  }
  openInput(argument(0), argument(1));
  forgetTables();
  forgetFrame();
  forgetScans();
  if (nextByte() != 0xff || nextByte() != 0xd8) return inputFaulted() ? DMA_FAULT : NOT_A_JPEG;
  phase = READING_HEADERS;
  return MORE;
}

export function step(budget: i32): i32 {
  if (leaving > 0 && betweenRows()) {
    // The switch was denied in the middle of this row and is due now: begin no other.
    leaving--;
    return MORE;
  }
  let left = budget;
  do {
    const cost = work();
    if (cost < 0 || phase == 0) {
      phase = 0;
      return cost < 0 ? cost : DONE;
    }
    left -= cost;
  } while (left > 0 && !(leaving > 0 && betweenRows()));
  return MORE;
}

function betweenRows(): bool {
  return phase != SCANNING || blocksToPause() == 0;
}

/**
 * The entropy unit does not stop inside an MCU row: the answer is how long the rest of the row takes. Firmware
 * does not know how fast it is, so each denial in the same row expects twice as long for a block. A row, or
 * a stretch of a long one, has at most 1920 blocks: no answer exceeds 15.4 ms, and the row ends the waiting.
 */
export function quiesce(): i32 {
  if (betweenRows()) {
    leaving = 0;
    denials = 0;
    return 0;
  }
  leaving = PATIENCE;
  const wait = ((blocksToPause() << denials) >> 1) + 1;
  if (denials < MOST_DOUBLINGS) denials++;
  return wait;
}

/** One piece of work. Returns its cost in units, or an error; `phase` is 0 once the command is done. */
function work(): i32 {
  if (phase == READING_HEADERS) return readHeader();
  if (phase == CLEARING) return clear();
  if (phase == SCANNING) {
    if (!scanIsOver()) return scanMcu();
    // A sequential picture with all its components in one scan ends here, whatever may follow.
    if (!frame.progressive && scanIsWhole()) beginRendering();
    else phase = READING_HEADERS;
    return 1;
  }
  if (phase == FINISHING) {
    if (!finishIsOver()) return finishBlocks();
    beginRendering();
    return 1;
  }
  if (!renderIsOver()) return renderRow();
  finish();
  return 1;
}

function describe(): void {
  setResult(0, frame.width);
  setResult(1, frame.height);
  setResult(2, frame.components);
  setResult(3, frame.progressive ? 1 : 0);
  setResult(4, frame.scratchBytes);
}

function finish(): void {
  describe();
  setResult(5, warnings());
  setResult(6, scanCount());
  phase = 0;
}

function beginRendering(): void {
  phase = RENDERING;
  startRendering(argument(2), argument(6));
}

function readHeader(): i32 {
  const marker = seekMarker();
  if (inputFaulted()) return DMA_FAULT;
  if (marker == 0) return HEADER_UNITS;
  if (marker == EOI) return endPicture();
  // RSTn, SOI and TEM have no segment.
  if ((marker & 0xf8) == 0xd0 || marker == 0xd8 || marker == 0x01) return HEADER_UNITS;
  openSegment();
  const status = readSegment(marker);
  if (inputFaulted()) return DMA_FAULT;
  if (inputCut()) {
    warn();
    // The first scan, cut off in its header, gave nothing.
    return marker == 0xda && scanCount() == 1 ? TRUNCATED : endPicture();
  }
  if (status != 0) return status;
  if (!closeSegment()) return DAMAGED;
  if (marker == 0xda) return beginScan();
  if (frame.components != 0 && load<i32>(command, 4) == OP_PROBE) {
    describe();
    phase = 0;
  }
  return HEADER_UNITS;
}

/** The image ends: what its scans gave becomes the picture. */
function endPicture(): i32 {
  if (scanCount() == 0) return TRUNCATED;
  if (frame.progressive) phase = FINISHING;
  else beginRendering();
  return 1;
}

function readSegment(marker: i32): i32 {
  if (marker == 0xc4) {
    while (segmentRest() > 0) {
      const status = defineTable();
      if (status != 0) return status;
    }
    return 0;
  }
  if (marker >= 0xc0 && marker <= 0xc2) return readFrame(marker == 0xc2);
  // The other frames (lossless, hierarchical, arithmetic), their tables, DNL, DHP and EXP.
  if (marker >= 0xc3 && marker <= 0xcf) return UNSUPPORTED;
  if (marker == 0xdc || marker == 0xde || marker == 0xdf) return UNSUPPORTED;
  if (marker == 0xda) return readScan();
  if (marker == 0xdb) return readQuantizers();
  if (marker == 0xdd) readRestartInterval();
  else if (marker == 0xe0) readApp0();
  else if (marker == 0xee) readApp14();
  return 0;
}

function beginScan(): i32 {
  phase = SCANNING;
  if (scanCount() > 1) return HEADER_UNITS;
  const scratch = argument(4);
  const needed = <u64>frame.width * frame.height * argument(6);
  if (argument(3) < needed || argument(5) < frame.scratchBytes) return BUFFER_TOO_SMALL;
  placeFrame(scratch);
  if (!frame.progressive && scanIsWhole()) return HEADER_UNITS;
  // What no scan covers is mid-gray: sample 128, or all coefficients 0.
  memory.fill(blank, frame.progressive ? 0 : 128, ZERO_BYTES);
  clearAt = scratch + (frame.progressive ? frame.planeBytes : 0);
  clearEnd = scratch + frame.scratchBytes;
  phase = CLEARING;
  return HEADER_UNITS;
}

function clear(): i32 {
  const bytes = min(clearEnd - clearAt, ZERO_BYTES);
  if (bytes != 0 && dmaOut(clearAt, blank, bytes) != 0) return DMA_FAULT;
  clearAt += bytes;
  if (clearAt == clearEnd) phase = SCANNING;
  return HEADER_UNITS;
}
