// Canny's edges (J. Canny, A Computational Approach to Edge Detection, 1986), row by row.
//
// Hysteresis needs whole components, but only a few rows fit in local memory. Going down, the runs of each row
// learn which of them are connected through the rows above, and whether a strong pixel is among those: their
// class. Going up, a class is kept when it is strong itself or touches a kept run of the row below. That is
// exact in two passes, whatever the shapes (the two-pass labelling of Haralick and Shapiro, Computer and Robot
// Vision, 1992, section 2.3, reduced to one bit per component).

import { dmaIn, dmaOut } from '../abi';
import { rowX, rowY } from './gradient';
import { ringRow, zeroBorder, zeros } from './rows';

const WEAK: u8 = 1;
const STRONG: u8 = 2;
const EDGE: u8 = 255;

/** A row has at most 1024 runs. */
const MAX_RUNS: i32 = 1024;
const STRONG_CLASS: u32 = 0x8000;
const UNNUMBERED: u16 = 0xffff;

/** tan(22.5 degrees) and tan(67.5 degrees) in units of 2^-15. */
const TAN_22: i32 = 13573;
const TAN_67: i32 = 79109;

/** Ring of three rows: the squared length of the gradient. */
const strengths: usize = memory.data(24624, 16);
const marks: usize = memory.data(2048, 16);
/** What goes to scratch memory for one row: per run its class, and whether that is strong. */
const saved: usize = memory.data(2048, 16);

// Runs of the row at hand and of its neighbour that came before: first and last pixel, 16 bits each, and its
// class (going down) or whether it is kept (going up). The halves swap from row to row.
const runs: usize = memory.data(8192, 16);
const classes: usize = memory.data(4096, 16);
/** Whether a class has a strong pixel (going down) or is kept (going up). */
const flags: usize = memory.data(1024, 16);

// A forest over the classes of the row above, then the runs of this row.
const parents: usize = memory.data(4096, 16);
const strongTrees: usize = memory.data(2048, 16);
const numbers: usize = memory.data(4096, 16);

/** Edge pixels of the frame. */
export let count: i32;

let output: u32;
let scratch: u32;
let width: i32;
let height: i32;
let lowSquared: i32;
let highSquared: i32;
let half: i32;
let neighbourRuns: i32;
let neighbourClasses: i32;

export function begin(
  edges: u32,
  classesIova: u32,
  frameWidth: i32,
  frameHeight: i32,
  low: i32,
  high: i32,
): void {
  output = edges;
  scratch = classesIova;
  width = frameWidth;
  height = frameHeight;
  lowSquared = low;
  highSquared = high;
  count = 0;
  half = 0;
  neighbourRuns = 0;
  neighbourClasses = 0;
}

/** Squares the gradient of row `y`. */
export function strength(y: i32): void {
  const fromX = rowX(y);
  const fromY = rowY(y);
  const row = ringRow<i32>(strengths, 3, y);
  for (let x = 0; x < width; x++) {
    const dx = <i32>load<i16>(fromX + ((<usize>x) << 1));
    const dy = <i32>load<i16>(fromY + ((<usize>x) << 1));
    store<i32>(row + ((<usize>x) << 2), dx * dx + dy * dy);
  }
  zeroBorder<i32>(row, width);
}

/** Keeps the ridge of row `y`, marks it weak or strong and connects it with the rows above. */
export function thin(y: i32): bool {
  const above = y > 0 ? ringRow<i32>(strengths, 3, y - 1) : zeros;
  const here = ringRow<i32>(strengths, 3, y);
  const below = y + 1 < height ? ringRow<i32>(strengths, 3, y + 1) : zeros;
  const fromX = rowX(y);
  const fromY = rowY(y);
  for (let x = 0; x < width; x++) {
    const at = (<usize>x) << 2;
    const value = load<i32>(here + at);
    let mark: u8 = 0;
    if (value >= lowSquared) {
      const dx = <i32>load<i16>(fromX + (at >> 1));
      const dy = <i32>load<i16>(fromY + (at >> 1));
      if (isRidge(value, dx, dy, above + at, here + at, below + at))
        mark = value >= highSquared ? STRONG : WEAK;
    }
    store<u8>(marks + x, mark);
  }
  return link(y);
}

/** Across the edge, is this the longest gradient? Of two equal ones the first in reading order stays. */
function isRidge(value: i32, dx: i32, dy: i32, above: usize, here: usize, below: usize): bool {
  const across = abs(dx);
  const down = abs(dy) << 15;
  if (down < across * TAN_22) return value > load<i32>(here - 4) && value >= load<i32>(here, 4);
  if (down > across * TAN_67) return value > load<i32>(above) && value >= load<i32>(below);
  if ((dx ^ dy) >= 0) return value > load<i32>(above - 4) && value >= load<i32>(below, 4);
  return value > load<i32>(above, 4) && value >= load<i32>(below - 4);
}

/** Gives the runs of row `y` their classes and sends marks and classes to guest memory. */
function link(y: i32): bool {
  const here = runs + <usize>half * 4096;
  const there = runs + <usize>(half ^ 1) * 4096;
  const classesHere = classes + <usize>half * 2048;
  const classesThere = classes + <usize>(half ^ 1) * 2048;
  for (let i = 0; i < neighbourClasses; i++) {
    store<u16>(parents + ((<usize>i) << 1), i);
    store<u8>(strongTrees + i, load<u8>(flags + i));
  }
  const total = findRuns(here, neighbourClasses);
  for (let i = 0, j = 0; i < neighbourRuns && j < total;) {
    if (touches(there, i, here, j)) join(load<u16>(classesThere + ((<usize>i) << 1)), neighbourClasses + j);
    if (lastOf(there, i) < lastOf(here, j)) i++;
    else j++;
  }
  // Number the trees that reach this row densely, in reading order.
  memory.fill(numbers, 0xff, (<usize>(neighbourClasses + total)) << 1);
  let next = 0;
  for (let j = 0; j < total; j++) {
    const root = <usize>rootOf(neighbourClasses + j);
    let number = <i32>load<u16>(numbers + (root << 1));
    if (number == UNNUMBERED) {
      number = next++;
      store<u16>(numbers + (root << 1), number);
      store<u8>(flags + number, load<u8>(strongTrees + root));
    }
    store<u16>(classesHere + ((<usize>j) << 1), number);
    store<u16>(saved + ((<usize>j) << 1), load<u8>(flags + number) ? number | STRONG_CLASS : number);
  }
  neighbourRuns = total;
  neighbourClasses = next;
  half ^= 1;
  if (dmaOut(output + <u32>(y * width), marks, width)) return false;
  return total == 0 || dmaOut(savedAt(y), saved, total << 1) == 0;
}

/** Decides the edges of row `y`. Rows come from the last to the first. */
export function connect(y: i32): bool {
  if (y == height - 1) neighbourRuns = 0;
  const here = runs + <usize>half * 4096;
  const there = runs + <usize>(half ^ 1) * 4096;
  const keptHere = classes + <usize>half * 2048;
  const keptThere = classes + <usize>(half ^ 1) * 2048;
  if (dmaIn(marks, output + <u32>(y * width), width)) return false;
  const total = findRuns(here, 0);
  if (total > 0 && dmaIn(saved, savedAt(y), total << 1)) return false;
  for (let i = 0; i < total; i++) store<u8>(flags + i, 0);
  for (let i = 0; i < total; i++) {
    if (load<u16>(saved + ((<usize>i) << 1)) & STRONG_CLASS) store<u8>(flags + classOf(i), 1);
  }
  for (let i = 0, j = 0; i < neighbourRuns && j < total;) {
    if (load<u16>(keptThere + ((<usize>i) << 1)) && touches(there, i, here, j))
      store<u8>(flags + classOf(j), 1);
    if (lastOf(there, i) < lastOf(here, j)) i++;
    else j++;
  }
  memory.fill(marks, 0, width);
  for (let i = 0; i < total; i++) {
    const kept = load<u8>(flags + classOf(i));
    store<u16>(keptHere + ((<usize>i) << 1), kept);
    if (!kept) continue;
    const first = firstOf(here, i);
    const length = lastOf(here, i) - first + 1;
    memory.fill(marks + first, EDGE, length);
    count += length;
  }
  neighbourRuns = total;
  half ^= 1;
  return dmaOut(output + <u32>(y * width), marks, width) == 0;
}

/** Lists the runs of marked pixels; each is a tree of its own in the forest, from node `firstNode` on. */
function findRuns(into: usize, firstNode: i32): i32 {
  let total = 0;
  for (let x = 0; x < width; x++) {
    if (!load<u8>(marks + x)) continue;
    const first = x;
    let strong = false;
    for (; x < width && load<u8>(marks + x); x++) strong = strong || load<u8>(marks + x) == STRONG;
    store<u16>(into + ((<usize>total) << 2), first);
    store<u16>(into + ((<usize>total) << 2), x - 1, 2);
    store<u16>(parents + ((<usize>(firstNode + total)) << 1), firstNode + total);
    store<u8>(strongTrees + firstNode + total, strong);
    total++;
  }
  return total;
}

function join(a: i32, b: i32): void {
  const rootA = rootOf(a);
  const rootB = rootOf(b);
  if (rootA == rootB) return;
  const root = <usize>min(rootA, rootB);
  const child = <usize>max(rootA, rootB);
  store<u16>(parents + (child << 1), <u32>root);
  if (load<u8>(strongTrees + child)) store<u8>(strongTrees + root, 1);
}

function rootOf(node: i32): i32 {
  let parent = parentOf(node);
  while (parent != node) {
    // Halve the path, so that the next search is shorter.
    const grandparent = parentOf(parent);
    store<u16>(parents + ((<usize>node) << 1), grandparent);
    node = grandparent;
    parent = parentOf(node);
  }
  return node;
}

function parentOf(node: i32): i32 {
  return <i32>load<u16>(parents + ((<usize>node) << 1));
}

/** Class of run `i`, read back from guest memory: masked, because the guest may have written there. */
function classOf(i: i32): i32 {
  return (<i32>load<u16>(saved + ((<usize>i) << 1))) & (MAX_RUNS - 1);
}

function firstOf(list: usize, i: i32): i32 {
  return <i32>load<u16>(list + ((<usize>i) << 2));
}

function lastOf(list: usize, i: i32): i32 {
  return <i32>load<u16>(list + ((<usize>i) << 2), 2);
}

/** Two runs of neighbouring rows touch also by their corners. */
function touches(listA: usize, i: i32, listB: usize, j: i32): bool {
  return firstOf(listA, i) <= lastOf(listB, j) + 1 && firstOf(listB, j) <= lastOf(listA, i) + 1;
}

function savedAt(y: i32): u32 {
  return scratch + <u32>y * <u32>((width + 1) & ~1);
}
