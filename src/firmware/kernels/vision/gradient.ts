// From colour to gradient: gray, 5x5 Gaussian, Sobel. One row at a time.

import { dmaIn } from '../abi';
import { clampRow, repeatBorder, ringRow } from './rows';

const colours: usize = memory.data(8192, 16);
const grays: usize = memory.data(10260, 16);
const sums: usize = memory.data(4104, 16);
const blurs: usize = memory.data(6156, 16);
/** Rings of five rows of 16-bit derivatives. */
const derivativesX: usize = memory.data(20520, 16);
const derivativesY: usize = memory.data(20520, 16);

let frame: u32;
let width: i32;
let height: i32;

export function begin(frameIova: u32, frameWidth: i32, frameHeight: i32): void {
  frame = frameIova;
  width = frameWidth;
  height = frameHeight;
}

/** The derivative in x of row `y`; the last five rows are there. */
export function rowX(y: i32): usize {
  return ringRow<i16>(derivativesX, 5, clampRow(y, height));
}

export function rowY(y: i32): usize {
  return ringRow<i16>(derivativesY, 5, clampRow(y, height));
}

/** Fetches row `y` of the frame and keeps its luma: weights 77, 150 and 29 of 256 (ITU-R BT.601). */
export function gray(y: i32): bool {
  const bytes = (<u32>width) << 2;
  if (dmaIn(colours, frame + <u32>y * bytes, bytes)) return false;
  const row = ringRow<u8>(grays, 5, y);
  for (let x = 0; x < width; x++) {
    const pixel = load<u32>(colours + ((<usize>x) << 2));
    const luma = (pixel & 255) * 77 + ((pixel >> 8) & 255) * 150 + ((pixel >> 16) & 255) * 29;
    store<u8>(row + x, (luma + 128) >> 8);
  }
  return true;
}

/** Blurs row `y` with the binomial weights 1 4 6 4 1 in both directions, rounded once. */
export function blur(y: i32): void {
  const a = ringRow<u8>(grays, 5, clampRow(y - 2, height));
  const b = ringRow<u8>(grays, 5, clampRow(y - 1, height));
  const c = ringRow<u8>(grays, 5, y);
  const d = ringRow<u8>(grays, 5, clampRow(y + 1, height));
  const e = ringRow<u8>(grays, 5, clampRow(y + 2, height));
  const sum = ringRow<u16>(sums, 1, 0);
  for (let x = 0; x < width; x++) {
    const near = <u32>load<u8>(b + x) + load<u8>(d + x);
    const far = <u32>load<u8>(a + x) + load<u8>(e + x);
    store<u16>(sum + ((<usize>x) << 1), far + (near << 2) + <u32>load<u8>(c + x) * 6);
  }
  repeatBorder<u16>(sum, width);
  const row = ringRow<u8>(blurs, 3, y);
  for (let x = 0; x < width; x++) {
    const at = sum + ((<usize>x) << 1);
    const near = <u32>load<u16>(at - 2) + load<u16>(at, 2);
    const far = <u32>load<u16>(at - 4) + load<u16>(at, 4);
    store<u8>(row + x, (far + (near << 2) + <u32>load<u16>(at) * 6 + 128) >> 8);
  }
  repeatBorder<u8>(row, width);
}

/** The derivatives of row `y`, -1020 to 1020 each. */
export function sobel(y: i32): void {
  const above = ringRow<u8>(blurs, 3, clampRow(y - 1, height));
  const here = ringRow<u8>(blurs, 3, y);
  const below = ringRow<u8>(blurs, 3, clampRow(y + 1, height));
  const intoX = rowX(y);
  const intoY = rowY(y);
  for (let x = 0; x < width; x++) {
    const northWest = <i32>load<u8>(above + x - 1);
    const northEast = <i32>load<u8>(above + x + 1);
    const southWest = <i32>load<u8>(below + x - 1);
    const southEast = <i32>load<u8>(below + x + 1);
    const across = <i32>load<u8>(here + x + 1) - <i32>load<u8>(here + x - 1);
    const down = <i32>load<u8>(below + x) - <i32>load<u8>(above + x);
    store<i16>(intoX + ((<usize>x) << 1), northEast - northWest + 2 * across + southEast - southWest);
    store<i16>(intoY + ((<usize>x) << 1), southWest - northWest + 2 * down + southEast - northEast);
  }
}
