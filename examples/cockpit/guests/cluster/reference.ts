import type { Draw, Frame, FrameSize, Look } from './frame.ts';

/**
 * Draws a frame on the CPU: RGBA, `width * height * 4` bytes.
 *
 * It shares no code and no structure with the firmware (no tiles, no spans: every sample of a triangle's
 * box is tested against its three edges), only the arithmetic, operation by operation, and so has to give
 * the same bits. What the firmware keeps as f32 is kept in a Float32Array here.
 */
export function drawReference(frame: Frame, size: FrameSize): Uint8Array {
  const target = clearedTarget(frame, size);
  for (const draw of frame.draws) {
    const vertices = litVertices(draw);
    const { corners } = draw.mesh;
    for (let at = 0; at < corners.length; at += 3) {
      const triangle = [corners[at]!, corners[at + 1]!, corners[at + 2]!].map((index) => vertices[index]!);
      const visible = clipped(triangle);
      for (let i = 2; i < visible.length; i++) {
        const [a, b, c] = [visible[0]!, visible[i - 1]!, visible[i]!];
        fill(target, projected(a, target), projected(b, target), projected(c, target), draw.look);
      }
    }
  }
  return averaged(target, size);
}

interface Target {
  readonly wide: number;
  readonly high: number;
  readonly red: Uint8Array;
  readonly green: Uint8Array;
  readonly blue: Uint8Array;
  readonly depth: Float32Array;
}

/** x, y, z, w, red, green, blue, alpha in clip space. */
type ClipVertex = Float32Array;

interface ScreenVertex {
  /** Whole sixteenths of a sample. */
  readonly x: number;
  readonly y: number;
  /** z, 1/w, then red, green, blue, alpha each over w. */
  readonly attributes: Float32Array;
}

function clearedTarget(frame: Frame, { width, height, samples }: FrameSize): Target {
  const wide = width * samples;
  const high = height * samples;
  const last = Math.max(1, high - 1);
  const channel = (shift: number): Uint8Array => {
    const top = (frame.sky[0] >>> shift) & 255;
    const bottom = (frame.sky[1] >>> shift) & 255;
    const plane = new Uint8Array(wide * high);
    for (let y = 0; y < high; y++) {
      const mixed = Math.floor((top * (last - y) + bottom * y + (last >> 1)) / last);
      plane.fill(mixed, y * wide, (y + 1) * wide);
    }
    return plane;
  };
  const depth = new Float32Array(wide * high).fill(Infinity);
  return { wide, high, red: channel(0), green: channel(8), blue: channel(16), depth };
}

const positive = (value: number): number => (value > 0 ? value : 0);

function litVertices({ mesh, matrix, light }: Draw): ClipVertex[] {
  const m = matrix;
  const f = (vector: readonly number[]): Float32Array => new Float32Array(vector);
  const [key, keyColour, fillTo, fillColour] = [
    f(light.keyDirection),
    f(light.keyColour),
    f(light.fillDirection),
    f(light.fillColour),
  ];
  const [ambient, eye, specular] = [f(light.ambient), f(light.eye), Math.fround(light.specular)];
  const vertices: ClipVertex[] = [];
  for (let at = 0; at < mesh.positions.length; at += 3) {
    const [x, y, z] = [mesh.positions[at]!, mesh.positions[at + 1]!, mesh.positions[at + 2]!];
    const [nx, ny, nz] = [mesh.normals[at]!, mesh.normals[at + 1]!, mesh.normals[at + 2]!];
    const fromKey = positive(nx * key[0]! + ny * key[1]! + nz * key[2]!);
    const fromFill = positive(nx * fillTo[0]! + ny * fillTo[1]! + nz * fillTo[2]!);
    let shine = 0;
    if (specular > 0 && fromKey > 0) {
      const [ex, ey, ez] = [eye[0]! - x, eye[1]! - y, eye[2]! - z];
      const far = Math.sqrt(ex * ex + ey * ey + ez * ez);
      const [hx, hy, hz] = [key[0]! + ex / far, key[1]! + ey / far, key[2]! + ez / far];
      shine = positive((nx * hx + ny * hy + nz * hz) / Math.sqrt(hx * hx + hy * hy + hz * hz));
      for (let power = 0; power < light.gloss && power < 8; power++) shine = shine * shine;
      shine = shine * specular * 255;
    }
    const vertex = new Float32Array(8);
    for (let row = 0; row < 4; row++) {
      vertex[row] = m[row * 4]! * x + m[row * 4 + 1]! * y + m[row * 4 + 2]! * z + m[row * 4 + 3]!;
    }
    const colour = (at / 3) * 4;
    for (let channel = 0; channel < 3; channel++) {
      const amount = ambient[channel]! + fromKey * keyColour[channel]! + fromFill * fillColour[channel]!;
      vertex[4 + channel] = mesh.colours[colour + channel]! * amount + shine;
    }
    vertex[7] = mesh.colours[colour + 3]!;
    vertices.push(vertex);
  }
  return vertices;
}

const [X, Y, Z, W] = [0, 1, 2, 3] as const;
const GUARD = 8;
const MIN_W = 2 ** -10;

/** Signed distances to the cutting planes: in front of the eye, the near plane, the guard band. */
const planes: readonly ((v: ClipVertex) => number)[] = [
  (v) => v[W]! - MIN_W,
  (v) => v[Z]! + v[W]!,
  (v) => GUARD * v[W]! + v[X]!,
  (v) => GUARD * v[W]! - v[X]!,
  (v) => GUARD * v[W]! + v[Y]!,
  (v) => GUARD * v[W]! - v[Y]!,
];

const outsides: readonly ((v: ClipVertex) => boolean)[] = [
  (v) => v[X]! < -v[W]!,
  (v) => v[X]! > v[W]!,
  (v) => v[Y]! < -v[W]!,
  (v) => v[Y]! > v[W]!,
  (v) => v[Z]! < -v[W]!,
];

/** The part of a triangle in front of the eye and near the screen: a convex polygon, or nothing. */
function clipped(triangle: readonly ClipVertex[]): readonly ClipVertex[] {
  const usable = triangle.every((v) => v.subarray(0, 4).every((value) => Math.abs(value) < 1e15));
  if (!usable || outsides.some((outside) => triangle.every(outside))) return [];
  let polygon = triangle;
  for (const distance of planes) {
    const cutOff: ClipVertex[] = [];
    polygon.forEach((here, i) => {
      const next = polygon[(i + 1) % polygon.length]!;
      const inHere = distance(here);
      const inNext = distance(next);
      if (inHere >= 0) cutOff.push(here);
      if (inHere >= 0 && inNext < 0) cutOff.push(between(here, next, inHere / (inHere - inNext)));
      else if (inHere < 0 && inNext >= 0) cutOff.push(between(next, here, inNext / (inNext - inHere)));
    });
    polygon = cutOff;
  }
  return polygon;
}

const between = (inside: ClipVertex, outside: ClipVertex, t: number): ClipVertex =>
  inside.map((a, i) => a + (outside[i]! - a) * t);

function snapped(position: number): number {
  const sixteenths = Math.floor(position * 16 + 0.5);
  return sixteenths > -(2 ** 20) ? (sixteenths < 2 ** 20 ? sixteenths : 2 ** 20) : -(2 ** 20);
}

function projected(v: ClipVertex, { wide, high }: Target): ScreenVertex {
  const q = 1 / v[W]!;
  return {
    x: snapped((v[X]! * q * 0.5 + 0.5) * wide),
    y: snapped((0.5 - v[Y]! * q * 0.5) * high),
    attributes: Float32Array.of(v[Z]! * q, q, v[4]! * q, v[5]! * q, v[6]! * q, v[7]! * q),
  };
}

const toByte = (value: number): number => Math.floor(value > 0 ? (value < 255 ? value + 0.5 : 255) : 0);
const over255 = (value: number): number => Math.round(value / 255);

function fill(target: Target, a: ScreenVertex, second: ScreenVertex, third: ScreenVertex, look: Look): void {
  const signed = (second.x - a.x) * (third.y - a.y) - (third.x - a.x) * (second.y - a.y);
  // Rows grow downwards: what faces the eye has a negative area.
  if (signed === 0 || (signed > 0 && look.twoSided !== true)) return;
  const [b, c] = signed > 0 ? [second, third] : [third, second];
  const inverse = 1 / Math.abs(signed);
  const gxB = (c.y - a.y) * inverse;
  const gxC = (a.y - b.y) * inverse;
  const gyB = (a.x - c.x) * inverse;
  const gyC = (b.x - a.x) * inverse;
  const plane = (index: number): Plane => {
    const start = a.attributes[index]!;
    const toB = b.attributes[index]! - start;
    const toC = c.attributes[index]! - start;
    const perSixteenth = toB * gxB + toC * gxC;
    const down = toB * gyB + toC * gyC;
    return { origin: start + perSixteenth * (8 - a.x), across: perSixteenth * 16, down, top: a.y };
  };
  const [z, q, red, green, blue, alpha] = [plane(0), plane(1), plane(2), plane(3), plane(4), plane(5)];

  const { wide, high, depth } = target;
  const left = Math.max(0, Math.floor((Math.min(a.x, b.x, c.x) - 8) / 16));
  const right = Math.min(wide - 1, Math.ceil((Math.max(a.x, b.x, c.x) - 8) / 16));
  const top = Math.max(0, Math.floor((Math.min(a.y, b.y, c.y) - 8) / 16));
  const bottom = Math.min(high - 1, Math.ceil((Math.max(a.y, b.y, c.y) - 8) / 16));
  for (let row = top; row <= bottom; row++) {
    const y = row * 16 + 8;
    for (let column = left; column <= right; column++) {
      const x = column * 16 + 8;
      if (!(covers(a, b, x, y) && covers(b, c, x, y) && covers(c, a, x, y))) continue;
      const at = row * wide + column;
      const here = Math.fround(valueAt(z, column, y));
      if (!(here <= depth[at]! || look.onTop === true)) continue;
      if (look.blend === undefined) depth[at] = here;
      const w = 1 / valueAt(q, column, y);
      const amount = look.blend === undefined ? 255 : toByte(valueAt(alpha, column, y) * w);
      paint(target.red, at, toByte(valueAt(red, column, y) * w), amount, look);
      paint(target.green, at, toByte(valueAt(green, column, y) * w), amount, look);
      paint(target.blue, at, toByte(valueAt(blue, column, y) * w), amount, look);
    }
  }
}

/** An attribute over the screen: its value at column 0 in row position `top`, and its slopes. */
interface Plane {
  readonly origin: number;
  readonly across: number;
  readonly down: number;
  readonly top: number;
}

const valueAt = ({ origin, across, down, top }: Plane, column: number, y: number): number =>
  origin + down * (y - top) + across * column;

function paint(channel: Uint8Array, at: number, own: number, amount: number, look: Look): void {
  const under = channel[at]!;
  channel[at] =
    look.blend === 'add'
      ? Math.min(255, under + over255(own * amount))
      : over255(own * amount + under * (255 - amount));
}

/** Whether a sample lies inside an edge; one that lies on it belongs to the triangle below or right of it. */
function covers(from: ScreenVertex, to: ScreenVertex, x: number, y: number): boolean {
  const side = (to.x - from.x) * (y - from.y) - (to.y - from.y) * (x - from.x);
  if (side !== 0) return side > 0;
  const left = to.y < from.y;
  const top = to.y === from.y && to.x > from.x;
  return left || top;
}

function averaged(target: Target, { width, height, samples }: FrameSize): Uint8Array {
  const pixels = new Uint8Array(width * height * 4).fill(255);
  const shift = 2 * Math.log2(samples);
  const half = samples * samples > 1 ? (samples * samples) / 2 : 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      [target.red, target.green, target.blue].forEach((plane, channel) => {
        let total = half;
        for (let j = 0; j < samples; j++) {
          for (let i = 0; i < samples; i++) {
            total += plane[(y * samples + j) * target.wide + x * samples + i]!;
          }
        }
        pixels[(y * width + x) * 4 + channel] = total >> shift;
      });
    }
  }
  return pixels;
}
