// Harris corners (C. Harris and M. Stephens, A Combined Corner and Edge Detector, 1988), with k = 1/16.

import { dmaOut, irq } from '../abi';
import { rowX, rowY } from './gradient';
import { clampRow, repeatBorder, ringRow, zeroBorder, zeros } from './rows';

export const MAX_LISTED: i32 = 1024;
/** Bytes of one entry of the list: x, y and score. */
export const ENTRY: i32 = 12;
const CROWDED: i32 = 2;

/** Column sums of the products of the derivatives, one row each. */
const sumsXX: usize = memory.data(8208, 16);
const sumsYY: usize = memory.data(8208, 16);
const sumsXY: usize = memory.data(8208, 16);
/** Ring of five rows. */
const scores: usize = memory.data(41040, 16);
/** A heap of the strongest corners with the weakest on top, then sorted in place; see `keyOf`. */
const heap: usize = memory.data(8192, 16);
const entries: usize = memory.data(12288, 16);

/** Corners in the list. */
export let listed: i32;
/** Corners found, also those without room in the list. */
export let found: i32;
export let strongest: i32;

let output: u32;
let width: i32;
let height: i32;
let capacity: i32;
let threshold: i32;
let alarm: i32;
let unsorted: i32;

export function begin(list: u32, frameWidth: i32, frameHeight: i32, room: i32, least: i32, crowd: i32): void {
  output = list;
  width = frameWidth;
  height = frameHeight;
  capacity = room;
  threshold = least;
  alarm = crowd;
  listed = 0;
  found = 0;
  strongest = 0;
  unsorted = 0;
}

/**
 * Scores row `y`. With S the products of the derivatives summed over 5x5 pixels with binomial weights (of sum
 * 16): `(16 det S - trace(S)^2) / 2^21`, rounded down. It fits in 32 bits: det S is at most 2^48.
 */
export function score(y: i32): void {
  const xx = ringRow<i32>(sumsXX, 1, 0);
  const yy = ringRow<i32>(sumsYY, 1, 0);
  const xy = ringRow<i32>(sumsXY, 1, 0);
  sumColumns(y, xx, yy, xy);
  const row = ringRow<i32>(scores, 5, y);
  for (let x = 0; x < width; x++) {
    const at = (<usize>x) << 2;
    const a = <i64>smooth(xx + at);
    const b = <i64>smooth(yy + at);
    const c = <i64>smooth(xy + at);
    const trace = a + b;
    store<i32>(row + at, <i32>((((a * b - c * c) << 4) - trace * trace) >> 21));
  }
  zeroBorder<i32>(row, width);
}

function sumColumns(y: i32, xx: usize, yy: usize, xy: usize): void {
  const width4 = (<usize>width) << 2;
  memory.fill(xx, 0, width4);
  memory.fill(yy, 0, width4);
  memory.fill(xy, 0, width4);
  for (let offset = -2; offset <= 2; offset++) {
    const fromX = rowX(clampRow(y + offset, height));
    const fromY = rowY(clampRow(y + offset, height));
    const weight = offset == 0 ? 6 : abs(offset) == 1 ? 4 : 1;
    for (let x = 0; x < width; x++) {
      const at = (<usize>x) << 2;
      const dx = <i32>load<i16>(fromX + (at >> 1));
      const dy = <i32>load<i16>(fromY + (at >> 1));
      store<i32>(xx + at, load<i32>(xx + at) + weight * dx * dx);
      store<i32>(yy + at, load<i32>(yy + at) + weight * dy * dy);
      store<i32>(xy + at, load<i32>(xy + at) + weight * dx * dy);
    }
  }
  repeatBorder<i32>(xx, width);
  repeatBorder<i32>(yy, width);
  repeatBorder<i32>(xy, width);
}

function smooth(at: usize): i32 {
  const near = load<i32>(at - 4) + load<i32>(at, 4);
  return (load<i32>(at - 8) + load<i32>(at, 8) + (near << 2) + load<i32>(at) * 6) >> 4;
}

/** Takes from row `y` the pixels that no other within 5x5 outdoes; of equals the first in reading order. */
export function suppress(y: i32): void {
  const here = ringRow<i32>(scores, 5, y);
  for (let x = 0; x < width; x++) {
    const value = load<i32>(here + ((<usize>x) << 2));
    if (value < threshold || !isPeak(value, x, y)) continue;
    found++;
    if (found == alarm + 1) irq(CROWDED);
    strongest = max(strongest, value);
    insert(keyOf(value, x, y));
  }
}

function isPeak(value: i32, x: i32, y: i32): bool {
  for (let dy = -2; dy <= 2; dy++) {
    const row = <u32>(y + dy) < <u32>height ? ringRow<i32>(scores, 5, y + dy) : zeros;
    for (let dx = -2; dx <= 2; dx++) {
      if (dx == 0 && dy == 0) continue;
      const other = load<i32>(row + ((<usize>(x + dx)) << 2));
      const isEarlier = dy < 0 || (dy == 0 && dx < 0);
      if (isEarlier ? other >= value : other > value) return false;
    }
  }
  return true;
}

/** Greater is stronger, and among equals earlier in reading order: one total order, so one right answer. */
function keyOf(value: i32, x: i32, y: i32): i64 {
  return ((<i64>value) << 32) | (<i64>(0xffff_ffff - (((<u32>y) << 16) | (<u32>x))));
}

function insert(key: i64): void {
  if (unsorted == capacity) {
    if (key > load<i64>(heap)) sink(key, 0);
    return;
  }
  let node = unsorted++;
  listed = unsorted;
  while (node > 0) {
    const parent = (node - 1) >> 1;
    const above = nodeAt(parent);
    if (above <= key) break;
    setNode(node, above);
    node = parent;
  }
  setNode(node, key);
}

/** Puts `key` at `node` or below, among the first `unsorted` nodes. */
function sink(key: i64, node: i32): void {
  for (;;) {
    let child = node * 2 + 1;
    if (child >= unsorted) break;
    if (child + 1 < unsorted && nodeAt(child + 1) < nodeAt(child)) child++;
    if (nodeAt(child) >= key) break;
    setNode(node, nodeAt(child));
    node = child;
  }
  setNode(node, key);
}

/** Moves the weakest corner behind the heap. False when all are in order, the strongest first. */
export function sortOne(): bool {
  if (unsorted == 0) return false;
  const weakest = nodeAt(0);
  const displaced = nodeAt(--unsorted);
  if (unsorted > 0) sink(displaced, 0);
  setNode(unsorted, weakest);
  return true;
}

/** Sends the sorted list to guest memory. */
export function list(): bool {
  for (let i = 0; i < listed; i++) {
    const key = nodeAt(i);
    const place = 0xffff_ffff - <u32>key;
    const entry = entries + <usize>(i * ENTRY);
    store<i32>(entry, place & 0xffff);
    store<i32>(entry, place >> 16, 4);
    store<i32>(entry, <i32>(key >> 32), 8);
  }
  return listed == 0 || dmaOut(output, entries, listed * ENTRY) == 0;
}

function nodeAt(node: i32): i64 {
  return load<i64>(heap + ((<usize>node) << 3));
}

function setNode(node: i32, key: i64): void {
  store<i64>(heap + ((<usize>node) << 3), key);
}
