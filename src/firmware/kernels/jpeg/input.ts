// The compressed bytes: a sliding window of guest memory, read as bytes, segments, markers and bits.

import { dmaIn } from '../abi';

export const EOI: i32 = 0xd9;
const WINDOW_BYTES: u32 = 4096;
/** Bytes looked at per call of `seekMarker` and fill bytes accepted in a row: bounds the length of a step. */
const SEEK_BYTES: i32 = 2048;

const window: usize = memory.data(4096, 8);
let source: u32 = 0;
let length: u32 = 0;
/** Offset in the input of the byte after the window. */
let next: u32 = 0;
let at: usize = 0;
let end: usize = 0;
let faulted: bool = false;

let segmentLeft: i32 = 0;
let segmentShort: bool = false;
let segmentCut: bool = false;

/** The bits ahead, left-justified. Below `count` they may repeat bytes that are still to be read. */
let buffer: u64 = 0;
let count: i32 = 0;
/** Zero bits appended because a marker (or the end) was met: data ran out once fewer than these are left. */
let padding: i32 = 0;
let pending: i32 = 0;
let halfMarker: bool = false;
let warningCount: i32 = 0;

export function openInput(iova: u32, bytes: u32): void {
  source = iova;
  length = bytes;
  next = 0;
  at = window;
  end = window;
  faulted = false;
  pending = 0;
  halfMarker = false;
  warningCount = 0;
  clearBits();
}

export function inputFaulted(): bool {
  return faulted;
}

export function warn(): void {
  warningCount++;
}

export function warnings(): i32 {
  return warningCount;
}

function slide(): bool {
  const bytes = min(WINDOW_BYTES, length - next);
  if (bytes == 0 || faulted) return false;
  if (dmaIn(window, source + next, bytes) != 0) {
    faulted = true;
    return false;
  }
  next += bytes;
  at = window;
  end = window + bytes;
  return true;
}

/** The next byte, or -1 at the end of the input. */
export function nextByte(): i32 {
  if (at == end && !slide()) return -1;
  return load<u8>(at++);
}

function skip(bytes: u32): void {
  const here = <u32>(end - at);
  if (bytes <= here) {
    at += bytes;
    return;
  }
  const beyond = bytes - here;
  at = end;
  next = beyond > length - next ? length : next + beyond;
}

/** Enters a marker segment: reads its length. */
export function openSegment(): void {
  segmentShort = false;
  segmentCut = false;
  segmentLeft = 2;
  segmentLeft = segmentWord() - 2;
  if (segmentLeft < 0) segmentShort = true;
}

/** The next byte of the segment; 0 when it is over, which `closeSegment` reports. */
export function segmentByte(): i32 {
  const byte = segmentLeft > 0 ? nextByte() : -1;
  if (byte < 0) {
    segmentCut = segmentLeft > 0;
    segmentShort = true;
    return 0;
  }
  segmentLeft--;
  return byte;
}

export function segmentWord(): i32 {
  const high = segmentByte();
  return (high << 8) | segmentByte();
}

export function segmentRest(): i32 {
  return segmentShort ? 0 : segmentLeft;
}

/** True when the input ended inside the segment. */
export function inputCut(): bool {
  return segmentCut;
}

/** Leaves the segment. False when it was shorter than what was read from it. */
export function closeSegment(): bool {
  if (segmentShort) return false;
  skip(<u32>segmentLeft);
  return true;
}

/**
 * The next marker code; the end of the input reads as EOI. 0: not found yet, call again.
 * Anything between segments is skipped.
 */
export function seekMarker(): i32 {
  if (pending != 0) {
    const found = pending;
    pending = 0;
    return found;
  }
  for (let looked = 0; looked < SEEK_BYTES; looked++) {
    const byte = nextByte();
    if (byte < 0) {
      warn();
      return EOI;
    }
    if (halfMarker && byte != 0 && byte != 0xff) {
      halfMarker = false;
      return byte;
    }
    halfMarker = byte == 0xff;
  }
  return 0;
}

/** Gives a marker back: the entropy decoder stops in front of it. */
export function unreadMarker(code: i32): void {
  pending = code;
}

/**
 * Drops the bits read ahead, which belong to a segment of entropy-coded data that is over. Data that had run
 * out stays so while a marker still stands in front of it.
 */
export function clearBits(): void {
  padding = pending != 0 && starved() ? 1 : 0;
  buffer = 0;
  count = 0;
}

/** True once decoding has used bits that are not there. */
export function starved(): bool {
  return count < padding;
}

/** After 0xff: 0xff itself when it was stuffed; otherwise a marker stands there and no data follows. */
function afterEscape(): i32 {
  for (let fill = 0; fill < SEEK_BYTES; fill++) {
    const byte = nextByte();
    if (byte == 0) return 0xff;
    if (byte == 0xff) continue;
    pending = byte < 0 ? EOI : byte;
    return 0;
  }
  pending = EOI;
  return 0;
}

/** Brings the buffer to at least 57 bits: a Huffman code of 16 bits and 16 bits behind it fit. */
function refill(): void {
  if (pending == 0 && at + 8 <= end) {
    const word = bswap<u64>(load<u64>(at));
    // No byte is 0xff: the classic test for a zero byte, on the complement.
    if (((~word - 0x0101010101010101) & word & 0x8080808080808080) == 0) {
      const bytes = (64 - count) >> 3;
      buffer |= word >> count;
      count += bytes << 3;
      at += bytes;
      return;
    }
  }
  while (count <= 56) {
    let byte = 0;
    if (pending == 0) {
      byte = nextByte();
      if (byte == 0xff) byte = afterEscape();
      else if (byte < 0) {
        pending = EOI;
        byte = 0;
      }
    }
    if (pending != 0) padding += 8;
    // The fast path may have left the same bits here already: or-ing them again changes nothing.
    buffer |= (<u64>byte) << (56 - count);
    count += 8;
  }
}

@inline
export function needBits(): void {
  if (count < 32) refill();
}

/** The next `bits` bits (1 to 32) without taking them; `needBits` came before. */
@inline
export function peekBits(bits: i32): i32 {
  return <i32>(buffer >> (64 - bits));
}

@inline
export function dropBits(bits: i32): void {
  buffer <<= bits;
  count -= bits;
}

@inline
export function takeBits(bits: i32): i32 {
  const value = peekBits(bits);
  dropBits(bits);
  return value;
}

export function takeBit(): i32 {
  if (count < 1) refill();
  return takeBits(1);
}

/** A signed value of `bits` bits (1 to 15) as T.81 F.2.2.1 codes it: a leading 0 means negative. */
@inline
export function takeSigned(bits: i32): i32 {
  const value = takeBits(bits);
  return value < 1 << (bits - 1) ? value - (1 << bits) + 1 : value;
}
