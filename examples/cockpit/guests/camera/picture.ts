import { type DecodedPng, decode, hasPngSignature } from 'fast-png';
import type { Picture } from './reference.ts';

/** More than any camera has; a file that claims more is refused before its pixels are allocated. */
const MOST_PIXELS = 64e6;

/**
 * Reads a PNG of any colour type and bit depth as opaque 8-bit colour, transparent pixels over white. Throws an
 * `Error` of one line that names the file.
 */
export function readPicture(name: string, bytes: Uint8Array): Picture {
  const refuse = (why: string): Error => new Error(`${name}: ${why}`);
  if (!hasPngSignature(bytes) || bytes.length < 33) throw refuse('not a PNG; give a PNG file');
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const [width, height] = [header.getUint32(16), header.getUint32(20)];
  if (width * height === 0 || width * height > MOST_PIXELS) {
    throw refuse(`${width} x ${height} pixels; give a picture of 1 to ${MOST_PIXELS / 1e6} million pixels`);
  }
  // fast-png takes interlaced samples for whole bytes.
  const [depth, interlace] = [header.getUint8(24), header.getUint8(28)];
  if (interlace !== 0 && depth < 8) throw refuse('interlaced with less than 8 bits; save it not interlaced');
  let png: DecodedPng;
  try {
    png = decode(bytes);
  } catch (error) {
    throw refuse(`damaged PNG: ${error instanceof Error ? error.message : String(error)}`);
  }
  return opaque(png);
}

/** The picture, averaged down by the smallest whole factor that leaves no side longer than `longest`. */
export function scaledDown(picture: Picture, longest: number): Picture {
  const factor = Math.ceil(Math.max(picture.width, picture.height) / longest);
  if (factor <= 1) return picture;
  const width = Math.max(1, Math.floor(picture.width / factor));
  const height = Math.max(1, Math.floor(picture.height / factor));
  // A picture thinner than the factor has blocks thinner than it.
  const blockWidth = Math.min(factor, picture.width);
  const blockHeight = Math.min(factor, picture.height);
  const data = new Uint8Array(4 * width * height);
  for (let at = 0; at < data.length; at++) {
    const [x, y] = [(at >> 2) % width, Math.floor((at >> 2) / width)];
    let sum = 0;
    for (let row = y * blockHeight; row < (y + 1) * blockHeight; row++) {
      for (let column = x * blockWidth; column < (x + 1) * blockWidth; column++) {
        sum += picture.data[4 * (row * picture.width + column) + (at & 3)]!;
      }
    }
    data[at] = Math.round(sum / (blockWidth * blockHeight));
  }
  return { width, height, data };
}

/** The part of the picture that lies in the window. */
export function crop(picture: Picture, left: number, top: number, width: number, height: number): Picture {
  const right = Math.min(left + width, picture.width);
  const bottom = Math.min(top + height, picture.height);
  const size = { width: right - left, height: bottom - top };
  const data = new Uint8Array(4 * size.width * size.height);
  for (let y = top; y < bottom; y++) {
    const row = picture.data.subarray(4 * (y * picture.width + left), 4 * (y * picture.width + right));
    data.set(row, 4 * (y - top) * size.width);
  }
  return { ...size, data };
}

function opaque(png: DecodedPng): Picture {
  const { width, height } = png;
  const colourOf = colourReader(png);
  const data = new Uint8Array(4 * width * height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    const { red, green, blue, alpha } = colourOf(pixel);
    data[4 * pixel] = overWhite(red, alpha);
    data[4 * pixel + 1] = overWhite(green, alpha);
    data[4 * pixel + 2] = overWhite(blue, alpha);
    data[4 * pixel + 3] = 255;
  }
  return { width, height, data };
}

/** Red, green, blue and alpha, 0 to 1 each. */
interface Colour {
  readonly red: number;
  readonly green: number;
  readonly blue: number;
  readonly alpha: number;
}

function colourReader(png: DecodedPng): (pixel: number) => Colour {
  const { channels, palette, transparency } = png;
  const samples = png.depth < 8 ? unpacked(png) : png.data;
  if (channels === 1 && palette !== undefined) {
    return (pixel) => {
      // An index past the palette is an error of the file; black, as browsers show it.
      const [red = 0, green = 0, blue = 0, alpha = 255] = palette[samples[pixel]!] ?? [];
      return { red: red / 255, green: green / 255, blue: blue / 255, alpha: alpha / 255 };
    };
  }
  const most = 2 ** png.depth - 1;
  const hasAlpha = channels === 2 || channels === 4;
  const [toGreen, toBlue] = channels >= 3 ? [1, 2] : [0, 0];
  return (pixel) => {
    const at = pixel * channels;
    const isKeyed = transparency !== undefined && transparency.every((value, i) => value === samples[at + i]);
    return {
      red: samples[at]! / most,
      green: samples[at + toGreen]! / most,
      blue: samples[at + toBlue]! / most,
      alpha: hasAlpha ? samples[at + channels - 1]! / most : isKeyed ? 0 : 1,
    };
  };
}

const overWhite = (light: number, alpha: number): number => Math.round(255 * (light * alpha + 1 - alpha));

/** Samples of less than 8 bits, one channel: several lie in a byte, and each row begins with a new one. */
function unpacked({ width, height, depth, data }: DecodedPng): Uint8Array {
  const rowBytes = Math.ceil((width * depth) / 8);
  const samples = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      samples[y * width + x] =
        (data[y * rowBytes + (bit >> 3)]! >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  }
  return samples;
}
