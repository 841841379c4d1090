import type { Command } from '../../../../src/contract/guest.ts';
import type { Draw, Frame, FrameSize, Mesh } from './frame.ts';

/** The render firmware's data as it wants them; the layouts are those of its source. */

const VERTEX_BYTES = 28;
const DRAW_BYTES = 192;
const FLAG = { twoSided: 1, blend: 2, add: 4, onTop: 8 } as const;
const OP_DRAW_FRAME = 1;

/** Where a mesh lies for the firmware. */
export interface PlacedMesh {
  readonly vertices: number;
  readonly corners: number;
}

export const vertexBytes = (mesh: Mesh): number => (mesh.positions.length / 3) * VERTEX_BYTES;
export const cornerBytes = (mesh: Mesh): number => mesh.corners.length * 2;
export const drawListBytes = (frame: Frame): number => frame.draws.length * DRAW_BYTES;

/** Position and normal as f32, colour RGBA8. */
export function encodeVertices(mesh: Mesh): Uint8Array {
  const encoded = new Uint8Array(vertexBytes(mesh));
  const view = new DataView(encoded.buffer);
  for (let vertex = 0; vertex * 3 < mesh.positions.length; vertex++) {
    const at = vertex * VERTEX_BYTES;
    for (let axis = 0; axis < 3; axis++) {
      view.setFloat32(at + axis * 4, mesh.positions[vertex * 3 + axis]!, true);
      view.setFloat32(at + 12 + axis * 4, mesh.normals[vertex * 3 + axis]!, true);
    }
    encoded.set(mesh.colours.subarray(vertex * 4, vertex * 4 + 4), at + 24);
  }
  return encoded;
}

/** Three u16 per triangle. */
export function encodeCorners(mesh: Mesh): Uint8Array {
  const encoded = new Uint8Array(cornerBytes(mesh));
  const view = new DataView(encoded.buffer);
  mesh.corners.forEach((corner, index) => view.setUint16(index * 2, corner, true));
  return encoded;
}

export function encodeDraws(frame: Frame, placed: (mesh: Mesh) => PlacedMesh): Uint8Array {
  const encoded = new Uint8Array(drawListBytes(frame));
  frame.draws.forEach((draw, index) =>
    encodeDraw(new DataView(encoded.buffer, index * DRAW_BYTES), draw, placed(draw.mesh)),
  );
  return encoded;
}

function encodeDraw(view: DataView, { mesh, matrix, light, look }: Draw, place: PlacedMesh): void {
  const floats = (offset: number, values: Iterable<number>): void => {
    for (const value of values) {
      view.setFloat32(offset, value, true);
      offset += 4;
    }
  };
  floats(0, matrix);
  floats(64, [...light.keyDirection, light.specular]);
  floats(80, [...light.eye, light.gloss]);
  floats(96, light.ambient);
  floats(112, light.keyColour);
  floats(128, light.fillDirection);
  floats(144, light.fillColour);
  view.setUint32(160, place.vertices, true);
  view.setInt32(164, mesh.positions.length / 3, true);
  view.setUint32(168, place.corners, true);
  view.setInt32(172, mesh.corners.length / 3, true);
  const flags =
    (look.twoSided === true ? FLAG.twoSided : 0) |
    (look.blend === undefined ? 0 : FLAG.blend) |
    (look.blend === 'add' ? FLAG.add : 0) |
    (look.onTop === true ? FLAG.onTop : 0);
  view.setInt32(176, flags, true);
}

/** Draws `frame`, whose draw list lies at `drawList`, into the picture at `picture`. */
export function drawCommand(frame: Frame, size: FrameSize, drawList: number, picture: number): Command {
  const { width, height, samples } = size;
  const [top, bottom] = frame.sky;
  return {
    op: OP_DRAW_FRAME,
    args: [drawList, frame.draws.length, picture, width, height, samples, top | 0, bottom | 0],
  };
}
