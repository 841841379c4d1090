/** Triangles with per-vertex normal and colour, at most 1024 vertices. */
export interface Mesh {
  /** x, y, z of each vertex. */
  readonly positions: Float32Array;
  /** Unit normals, x, y, z of each vertex. */
  readonly normals: Float32Array;
  /** Red, green, blue, alpha of each vertex. */
  readonly colours: Uint8Array;
  /** Three vertices of each triangle, counter-clockwise seen from outside. */
  readonly corners: Uint16Array;
}

/** One mesh with its place and its light. Directions and eye are in the mesh's own space. */
export interface Draw {
  readonly mesh: Mesh;
  /** Row-major 4 x 4, mesh space to clip space (visible: -w <= x, y, z <= w). */
  readonly matrix: Float32Array;
  readonly light: Light;
  readonly look: Look;
}

export interface Light {
  /** Unit vector towards the main light, which also makes highlights. */
  readonly keyDirection: Vector;
  readonly keyColour: Vector;
  readonly fillDirection: Vector;
  readonly fillColour: Vector;
  readonly ambient: Vector;
  readonly eye: Vector;
  /** Strength of the highlight, 0 for none. */
  readonly specular: number;
  /** The highlight is raised to the power 2^gloss; a whole number, 0 to 8. */
  readonly gloss: number;
}

export interface Look {
  readonly twoSided?: boolean;
  /** Mixes by vertex alpha, or adds: then it hides nothing. */
  readonly blend?: 'over' | 'add';
  /** Is not hidden by anything nearer. */
  readonly onTop?: boolean;
}

export type Vector = readonly [number, number, number];

export interface FrameSize {
  /** Pixels, 1 to 1024. */
  readonly width: number;
  readonly height: number;
  /** Samples per side of a pixel. */
  readonly samples: 1 | 2 | 4;
}

export interface Frame {
  readonly draws: readonly Draw[];
  /** Colours of the first and of the last row behind everything, `0xAABBGGRR`. */
  readonly sky: readonly [number, number];
}
