import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cornerBytes,
  drawCommand,
  drawListBytes,
  encodeCorners,
  encodeDraws,
  encodeVertices,
  vertexBytes,
} from '../../examples/cockpit/guests/cluster/commands.ts';
import type {
  Draw,
  Frame,
  FrameSize,
  Light,
  Look,
  Mesh,
} from '../../examples/cockpit/guests/cluster/frame.ts';
import { drawReference } from '../../examples/cockpit/guests/cluster/reference.ts';
import { clusterFrame } from '../../examples/cockpit/guests/cluster/scene.ts';
import { firmwareHarness } from './harness.ts';

const image = readFileSync(new URL('../../build/firmware/render.wasm', import.meta.url));
const { pages } = JSON.parse(
  readFileSync(new URL('../../src/firmware/kernels/render/kernel.json', import.meta.url), 'utf8'),
) as { pages: number };

const GUEST_BYTES = 4 << 20;
const PICTURE = 0x10_0000;
const small: FrameSize = { width: 67, height: 41, samples: 2 };

function machine(): ReturnType<typeof firmwareHarness> {
  return firmwareHarness(image, pages * 65536, GUEST_BYTES);
}

/** Puts a frame into guest memory: its meshes, then the draw list. Returns the draw list's address. */
function place(guest: Uint8Array, frame: Frame): number {
  const places = new Map<Mesh, { vertices: number; corners: number }>();
  let free = 64;
  for (const { mesh } of frame.draws) {
    if (places.has(mesh)) continue;
    const vertices = free;
    const corners = vertices + vertexBytes(mesh);
    free = (corners + cornerBytes(mesh) + 3) & ~3;
    places.set(mesh, { vertices, corners });
    guest.set(encodeVertices(mesh), vertices);
    guest.set(encodeCorners(mesh), corners);
  }
  guest.set(
    encodeDraws(frame, (mesh) => places.get(mesh)!),
    free,
  );
  if (free + drawListBytes(frame) > PICTURE) throw new Error('the frame is too large for this test');
  return free;
}

function render(frame: Frame, size: FrameSize, budget = 1000): { picture: Uint8Array; results: number[] } {
  const { guest, run, interrupts } = machine();
  const { op, args } = drawCommand(frame, size, place(guest, frame), PICTURE);
  const { status, results } = run(op, args ?? [], budget);
  expect(status).toBe(1);
  expect(interrupts).toEqual([2]);
  return { picture: guest.slice(PICTURE, PICTURE + size.width * size.height * 4), results };
}

/** Says where two pictures differ first: a diff of a hundred thousand numbers says nothing. */
function firstDifference(one: Uint8Array, other: Uint8Array, width: number): string | undefined {
  expect(one.length).toBe(other.length);
  const at = one.findIndex((value, index) => value !== other[index]);
  if (at < 0) return undefined;
  const pixel = at >> 2;
  const colour = (picture: Uint8Array): string => picture.subarray(pixel * 4, pixel * 4 + 4).join(' ');
  return `(${pixel % width}, ${Math.floor(pixel / width)}): ${colour(one)} and ${colour(other)}`;
}

const identity = Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);
const plain: Light = {
  keyDirection: [0, 0, 1],
  keyColour: [0, 0, 0],
  fillDirection: [0, 0, 1],
  fillColour: [0, 0, 0],
  ambient: [1, 1, 1],
  eye: [0, 0, 5],
  specular: 0,
  gloss: 0,
};

/** A soup: each corner its own vertex. */
function soup(points: readonly (readonly number[])[], colour: (vertex: number) => readonly number[]): Mesh {
  return {
    positions: Float32Array.from(points.flat()),
    normals: Float32Array.from(points.flatMap(() => [0, 0, 1])),
    colours: Uint8Array.from(points.flatMap((_, vertex) => [...colour(vertex)])),
    corners: Uint16Array.from(points.keys()),
  };
}

const one = (mesh: Mesh, look: Look = {}, matrix = identity, light = plain): Draw => ({
  mesh,
  matrix,
  light,
  look,
});
const frameOf = (...draws: Draw[]): Frame => ({ draws, sky: [0xff000000, 0xff000000] });

describe('the cockpit scene', () => {
  test.each([1, 2, 4] as const)('is bit-identical to the reference with %i samples per side', (samples) => {
    const size: FrameSize = { width: 96, height: 60, samples };
    const frame = clusterFrame(0.3, size);
    const { picture, results } = render(frame, size);
    expect(firstDifference(picture, drawReference(frame, size), size.width)).toBeUndefined();
    expect(results[0]).toBe(frame.draws.reduce((sum, { mesh }) => sum + mesh.corners.length / 3, 0));
  });

  test('is the same whatever the budget of a step', () => {
    const size: FrameSize = { width: 150, height: 40, samples: 1 };
    const frame = clusterFrame(0.7, size);
    const whole = render(frame, size, 1_000_000_000);
    for (const budget of [-5, 1, 37, 800, 20_000]) {
      const parts = render(frame, size, budget);
      expect(firstDifference(parts.picture, whole.picture, size.width)).toBeUndefined();
      expect(parts.results).toEqual(whole.results);
    }
  });

  test('takes more steps when the budget is smaller', () => {
    const size: FrameSize = { width: 150, height: 90, samples: 2 };
    const frame = clusterFrame(0, size);
    const steps = (budget: number): number => {
      const { guest, run } = machine();
      const { op, args } = drawCommand(frame, size, place(guest, frame), PICTURE);
      return run(op, args ?? [], budget).steps;
    };
    expect(steps(1000)).toBeGreaterThan(50);
    expect(steps(100)).toBeGreaterThan(4 * steps(1000));
  });
});

describe('random triangles', () => {
  const coordinate = fc.oneof(
    fc.double({ min: -1.5, max: 1.5, noNaN: true }),
    fc.integer({ min: -8, max: 8 }).map((eighth) => eighth / 8),
    fc.double({ min: -1e4, max: 1e4, noNaN: true }),
    fc.constantFrom(0, 1, -1, 1e20, NaN, Infinity),
  );
  const point = fc.tuple(coordinate, coordinate, coordinate);
  const byte = fc.nat(255);
  const colour = fc.tuple(byte, byte, byte, byte);
  const perspective = Float32Array.of(1.2, 0, 0, 0.1, 0, 1.7, 0, 0, 0, 0, -1.02, -0.1, 0, 0, -1, 0.5);
  const look: fc.Arbitrary<Look> = fc.record(
    {
      twoSided: fc.boolean(),
      onTop: fc.boolean(),
      blend: fc.constantFrom('over' as const, 'add' as const),
    },
    { requiredKeys: [] },
  );
  const draw = fc
    .record({
      corners: fc.array(fc.tuple(point, point, point), { maxLength: 12 }),
      colours: fc.array(colour, { minLength: 1, maxLength: 5 }),
      look,
      matrix: fc.constantFrom(identity, perspective),
      specular: fc.constantFrom(0, 0.7),
    })
    .map(({ corners, colours, look: how, matrix, specular }) =>
      one(
        soup(corners.flat(), (vertex) => colours[vertex % colours.length]!),
        how,
        matrix,
        { ...plain, keyColour: [0.5, 0.4, 0.3], ambient: [0.4, 0.5, 0.9], specular, gloss: 3 },
      ),
    );

  test('are bit-identical to the reference: slivers, behind the eye, huge, not a number, overlapping', () => {
    fc.assert(
      fc.property(fc.array(draw, { maxLength: 4 }), fc.nat(0xffff), (draws, seed) => {
        const frame: Frame = { draws, sky: [seed * 257, seed * 65_599] };
        const { picture } = render(frame, small, 1 + (seed & 1023));
        expect(firstDifference(picture, drawReference(frame, small), small.width)).toBeUndefined();
      }),
      { numRuns: 120 },
    );
  });

  test('that share their edges cover each sample exactly once', () => {
    const size: FrameSize = { width: 48, height: 48, samples: 1 };
    const jitter = fc.array(fc.double({ min: -0.2, max: 0.2, noNaN: true }), {
      minLength: 98,
      maxLength: 98,
    });
    fc.assert(
      fc.property(jitter, fc.constantFrom(identity, perspective), (offsets, matrix) => {
        // A grid with its inner points moved, larger than the screen: every sample lies in one triangle.
        const points: number[][] = [];
        for (let row = 0; row < 7; row++) {
          for (let column = 0; column < 7; column++) {
            const at = (row * 7 + column) * 2;
            points.push([(column - 3 + offsets[at]!) * 0.6, (row - 3 + offsets[at + 1]!) * 0.6, 0]);
          }
        }
        const corners: number[] = [];
        for (let row = 0; row < 6; row++) {
          for (let column = 0; column < 6; column++) {
            const at = row * 7 + column;
            corners.push(at, at + 1, at + 8, at, at + 8, at + 7);
          }
        }
        const mesh: Mesh = {
          ...soup(points, () => [1, 1, 1, 255]),
          corners: Uint16Array.from(corners),
        };
        const { picture } = render(frameOf(one(mesh, { blend: 'add' }, matrix)), size);
        const counts = picture.filter((_, index) => index % 4 === 0);
        expect(counts.findIndex((count) => count !== 1)).toBe(-1);
      }),
      { numRuns: 40 },
    );
  });

  test('hide each other by depth, whatever the order they come in', () => {
    const size: FrameSize = { width: 32, height: 32, samples: 1 };
    const square = (half: number, z: number, colour: readonly number[]): Draw =>
      one(
        soup(
          [
            [-half, -half, z],
            [half, -half, z],
            [half, half, z],
            [-half, -half, z],
            [half, half, z],
            [-half, half, z],
          ],
          () => colour,
        ),
      );
    const near = square(0.5, -0.5, [255, 0, 0, 255]);
    const far = square(1, 0.5, [0, 0, 255, 255]);
    for (const draws of [
      [near, far],
      [far, near],
    ]) {
      const { picture } = render(frameOf(...draws), size);
      const pixel = (x: number, y: number): number[] => [
        ...picture.subarray((y * 32 + x) * 4, (y * 32 + x) * 4 + 4),
      ];
      expect(pixel(16, 16)).toEqual([255, 0, 0, 255]);
      expect(pixel(7, 16)).toEqual([0, 0, 255, 255]);
      expect(pixel(8, 8)).toEqual([255, 0, 0, 255]);
      expect(pixel(24, 24)).toEqual([0, 0, 255, 255]);
    }
  });
});

describe('wrong commands fail with a code of their own and leave the firmware usable', () => {
  const mesh = soup(
    [
      [-1, -1, 0],
      [1, -1, 0],
      [0, 1, 0],
    ],
    () => [9, 9, 9, 255],
  );
  const frame = frameOf(one(mesh));
  const size: FrameSize = { width: 16, height: 16, samples: 1 };

  /** The status of the command with some arguments changed, or the guest memory. */
  function statusOf(
    changes: Readonly<Record<number, number>>,
    op = 1,
    spoil: (guest: Uint8Array, drawList: DataView) => void = () => undefined,
  ): number {
    const { guest, run } = machine();
    const drawList = place(guest, frame);
    const args = [...(drawCommand(frame, size, drawList, PICTURE).args ?? [])];
    const pristine = guest.slice();
    for (const [index, value] of Object.entries(changes)) args[Number(index)] = value;
    spoil(guest, new DataView(guest.buffer, drawList));
    const { status } = run(op, args);
    guest.set(pristine);
    const good = drawCommand(frame, size, drawList, PICTURE);
    expect(run(good.op, good.args ?? []).status).toBe(1);
    return status;
  }

  test.each<[string, number, Readonly<Record<number, number>>]>([
    ['no width', -3, { 3: 0 }],
    ['too wide', -3, { 3: 1025 }],
    ['a negative height', -3, { 4: -1 }],
    ['three samples per side', -3, { 5: 3 }],
    ['a negative number of draws', -4, { 1: -1 }],
    ['too many draws', -4, { 1: 1025 }],
    ['a draw list past the end of the address space', -8, { 0: -64 }],
    ['a picture past the end of the address space', -8, { 2: -64 }],
    ['a draw list that is not mapped', -1, { 0: 0x4000_0000 }],
    ['a picture that is not mapped', -1, { 2: 0x4000_0000 }],
  ])('%s: %i', (_what, code, changes) => {
    expect(statusOf(changes)).toBe(code);
  });

  test('an unknown operation: -2', () => expect(statusOf({}, 77)).toBe(-2));

  test.each<[string, number, (guest: Uint8Array, drawList: DataView) => void]>([
    ['too many vertices', -5, (_, list) => list.setInt32(164, 1025, true)],
    ['a negative number of triangles', -5, (_, list) => list.setInt32(172, -1, true)],
    ['a corner past the vertices', -6, (_, list) => list.setInt32(164, 2, true)],
    ['vertices past the end of the address space', -8, (_, list) => list.setUint32(160, 0xffff_ffff, true)],
    ['vertices that are not mapped', -1, (_, list) => list.setUint32(160, 0x4000_0000, true)],
    ['corners that are not mapped', -1, (_, list) => list.setUint32(168, 0x4000_0000, true)],
  ])('%s: %i', (_what, code, spoil) => {
    expect(statusOf({}, 1, spoil)).toBe(code);
  });

  test('more vertices or triangles than a frame holds: -7', () => {
    const many = (vertices: number, triangles: number, draws: number): number => {
      const { guest, run } = machine();
      const filler: Mesh = {
        positions: new Float32Array(vertices * 3).map((_, index) => mesh.positions[index % 9]!),
        normals: new Float32Array(vertices * 3),
        colours: new Uint8Array(vertices * 4),
        corners: new Uint16Array(triangles * 3).map((_, index) => index % 3),
      };
      const full = frameOf(...Array.from({ length: draws }, () => one(filler)));
      const { op, args } = drawCommand(full, size, place(guest, full), PICTURE);
      return run(op, args ?? [], 100_000).status;
    };
    expect(many(1024, 1, 10)).toBe(1);
    expect(many(1024, 1, 11)).toBe(-7);
    expect(many(3, 4096, 2)).toBe(1);
    expect(many(3, 4096, 3)).toBe(-7);
  });

  test('random words for arguments and draws never trap', () => {
    const word = fc.oneof(fc.integer(), fc.integer({ min: 0, max: 2000 }), fc.constantFrom(64, PICTURE));
    fc.assert(
      fc.property(
        fc.array(word, { minLength: 14, maxLength: 14 }),
        fc.array(word, { minLength: 48, maxLength: 48 }),
        fc.constantFrom(1, 2),
        (args, draw, draws) => {
          const { guest, run } = machine();
          guest.set(new Uint8Array(Int32Array.from([...draw, ...draw]).buffer), 64);
          const { status } = run(
            1,
            [64, draws, PICTURE, 1 + (args[3]! & 63), 1 + (args[4]! & 63), 1, ...args.slice(6)],
            5000,
          );
          expect([1, -1, -5, -6, -7, -8]).toContain(status);
          expect(run(args[0]!, args, 100_000).status).not.toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });
});
