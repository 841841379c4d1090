// One scan (T.81 B.2.3, E.2): MCU by MCU, in chunks of one row that fit local memory. A sequential scan leaves
// samples in the planes; a progressive one refines coefficients, which `finishBlocks` turns into samples.

import { dmaIn, dmaOut } from '../abi';
import { acFirst, acRefine, dcFirst, dcRefine, forgetRun, sequentialBlock } from './blocks';
import { DAMAGED, DMA_FAULT, TOO_MANY_SCANS } from './errors';
import { component, frame, latchQuantizer, quantizerOf, Component } from './frame';
import { tableOf } from './huffman';
import { inverse, inverseFlat } from './idct';
import { clearBits, inputFaulted, seekMarker, segmentByte, starved, unreadMarker, warn } from './input';

/** MCUs of interleaved scans have at most ten blocks (T.81 B.2.3). */
const MAX_MCU_BLOCKS: i32 = 10;
const CHUNK_BLOCKS: i32 = 160;
const MAX_SCANS: i32 = 512;
/** What a block costs, in units of `step`'s budget: 4000 to 7000 instructions. */
const BLOCK_UNITS: i32 = 64;
/** A row of more chunks than this is interrupted: nobody waits for the whole of a row of 65 000 pixels. */
const STRETCH_CHUNKS: i32 = 12;

const samples: usize = memory.data(10240, 16);
const coefficients: usize = memory.data(20480, 16);
const single: usize = memory.data(128, 16);

let scans: i32 = 0;
let members: i32 = 0;
/** Indices of the scan's components, four bits each. */
let memberList: i32 = 0;
let first: i32 = 0;
let last: i32 = 0;
let refining: bool = false;
let low: i32 = 0;

let columns: i32 = 0;
let rows: i32 = 0;
let mcuBlocks: i32 = 0;
let row: i32 = 0;
/** First MCU of the chunk, its MCUs, and how many of them are done. */
let chunkAt: i32 = 0;
let chunkMcus: i32 = 0;
let chunkDone: i32 = 0;

let restartsLeft: i32 = 0;
let restartWanted: i32 = 0;
let restarting: bool = false;

// Of `finishBlocks`.
let finishing: i32 = 0;
let finishRow: i32 = 0;
let finishAt: i32 = 0;

export function forgetScans(): void {
  scans = 0;
  finishing = 0;
  finishRow = 0;
  finishAt = 0;
}

export function scanCount(): i32 {
  return scans;
}

function member(index: i32): Component {
  return component((memberList >> (index << 2)) & 15);
}

/** True when this scan codes every component, so that a sequential picture needs no other. */
export function scanIsWhole(): bool {
  return members == frame.components;
}

/** Blocks until the end of the MCU row, or of this stretch of a long one; 0 where decoding may pause. */
export function blocksToPause(): i32 {
  const stretch = (CHUNK_BLOCKS / mcuBlocks) * STRETCH_CHUNKS;
  const done = chunkAt + chunkDone;
  const since = done % stretch;
  return since == 0 ? 0 : min(columns - done, stretch - since) * mcuBlocks;
}

/** SOS. Returns 0 or an error. */
export function readScan(): i32 {
  if (frame.components == 0) return DAMAGED;
  if (++scans > MAX_SCANS) return TOO_MANY_SCANS;
  members = segmentByte();
  if (members < 1 || members > frame.components) return DAMAGED;
  memberList = 0;
  mcuBlocks = 0;
  let seen = 0;
  let selectors: u32 = 0;
  for (let each = 0; each < members; each++) {
    const id = segmentByte();
    let index = 0;
    while (index < frame.components && component(index).id != id) index++;
    if (index == frame.components || (seen & (1 << index)) != 0) return DAMAGED;
    seen |= 1 << index;
    memberList |= index << (each << 2);
    selectors |= <u32>segmentByte() << (each << 3);
    if (!latchQuantizer(index)) return DAMAGED;
  }
  first = segmentByte();
  last = segmentByte();
  const approximation = segmentByte();
  low = approximation & 15;
  refining = approximation >> 4 != 0;
  if (frame.progressive) {
    const band = first == 0 ? last == 0 : first <= last && last <= 63 && members == 1;
    if (!band || low > 13 || (refining && approximation >> 4 != low + 1)) return DAMAGED;
  }
  for (let each = 0; each < members; each++) {
    const part = member(each);
    const selector = <i32>((selectors >> (each << 3)) & 255);
    if (selector >> 4 > 3 || (selector & 15) > 3) return DAMAGED;
    part.dcTable = tableOf(0, selector >> 4);
    part.acTable = tableOf(1, selector & 15);
    const needsDc = frame.progressive ? first == 0 && !refining : true;
    const needsAc = frame.progressive ? first != 0 : true;
    if ((needsDc && part.dcTable == 0) || (needsAc && part.acTable == 0)) return DAMAGED;
    part.mcuWide = members == 1 ? 1 : part.h;
    part.mcuHigh = members == 1 ? 1 : part.v;
    mcuBlocks += part.mcuWide * part.mcuHigh;
  }
  if (mcuBlocks > MAX_MCU_BLOCKS) return DAMAGED;
  const alone = member(0);
  columns = members == 1 ? (alone.width + 7) >> 3 : frame.mcusWide;
  rows = members == 1 ? (alone.height + 7) >> 3 : frame.mcusHigh;
  row = 0;
  chunkAt = 0;
  chunkMcus = 0;
  chunkDone = 0;
  restartWanted = 0;
  restarting = false;
  restart();
  return 0;
}

function restart(): void {
  clearBits();
  forgetRun();
  restartsLeft = frame.restartInterval;
  for (let each = 0; each < members; each++) member(each).predictor = 0;
}

/**
 * Looks for the restart marker that is due. After damage it stands elsewhere, and the choice is libjpeg's:
 * a marker just passed is skipped, one that comes soon is left for later (its segment stays empty).
 */
function resynchronize(): void {
  const marker = seekMarker();
  if (marker == 0) return;
  if (marker < 0xc0) {
    warn();
    return;
  }
  const ahead = ((marker & 7) - restartWanted) & 7;
  const isRestart = (marker & 0xf8) == 0xd0;
  if (isRestart && ahead >= 6) {
    warn();
    return;
  }
  if (ahead != 0 || !isRestart) warn();
  if (!isRestart || ahead == 1 || ahead == 2) unreadMarker(marker);
  restarting = false;
  restartWanted = (restartWanted + 1) & 7;
  restart();
}

function coefficientRow(part: Component, blockRow: i32): u32 {
  const block = (row * part.mcuHigh + blockRow) * part.blocksWide + chunkAt * part.mcuWide;
  return part.coefficients + (<u32>block << 7);
}

/** Makes room for the next MCUs of the row; a progressive scan fetches what earlier scans found. */
function openChunk(): bool {
  chunkMcus = min(columns - chunkAt, CHUNK_BLOCKS / mcuBlocks);
  chunkDone = 0;
  let used = 0;
  for (let each = 0; each < members; each++) {
    const part = member(each);
    part.chunkBlocks = chunkMcus * part.mcuWide;
    part.chunk = frame.progressive ? coefficients + (used << 7) : samples + (used << 6);
    used += part.chunkBlocks * part.mcuHigh;
    if (!frame.progressive) continue;
    for (let line = 0; line < part.mcuHigh; line++) {
      const to = part.chunk + ((line * part.chunkBlocks) << 7);
      if (dmaIn(to, coefficientRow(part, line), part.chunkBlocks << 7) != 0) return false;
    }
  }
  return true;
}

/** Writes `lines` rows of samples, `blocks * 8` wide, into a plane at block (`column`, `blockRow`). */
function storeSamples(
  part: Component,
  from: usize,
  column: i32,
  blockRow: i32,
  blocks: i32,
  lines: i32,
): bool {
  const stride = <u32>part.blocksWide << 3;
  let to = part.plane + (<u32>blockRow << 3) * stride + (<u32>column << 3);
  for (let line = 0; line < lines; line++) {
    if (dmaOut(to, from, blocks << 3) != 0) return false;
    to += stride;
    from += blocks << 3;
  }
  return true;
}

function closeChunk(): bool {
  for (let each = 0; each < members; each++) {
    const part = member(each);
    if (!frame.progressive) {
      const at = chunkAt * part.mcuWide;
      const line = row * part.mcuHigh;
      if (!storeSamples(part, part.chunk, at, line, part.chunkBlocks, part.mcuHigh << 3)) return false;
      continue;
    }
    for (let line = 0; line < part.mcuHigh; line++) {
      const from = part.chunk + ((line * part.chunkBlocks) << 7);
      if (dmaOut(coefficientRow(part, line), from, part.chunkBlocks << 7) != 0) return false;
    }
  }
  chunkAt += chunkMcus;
  chunkMcus = 0;
  chunkDone = 0;
  return true;
}

function sequentialSamples(part: Component, index: i32, empty: bool): void {
  for (let line = 0; line < part.mcuHigh; line++) {
    for (let column = 0; column < part.mcuWide; column++) {
      memory.fill(single, 0, 128);
      const lastOne = empty ? 0 : sequentialBlock(part, single);
      const stride = part.chunkBlocks << 3;
      const to = part.chunk + line * 8 * stride + ((chunkDone * part.mcuWide + column) << 3);
      if (lastOne == 0) inverseFlat(single, quantizerOf(index), to, stride);
      else inverse(single, quantizerOf(index), to, stride);
    }
  }
}

function progressiveBlocks(part: Component): void {
  for (let line = 0; line < part.mcuHigh; line++) {
    for (let column = 0; column < part.mcuWide; column++) {
      const block = part.chunk + ((line * part.chunkBlocks + chunkDone * part.mcuWide + column) << 7);
      if (first != 0) {
        if (refining) acRefine(part, block, first, last, low);
        else acFirst(part, block, first, last, low);
      } else if (refining) dcRefine(block, low);
      else dcFirst(part, block, low);
    }
  }
}

/** True when the scan has no MCU left. */
export function scanIsOver(): bool {
  return row == rows;
}

/** Decodes one MCU. Returns what it cost, or an error. */
export function scanMcu(): i32 {
  if (restarting) {
    resynchronize();
    if (inputFaulted()) return DMA_FAULT;
    return BLOCK_UNITS;
  }
  if (chunkMcus == 0 && !openChunk()) return DMA_FAULT;
  // Once the data has run out, what is left up to the next restart stays as it is: empty.
  const empty = starved();
  for (let each = 0; each < members; each++) {
    if (!frame.progressive) sequentialSamples(member(each), (memberList >> (each << 2)) & 15, empty);
    else if (!empty) progressiveBlocks(member(each));
  }
  if (inputFaulted()) return DMA_FAULT;
  chunkDone++;
  if (chunkDone == chunkMcus && !closeChunk()) return DMA_FAULT;
  if (chunkAt == columns) {
    chunkAt = 0;
    row++;
  }
  if (frame.restartInterval != 0 && --restartsLeft == 0 && row < rows) {
    if (starved()) warn();
    restarting = true;
  }
  if (row == rows && starved()) warn();
  return mcuBlocks * BLOCK_UNITS;
}

/** True when the planes of a progressive picture are complete. */
export function finishIsOver(): bool {
  return finishing == frame.components;
}

/** Turns one chunk of a progressive picture into samples. Returns what it cost, or an error. */
export function finishBlocks(): i32 {
  const part = component(finishing);
  const blocks = min(part.blocksWide - finishAt, 32);
  const from = part.coefficients + (<u32>(finishRow * part.blocksWide + finishAt) << 7);
  if (dmaIn(coefficients, from, blocks << 7) != 0) return DMA_FAULT;
  for (let block = 0; block < blocks; block++) {
    inverse(coefficients + (block << 7), quantizerOf(finishing), samples + (block << 3), blocks << 3);
  }
  if (!storeSamples(part, samples, finishAt, finishRow, blocks, 8)) return DMA_FAULT;
  finishAt += blocks;
  if (finishAt == part.blocksWide) {
    finishAt = 0;
    finishRow++;
  }
  if (finishRow == part.blocksHigh) {
    finishRow = 0;
    finishing++;
  }
  return blocks * (BLOCK_UNITS / 2);
}
