// Vision: edges (Canny) and corners (Harris) of one RGBA frame, in integers only.
//
// The frame streams through a few rows of local memory; whole pictures stay in guest memory.
//
// | operation | | arguments used |
// |---|---|---|
// | 1 | edges | 0 to 6 |
// | 2 | corners | 0 to 2, 7 to 10 |
// | 3 | both | 0 to 10 |
//
// | argument | meaning |
// |---|---|
// | 0 | frame, read: `width * height` pixels of 4 bytes, red green blue and one that is ignored |
// | 1, 2 | width and height, 1 to 2048 |
// | 3 | edges, read and written: `width * height` bytes, 255 on an edge and 0 elsewhere |
// | 4 | scratch, read and written: `(width + 1 & ~1) * height` bytes |
// | 5, 6 | low and high threshold of the gradient's length, 1 <= low <= high <= 2047 |
// | 7 | corners, written: at most `capacity` entries of three words x, y, score; strongest first |
// | 8 | capacity, 1 to 1024 |
// | 9 | threshold: the least score of a corner, at least 1 |
// | 10 | alarm: interrupt 2 is raised once when the frame has more corners than this, at least 0 |
//
// | result | meaning |
// |---|---|
// | 0 | edge pixels |
// | 1 | corners in the list |
// | 2 | corners found, also those that the list had no room for |
// | 3 | score of the strongest corner, 0 without one |

import { DONE, MORE } from '../abi';
import * as corners from './corners';
import * as edges from './edges';
import * as gradient from './gradient';
import { MAX_SIDE } from './rows';

export const abi: i32 = 1;
export const command: usize = memory.data(96, 8);

const EDGES: i32 = 1;
const CORNERS: i32 = 2;

const UNKNOWN_OPERATION: i32 = -1;
const BAD_SIZE: i32 = -2;
const BAD_EDGE_THRESHOLDS: i32 = -3;
const BAD_CORNER_ARGUMENTS: i32 = -4;
const BAD_ADDRESS: i32 = -5;
const DMA_FAULT: i32 = -6;

// The stages of one tick. Tick t takes in row t; each later stage works on the row that its window allows.
const GRAY: i32 = 0;
const BLUR: i32 = 1;
const GRADIENT: i32 = 2;
const THIN: i32 = 3;
const SCORE: i32 = 4;
const SUPPRESS: i32 = 5;
// After the last tick.
const CONNECT: i32 = 6;
const SORT: i32 = 7;
const LIST: i32 = 8;

let operation: i32;
let width: i32;
let height: i32;
let tick: i32;
let stage: i32;
/** Next row of the upward pass that decides which weak edges stay. */
let upward: i32;

export function start(): i32 {
  operation = load<i32>(command + 4);
  if (operation < EDGES || operation > (EDGES | CORNERS)) return UNKNOWN_OPERATION;
  width = argument(1);
  height = argument(2);
  if (width < 1 || width > MAX_SIDE || height < 1 || height > MAX_SIDE) return BAD_SIZE;
  const pixels = <u64>width * height;
  if (!reachable(address(0), pixels << 2)) return BAD_ADDRESS;
  gradient.begin(address(0), width, height);
  if (operation & EDGES) {
    const low = argument(5);
    const high = argument(6);
    if (low < 1 || high < low || high > 2047) return BAD_EDGE_THRESHOLDS;
    if (!reachable(address(3), pixels)) return BAD_ADDRESS;
    if (!reachable(address(4), <u64>((width + 1) & ~1) * height)) return BAD_ADDRESS;
    edges.begin(address(3), address(4), width, height, low * low, high * high);
  }
  if (operation & CORNERS) {
    const capacity = argument(8);
    if (capacity < 1 || capacity > corners.MAX_LISTED) return BAD_CORNER_ARGUMENTS;
    if (argument(9) < 1 || argument(10) < 0) return BAD_CORNER_ARGUMENTS;
    if (!reachable(address(7), <u64>capacity * corners.ENTRY)) return BAD_ADDRESS;
    corners.begin(address(7), width, height, capacity, argument(9), argument(10));
  }
  tick = 0;
  stage = GRAY;
  upward = height - 1;
  memory.fill(command + 64, 0, 32);
  return MORE;
}

export function step(budget: i32): i32 {
  let left = budget;
  do {
    const cost = advance();
    if (cost < 0) return cost;
    if (stage > LIST) return finish();
    left -= cost;
  } while (left > 0);
  return MORE;
}

/** Does one stage of one row. Returns what it cost, in units, or a negative error. */
function advance(): i32 {
  const at = tick;
  switch (stage) {
    case GRAY:
      stage = BLUR;
      if (!inFrame(at)) return 1;
      return gradient.gray(at) ? charge(width >> 2) : DMA_FAULT;
    case BLUR:
      stage = GRADIENT;
      if (!inFrame(at - 2)) return 1;
      gradient.blur(at - 2);
      return charge(width >> 1);
    case GRADIENT:
      stage = operation & EDGES ? THIN : SCORE;
      if (!inFrame(at - 3)) return 1;
      gradient.sobel(at - 3);
      if (operation & EDGES) edges.strength(at - 3);
      return charge(width >> 1);
    case THIN:
      if (operation & CORNERS) stage = SCORE;
      else nextTick(at - 4);
      if (!inFrame(at - 4)) return 1;
      return edges.thin(at - 4) ? charge(width >> 1) : DMA_FAULT;
    case SCORE:
      stage = SUPPRESS;
      if (!inFrame(at - 5)) return 1;
      corners.score(at - 5);
      return charge(width);
    case SUPPRESS:
      nextTick(at - 7);
      if (!inFrame(at - 7)) return 1;
      corners.suppress(at - 7);
      return charge(width >> 2);
    case CONNECT:
      if (!edges.connect(upward--)) return DMA_FAULT;
      if (upward < 0) stage = operation & CORNERS ? SORT : LIST + 1;
      return charge(width >> 2);
    case SORT:
      if (!corners.sortOne()) stage = LIST;
      return 8;
    default:
      stage = LIST + 1;
      return corners.list() ? 64 : DMA_FAULT;
  }
}

/** Ends a tick whose last stage worked on `row`. */
function nextTick(row: i32): void {
  tick++;
  stage = GRAY;
  if (row == height - 1) stage = operation & EDGES ? CONNECT : SORT;
}

function finish(): i32 {
  const results = command + 64;
  if (operation & EDGES) store<i32>(results, edges.count);
  if (operation & CORNERS) {
    store<i32>(results + 4, corners.listed);
    store<i32>(results + 8, corners.found);
    store<i32>(results + 12, corners.strongest);
  }
  return DONE;
}

function argument(index: i32): i32 {
  return load<i32>(command + 8 + ((<usize>index) << 2));
}

/** An argument that is an address. Loaded unsigned: `asc -O3` would sign-extend a widened signed load. */
function address(index: i32): u32 {
  return load<u32>(command + 8 + (<usize>index << 2));
}

function inFrame(row: i32): bool {
  return <u32>row < <u32>height;
}

function reachable(iova: u32, bytes: u64): bool {
  return <u64>iova + bytes <= 0x1_0000_0000;
}

/** A stage costs one unit for about 32 instructions, and never nothing. */
function charge(units: i32): i32 {
  return units + 4;
}
