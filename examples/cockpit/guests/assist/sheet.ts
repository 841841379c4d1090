import { type Digits, SIDE, picture } from './digits.ts';

/** An RGB picture, three bytes per pixel. */
export interface Sheet {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

type Colour = readonly [red: number, green: number, blue: number];

const ZOOM = 2;
const DIGIT = SIDE * ZOOM;
const FRAME = 2;
const CAPTION = 14;
const GAP = 4;
const CELL = { width: DIGIT + 2 * FRAME + GAP, height: DIGIT + CAPTION + 2 * FRAME + GAP };

const BACKGROUND: Colour = [18, 20, 24];
const RIGHT: Colour = [40, 92, 62];
const WRONG: Colour = [214, 62, 50];
const TEXT: Colour = [235, 238, 242];

/** 3 x 5 dots per glyph, a row in three bits, the top row first. */
const GLYPHS: Readonly<Record<string, readonly number[]>> = {
  0: [7, 5, 5, 5, 7],
  1: [2, 6, 2, 2, 7],
  2: [7, 1, 7, 4, 7],
  3: [7, 1, 7, 1, 7],
  4: [5, 5, 7, 1, 1],
  5: [7, 4, 7, 1, 7],
  6: [7, 4, 7, 5, 7],
  7: [7, 1, 2, 2, 2],
  8: [7, 5, 7, 5, 7],
  9: [7, 5, 7, 1, 7],
  n: [0, 6, 5, 5, 5],
  o: [0, 7, 5, 5, 7],
  t: [2, 7, 2, 2, 3],
};

/**
 * A contact sheet of the first `predicted.length` digits. Below each stands the digit that the network
 * saw; a wrong one is framed in red and says `4 not 9`.
 */
export function contactSheet(digits: Digits, predicted: readonly number[], columns = 32): Sheet {
  const rows = Math.max(1, Math.ceil(predicted.length / columns));
  const [width, height] = [columns * CELL.width + GAP, rows * CELL.height + GAP];
  const sheet: Sheet = { width, height, data: new Uint8Array(width * height * 3) };
  fill(sheet, 0, 0, width, height, BACKGROUND);
  predicted.forEach((seen, index) => {
    const left = GAP + (index % columns) * CELL.width;
    const top = GAP + Math.floor(index / columns) * CELL.height;
    const label = digits.labels[index]!;
    fill(sheet, left, top, CELL.width - GAP, CELL.height - GAP, seen === label ? RIGHT : WRONG);
    drawDigit(sheet, left + FRAME, top + FRAME, picture(digits, index));
    const caption = seen === label ? `${seen}` : `${seen} not ${label}`;
    write(sheet, left + FRAME + 2, top + FRAME + DIGIT + 2, caption);
  });
  return sheet;
}

function drawDigit(sheet: Sheet, left: number, top: number, pixels: Uint8Array): void {
  pixels.forEach((grey, index) => {
    const [x, y] = [index % SIDE, Math.floor(index / SIDE)];
    fill(sheet, left + x * ZOOM, top + y * ZOOM, ZOOM, ZOOM, [grey, grey, grey]);
  });
}

/** Text in dots of two pixels. */
function write(sheet: Sheet, left: number, top: number, text: string): void {
  [...text].forEach((letter, position) => {
    GLYPHS[letter]?.forEach((bits, row) => {
      for (let column = 0; column < 3; column++) {
        if ((bits & (4 >> column)) === 0) continue;
        fill(sheet, left + (position * 4 + column) * 2, top + row * 2, 2, 2, TEXT);
      }
    });
  });
}

function fill(
  { data, width: stride }: Sheet,
  left: number,
  top: number,
  width: number,
  height: number,
  [red, green, blue]: Colour,
): void {
  for (let y = top; y < top + height; y++) {
    for (let at = (y * stride + left) * 3, end = at + width * 3; at < end; at += 3) {
      data[at] = red;
      data[at + 1] = green;
      data[at + 2] = blue;
    }
  }
}
