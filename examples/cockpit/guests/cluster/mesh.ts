import type { Mesh, Vector } from './frame.ts';
import { cross, directionBack, identity, transformPoint, unit } from './matrix.ts';
import type { Matrix } from './matrix.ts';

/** Red, green, blue and alpha, 0 to 255. */
export type Colour = readonly [red: number, green: number, blue: number, alpha?: number];

/** A point, or a colour, for `u` and `v` from 0 to 1. */
type Over<T> = (u: number, v: number) => T;

/**
 * A curved surface of `columns` x `rows` quads. Normals come from the surface itself; it faces to where
 * `u` and `v` turn counter-clockwise.
 */
export function surface(
  columns: number,
  rows: number,
  point: Over<Vector>,
  colour: Colour | Over<Colour>,
): Mesh {
  const positions: number[] = [];
  const normals: number[] = [];
  const colours: number[] = [];
  const corners: number[] = [];
  const colourAt = typeof colour === 'function' ? colour : () => colour;
  for (let row = 0; row <= rows; row++) {
    for (let column = 0; column <= columns; column++) {
      const [u, v] = [column / columns, row / rows];
      positions.push(...point(u, v));
      normals.push(...normalAt(point, u, v));
      const [red, green, blue, alpha = 255] = colourAt(u, v);
      colours.push(red, green, blue, alpha);
      if (row === rows || column === columns) continue;
      const at = row * (columns + 1) + column;
      const above = at + columns + 1;
      corners.push(at, at + 1, above + 1, at, above + 1, above);
    }
  }
  return mesh(positions, normals, colours, corners);
}

function normalAt(point: Over<Vector>, u: number, v: number): Vector {
  // A little inside, where poles and rims still have a slope.
  const e = 1e-3;
  const [cu, cv] = [Math.min(Math.max(u, 2 * e), 1 - 2 * e), Math.min(Math.max(v, 2 * e), 1 - 2 * e)];
  const slope = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
  return unit(
    cross(slope(point(cu + e, cv), point(cu - e, cv)), slope(point(cu, cv + e), point(cu, cv - e))),
  );
}

/** A flat convex polygon, given counter-clockwise. */
export function polygon(points: readonly Vector[], colour: Colour | readonly Colour[]): Mesh {
  const [a, b, c] = [points[0]!, points[1]!, points[2]!];
  const normal = unit(
    cross([b[0] - a[0], b[1] - a[1], b[2] - a[2]], [c[0] - a[0], c[1] - a[1], c[2] - a[2]]),
  );
  const corners = points.slice(2).flatMap((_, index) => [0, index + 1, index + 2]);
  const colours = points.flatMap((_, index) => {
    const own = Array.isArray(colour[0]) ? (colour as readonly Colour[])[index]! : (colour as Colour);
    return [own[0], own[1], own[2], own[3] ?? 255];
  });
  return mesh(
    points.flat(),
    points.flatMap(() => [...normal]),
    colours,
    corners,
  );
}

/** A box between two opposite corners; `taper` shrinks its top (the greater y) in x. */
export function box(from: Vector, to: Vector, colour: Colour, taper = 1): Mesh {
  const middle = (from[0] + to[0]) / 2;
  const at = (x: 0 | 1, y: 0 | 1, z: 0 | 1): Vector => {
    const side = x === 0 ? from[0] : to[0];
    return [
      y === 0 ? side : middle + (side - middle) * taper,
      y === 0 ? from[1] : to[1],
      z === 0 ? from[2] : to[2],
    ];
  };
  const faces: readonly (readonly Vector[])[] = [
    [at(0, 0, 1), at(1, 0, 1), at(1, 1, 1), at(0, 1, 1)],
    [at(1, 0, 0), at(0, 0, 0), at(0, 1, 0), at(1, 1, 0)],
    [at(1, 0, 1), at(1, 0, 0), at(1, 1, 0), at(1, 1, 1)],
    [at(0, 0, 0), at(0, 0, 1), at(0, 1, 1), at(0, 1, 0)],
    [at(0, 1, 1), at(1, 1, 1), at(1, 1, 0), at(0, 1, 0)],
    [at(0, 0, 0), at(1, 0, 0), at(1, 0, 1), at(0, 0, 1)],
  ];
  return merged(faces.map((face) => polygon(face, colour)));
}

/** Several meshes as one. */
export function merged(meshes: readonly Mesh[]): Mesh {
  const positions: number[] = [];
  const normals: number[] = [];
  const colours: number[] = [];
  const corners: number[] = [];
  for (const part of meshes) {
    const first = positions.length / 3;
    positions.push(...part.positions);
    normals.push(...part.normals);
    colours.push(...part.colours);
    for (const corner of part.corners) corners.push(first + corner);
  }
  return mesh(positions, normals, colours, corners);
}

/** The mesh, turned, moved and scaled. */
export function placed(part: Mesh, matrix: Matrix): Mesh {
  const inverseTurn = transposed(matrix);
  const each = (values: Float32Array, change: (vector: Vector) => Vector): number[] => {
    const out: number[] = [];
    for (let at = 0; at < values.length; at += 3) {
      out.push(...change([values[at]!, values[at + 1]!, values[at + 2]!]));
    }
    return out;
  };
  return mesh(
    each(part.positions, (point) => transformPoint(matrix, point)),
    each(part.normals, (normal) => directionBack(inverseTurn, normal)),
    [...part.colours],
    [...part.corners],
  );
}

const transposed = (m: Matrix): Matrix => identity.map((_, at) => m[(at & 3) * 4 + (at >> 2)]!);

/** The mesh in one colour. */
export const coloured = (part: Mesh, [red, green, blue, alpha = 255]: Colour): Mesh => ({
  ...part,
  colours: part.colours.map((_, index) => [red, green, blue, alpha][index & 3]!),
});

function mesh(
  positions: readonly number[],
  normals: readonly number[],
  colours: readonly number[],
  corners: readonly number[],
): Mesh {
  return {
    positions: Float32Array.from(positions),
    normals: Float32Array.from(normals),
    colours: Uint8Array.from(colours),
    corners: Uint16Array.from(corners),
  };
}
