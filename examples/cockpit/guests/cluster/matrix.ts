import type { Vector } from './frame.ts';

/** A row-major 4 x 4 matrix; it multiplies column vectors from the left. */
export type Matrix = readonly number[];

export const identity: Matrix = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];

/** The matrix that applies the last one first. */
export function chain(...matrices: readonly Matrix[]): Matrix {
  return matrices.reduce((a, b) =>
    a.map((_, at) => {
      const row = at & ~3;
      const column = at & 3;
      let sum = 0;
      for (let k = 0; k < 4; k++) sum += a[row + k]! * b[k * 4 + column]!;
      return sum;
    }),
  );
}

export const moved = (x: number, y: number, z: number): Matrix => [
  ...[1, 0, 0, x],
  ...[0, 1, 0, y],
  ...[0, 0, 1, z],
  ...[0, 0, 0, 1],
];

export const scaled = (factor: number): Matrix => [
  ...[factor, 0, 0, 0],
  ...[0, factor, 0, 0],
  ...[0, 0, factor, 0],
  ...[0, 0, 0, 1],
];

/** Turns about an axis by an angle in radians, counter-clockwise for who looks against the axis. */
export function turned(axis: 'x' | 'y' | 'z', angle: number): Matrix {
  const c = Math.cos(angle);
  const s = Math.sin(angle);
  if (axis === 'x') return [1, 0, 0, 0, 0, c, -s, 0, 0, s, c, 0, 0, 0, 0, 1];
  if (axis === 'y') return [c, 0, s, 0, 0, 1, 0, 0, -s, 0, c, 0, 0, 0, 0, 1];
  return [c, -s, 0, 0, s, c, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1];
}

/** View space (looking along -z) to clip space. `slope` is the tangent of half the vertical angle. */
export function perspective(slope: number, aspect: number, near: number, far: number): Matrix {
  const depth = (far + near) / (near - far);
  const shift = (2 * far * near) / (near - far);
  return [1 / (slope * aspect), 0, 0, 0, 0, 1 / slope, 0, 0, 0, 0, depth, shift, 0, 0, -1, 0];
}

/** Squeezes depth into a part of its range, so that one view always lies in front of another. */
export const depthRange = (nearest: number, farthest: number): Matrix => [
  ...[1, 0, 0, 0],
  ...[0, 1, 0, 0],
  ...[0, 0, (farthest - nearest) / 2, (farthest + nearest) / 2],
  ...[0, 0, 0, 1],
];

export function transformPoint(m: Matrix, [x, y, z]: Vector): Vector {
  const row = (at: number): number => m[at]! * x + m[at + 1]! * y + m[at + 2]! * z + m[at + 3]!;
  return [row(0), row(4), row(8)];
}

/** A direction in the space that `m` (turns, moves and one scale) leads from. */
export function directionBack(m: Matrix, [x, y, z]: Vector): Vector {
  const column = (at: number): number => m[at]! * x + m[at + 4]! * y + m[at + 8]! * z;
  return unit([column(0), column(1), column(2)]);
}

/** A point in the space that `m` (turns, moves and one scale) leads from. */
export function pointBack(m: Matrix, [x, y, z]: Vector): Vector {
  const [dx, dy, dz] = [x - m[3]!, y - m[7]!, z - m[11]!];
  const square = m[0]! * m[0]! + m[4]! * m[4]! + m[8]! * m[8]!;
  const column = (at: number): number => (m[at]! * dx + m[at + 4]! * dy + m[at + 8]! * dz) / square;
  return [column(0), column(1), column(2)];
}

export function unit([x, y, z]: Vector): Vector {
  const length = Math.hypot(x, y, z);
  return length < 1e-12 ? [0, 0, 1] : [x / length, y / length, z / length];
}

export const cross = (a: Vector, b: Vector): Vector => [
  a[1] * b[2] - a[2] * b[1],
  a[2] * b[0] - a[0] * b[2],
  a[0] * b[1] - a[1] * b[0],
];
