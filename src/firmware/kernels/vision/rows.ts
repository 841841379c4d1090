// Rows of pixels in local memory, with room on both sides for the pixels that a filter reads past the border.

export const MAX_SIDE: i32 = 2048;
/** Elements before the first and after the last pixel of a padded row. */
export const PAD: usize = 2;
/** Elements from one padded row to the next. */
export const STRIDE: usize = 2048 + 2 * PAD;

/** The row to read for `row`: every filter repeats the border pixels. */
export function clampRow(row: i32, height: i32): i32 {
  return min(max(row, 0), height - 1);
}

/** Where row `row` of a ring of `rows` padded rows begins, at its first pixel. */
export function ringRow<T>(ring: usize, rows: i32, row: i32): usize {
  return ring + (<usize>(row % rows) * STRIDE + PAD) * sizeof<T>();
}

/** Repeats the first and the last pixel into the padding. */
export function repeatBorder<T>(row: usize, width: i32): void {
  const last = row + <usize>(width - 1) * sizeof<T>();
  const left = load<T>(row);
  const right = load<T>(last);
  for (let i: usize = 1; i <= PAD; i++) {
    store<T>(row - i * sizeof<T>(), left);
    store<T>(last + i * sizeof<T>(), right);
  }
}

/** Zeroes the padding: what lies outside competes with no pixel. */
export function zeroBorder<T>(row: usize, width: i32): void {
  memory.fill(row - PAD * sizeof<T>(), 0, PAD * sizeof<T>());
  memory.fill(row + <usize>width * sizeof<T>(), 0, PAD * sizeof<T>());
}

/** A padded row of 32-bit zeros. Nobody writes it. */
export const zeros: usize = memory.data(8208, 16) + (PAD << 2);
