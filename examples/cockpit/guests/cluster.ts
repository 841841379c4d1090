import type {
  Completion,
  GuestBuffer,
  GuestCoproc,
  GuestDomain,
  GuestProgram,
  Verdict,
} from '../../../src/contract/guest.ts';
import {
  cornerBytes,
  drawCommand,
  encodeCorners,
  encodeDraws,
  encodeVertices,
  vertexBytes,
} from './cluster/commands.ts';
import type { PlacedMesh } from './cluster/commands.ts';
import type { Frame, FrameSize, Mesh } from './cluster/frame.ts';
import { animated, contactSheet, toPng } from './cluster/png.ts';
import { drawReference } from './cluster/reference.ts';
import { clusterFrame } from './cluster/scene.ts';

/**
 * The instrument cluster: renders `frames` frames of a drive at dusk on the shared GPU, always with
 * the next frame queued while one is drawn.
 * Arguments: frames (12), width (400), height (200), samples per side of a pixel (2).
 */
async function main(domain: GuestDomain): Promise<void> {
  const count = argument(domain, 'frames', 12, 1, 240);
  const size: FrameSize = {
    width: argument(domain, 'width', 400, 16, 1024),
    height: argument(domain, 'height', 200, 16, 1024),
    samples: sampleCount(argument(domain, 'samples', 2, 1, 4)),
  };
  const gpu = domain.coproc('gpu0');
  const frames = Array.from({ length: count }, (_, index) => clusterFrame(index / count, size));
  const drawn = await renderAll(domain, gpu, frames, size);
  const work = drawn.reduce((sum, { triangles }) => sum + triangles, 0);
  domain.log(`${count} frames of ${size.width} x ${size.height}, ${Math.round(work / count)} triangles each`);

  // The pictures are packed here too: packing is no work of the coprocessor's and needs no turn of it.
  domain.verify('frames', () => {
    writePictures(domain, drawn, size);
    return compareFrames(frames, drawn, size);
  });
}

interface Drawn {
  readonly pixels: Uint8Array;
  readonly triangles: number;
}

/** One of the two places that a frame is drawn in: while one is drawn, the other is queued. */
interface Slot {
  readonly draws: GuestBuffer;
  readonly drawsAt: number;
  readonly picture: GuestBuffer;
  readonly pictureAt: number;
}

/** Meshes, which never change, where the firmware can read them. */
interface Meshes {
  readonly buffer: GuestBuffer;
  readonly base: number;
}

/** How far it is, for a checkpoint: buffers by their addresses. */
interface Progress {
  readonly drawn: readonly (Drawn | undefined)[];
  readonly meshes: { readonly buffer: number; readonly base: number };
  readonly slots: readonly {
    readonly draws: number;
    readonly drawsAt: number;
    readonly picture: number;
    readonly pictureAt: number;
  }[];
  /** The frame that is under way in each slot. */
  readonly under: readonly (number | undefined)[];
  readonly next: number;
}

async function renderAll(
  domain: GuestDomain,
  gpu: GuestCoproc,
  frames: readonly Frame[],
  size: FrameSize,
): Promise<Drawn[]> {
  const before = domain.resumed as Progress | undefined;
  const used = new Set(frames.flatMap(({ draws }) => draws.map((draw) => draw.mesh)));
  const layout = layMeshes(used);
  const meshes = before === undefined ? placeMeshes(domain, gpu, used, layout) : found(domain, before.meshes);
  const encoded = frames.map((frame) => encodeDraws(frame, (mesh) => placed(layout, mesh, meshes.base)));
  const listBytes = Math.max(...encoded.map((list) => list.length));
  const slots =
    before?.slots.map(({ draws, drawsAt, picture, pictureAt }) => ({
      draws: domain.memory.at(draws),
      drawsAt,
      picture: domain.memory.at(picture),
      pictureAt,
    })) ?? [0, 1].map(() => makeSlot(domain, gpu, listBytes, size.width * size.height * 4));

  const drawn: (Drawn | undefined)[] = [...(before?.drawn ?? frames.map(() => undefined))];
  const under: (number | undefined)[] = [...(before?.under ?? slots.map(() => undefined))];
  let next = before?.next ?? 0;
  domain.onCheckpoint((): Progress => ({
    drawn,
    under,
    next,
    meshes: { buffer: meshes.buffer.address, base: meshes.base },
    slots: slots.map(({ draws, picture, ...at }) => ({
      ...at,
      draws: draws.address,
      picture: picture.address,
    })),
  }));
  const again = gpu.outstanding();
  await Promise.all(
    slots.map(async (slot, place) => {
      // A frame that was under way when the system was saved is awaited where it left off.
      const pending = again.find(({ command }) => command.args.includes(slot.pictureAt))?.completion;
      for (let completion = pending; ; completion = undefined) {
        const index = completion === undefined ? next++ : under[place]!;
        if (index >= frames.length) return;
        if (completion === undefined) {
          slot.draws.bytes.set(encoded[index]!);
          completion = gpu.submit(drawCommand(frames[index]!, size, slot.drawsAt, slot.pictureAt));
        }
        under[place] = index;
        const done = await completion;
        demandOk(done, index);
        drawn[index] = { pixels: slot.picture.bytes.slice(), triangles: done.results[0] ?? 0 };
      }
    }),
  );
  for (const slot of slots) {
    await gpu.unmap(slot.drawsAt);
    await gpu.unmap(slot.pictureAt);
    domain.memory.free(slot.draws);
    domain.memory.free(slot.picture);
  }
  await gpu.unmap(meshes.base);
  domain.memory.free(meshes.buffer);
  return drawn as Drawn[];
}

/** Where each mesh stands in the buffer of meshes, and how large that is. */
interface Layout {
  readonly offsets: ReadonlyMap<Mesh, PlacedMesh>;
  readonly bytes: number;
}

function layMeshes(used: ReadonlySet<Mesh>): Layout {
  let bytes = 0;
  const offsets = new Map<Mesh, PlacedMesh>();
  for (const mesh of used) {
    const corners = bytes + vertexBytes(mesh);
    offsets.set(mesh, { vertices: bytes, corners });
    bytes = (corners + cornerBytes(mesh) + 3) & ~3;
  }
  return { offsets, bytes };
}

function placed({ offsets }: Layout, mesh: Mesh, base: number): PlacedMesh {
  const { vertices, corners } = offsets.get(mesh)!;
  return { vertices: base + vertices, corners: base + corners };
}

function placeMeshes(
  domain: GuestDomain,
  gpu: GuestCoproc,
  used: ReadonlySet<Mesh>,
  { offsets, bytes }: Layout,
): Meshes {
  const buffer = domain.memory.allocate(bytes);
  const base = gpu.map(buffer, 'read');
  for (const mesh of used) {
    const { vertices, corners } = offsets.get(mesh)!;
    buffer.bytes.set(encodeVertices(mesh), vertices);
    buffer.bytes.set(encodeCorners(mesh), corners);
  }
  return { buffer, base };
}

const found = (domain: GuestDomain, { buffer, base }: Progress['meshes']): Meshes => ({
  buffer: domain.memory.at(buffer),
  base,
});

function makeSlot(domain: GuestDomain, gpu: GuestCoproc, listBytes: number, pictureBytes: number): Slot {
  const draws = domain.memory.allocate(listBytes);
  const picture = domain.memory.allocate(pictureBytes);
  return { draws, drawsAt: gpu.map(draws, 'read'), picture, pictureAt: gpu.map(picture, 'write') };
}

function demandOk({ status, reason, results }: Completion, index: number): void {
  if (status === 'ok') return;
  throw new Error(`frame ${index} ${status}: ${reason ?? 'no reason given'} (results ${results.join(' ')})`);
}

function writePictures(domain: GuestDomain, drawn: readonly Drawn[], { width, height }: FrameSize): void {
  const pictures = drawn.map(({ pixels }) => ({ width, height, data: pixels }));
  const files = pictures.map(toPng);
  files.forEach((file, index) => domain.write(`frame-${String(index).padStart(3, '0')}.png`, file));
  domain.write('overview.png', toPng(contactSheet(pictures, 3)));
  domain.write('drive.png', animated(files, 80));
}

function compareFrames(frames: readonly Frame[], drawn: readonly Drawn[], size: FrameSize): Verdict {
  const wrong = frames.flatMap((frame, index) => {
    const expected = drawReference(frame, size);
    const pixels = drawn[index]!.pixels;
    return expected.every((value, at) => value === pixels[at]) ? [] : [index];
  });
  const same = `${frames.length - wrong.length} of ${frames.length} frames bit-identical`;
  return {
    ok: wrong.length === 0,
    detail: wrong.length === 0 ? same : `${same}; wrong: ${wrong.join(', ')}`,
  };
}

function argument(domain: GuestDomain, name: string, otherwise: number, least: number, most: number): number {
  const text = domain.args[name];
  const value = text === undefined ? otherwise : Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new Error(`extra: ${name}=${text}: expected a whole number from ${least} to ${most}`);
  }
  return value;
}

function sampleCount(value: number): FrameSize['samples'] {
  if (value !== 1 && value !== 2 && value !== 4)
    throw new Error(`extra: samples=${value}: expected 1, 2 or 4`);
  return value;
}

export default { main } satisfies GuestProgram;
