import type { Corner, Picture } from './reference.ts';

const EDGE = [64, 232, 255] as const;
const CORNER = [255, 176, 32] as const;
const SHADOW = [16, 12, 8] as const;
/** Share of the photograph's light that stays, so that the marks stand out. */
const DIMMED = 0.6;
const [RING, HALO] = [3, 4];

/** The frame, dimmed, with its edges in cyan and a ring around each corner. Three bytes a pixel. */
export function overlay(frame: Picture, edges: Uint8Array, corners: readonly Corner[]): Uint8Array {
  const { width, height } = frame;
  const canvas = new Uint8Array(3 * width * height);
  for (let at = 0; at < canvas.length; at++) {
    const pixel = Math.floor(at / 3);
    const channel = at - 3 * pixel;
    canvas[at] = edges[pixel] === 255 ? EDGE[channel]! : frame.data[4 * pixel + channel]! * DIMMED;
  }
  const paint = (x: number, y: number, colour: readonly number[]): void => {
    if (x >= 0 && x < width && y >= 0 && y < height) canvas.set(colour, 3 * (y * width + x));
  };
  for (const { x, y } of corners) circle(x, y, HALO, (atX, atY) => paint(atX, atY, SHADOW));
  for (const { x, y } of corners) {
    circle(x, y, RING, (atX, atY) => paint(atX, atY, CORNER));
    paint(x, y, CORNER);
  }
  return canvas;
}

function circle(
  centreX: number,
  centreY: number,
  radius: number,
  paint: (x: number, y: number) => void,
): void {
  for (let y = -radius; y <= radius; y++) {
    for (let x = -radius; x <= radius; x++) {
      if (Math.round(Math.hypot(x, y)) === radius) paint(centreX + x, centreY + y);
    }
  }
}
