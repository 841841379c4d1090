// The entropy decoders of one block: sequential (T.81 F.2.2) and the four kinds of progressive scan
// (G.1.2, G.2). A block is 64 16-bit coefficients in natural order.

import { NATURAL, Component } from './frame';
import { decodeSymbol } from './huffman';
import { needBits, takeBit, takeBits, takeSigned } from './input';

/** Blocks that are still to be passed over because an end-of-band run covers them. */
let endOfBandRun: i32 = 0;

export function forgetRun(): void {
  endOfBandRun = 0;
}

@inline
function place(block: usize, index: i32): usize {
  return block + (<usize>load<u8>(NATURAL + index) << 1);
}

function difference(part: Component): i32 {
  const bits = decodeSymbol(part.dcTable);
  if (bits != 0) part.predictor += takeSigned(bits);
  return part.predictor;
}

/** All coefficients into a zeroed block. Returns the index of the last in zig-zag order. */
export function sequentialBlock(part: Component, block: usize): i32 {
  store<i16>(block, difference(part));
  const table = part.acTable;
  let last = 0;
  for (let index = 1; index < 64; index++) {
    const symbol = decodeSymbol(table);
    const bits = symbol & 15;
    if (bits == 0) {
      if (symbol != 0xf0) break;
      index += 15;
      continue;
    }
    index += symbol >> 4;
    store<i16>(place(block, index), takeSigned(bits));
    last = index;
  }
  return last;
}

export function dcFirst(part: Component, block: usize, low: i32): void {
  store<i16>(block, difference(part) << low);
}

export function dcRefine(block: usize, low: i32): void {
  if (takeBit() != 0) store<i16>(block, <i32>load<i16>(block) | (1 << low));
}

function startRun(exponent: i32): void {
  endOfBandRun = 1 << exponent;
  if (exponent == 0) return;
  needBits();
  endOfBandRun += takeBits(exponent);
}

export function acFirst(part: Component, block: usize, first: i32, last: i32, low: i32): void {
  if (endOfBandRun > 0) {
    endOfBandRun--;
    return;
  }
  for (let index = first; index <= last; index++) {
    const symbol = decodeSymbol(part.acTable);
    const bits = symbol & 15;
    const run = symbol >> 4;
    if (bits == 0) {
      if (run != 15) {
        startRun(run);
        endOfBandRun--;
        return;
      }
      index += 15;
      continue;
    }
    index += run;
    store<i16>(place(block, index), takeSigned(bits) << low);
  }
}

/** One more bit for a coefficient that is not zero. */
function refine(at: usize, value: i32, one: i32): void {
  if (takeBit() == 0 || (value & one) != 0) return;
  store<i16>(at, value >= 0 ? value + one : value - one);
}

export function acRefine(part: Component, block: usize, first: i32, last: i32, low: i32): void {
  const one = 1 << low;
  let index = first;
  while (endOfBandRun == 0 && index <= last) {
    const symbol = decodeSymbol(part.acTable);
    let run = symbol >> 4;
    let fresh = 0;
    if ((symbol & 15) != 0) {
      fresh = takeBit() != 0 ? one : -one;
    } else if (run != 15) {
      startRun(run);
      break;
    }
    // Pass over `run` zeros; coefficients that are not zero have their correction bit in between.
    for (; index <= last; index++) {
      const at = place(block, index);
      const value = <i32>load<i16>(at);
      if (value != 0) refine(at, value, one);
      else if (--run < 0) break;
    }
    if (fresh != 0) store<i16>(place(block, index), fresh);
    index++;
  }
  if (endOfBandRun == 0) return;
  for (; index <= last; index++) {
    const at = place(block, index);
    const value = <i32>load<i16>(at);
    if (value != 0) refine(at, value, one);
  }
  endOfBandRun--;
}
