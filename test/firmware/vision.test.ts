import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Corner,
  type Picture,
  cornersOf,
  edgesOf,
  gradientOf,
} from '../../examples/cockpit/guests/camera/reference.ts';
import { firmwareHarness } from './harness.ts';

const image = readFileSync(new URL('../../build/firmware/vision.wasm', import.meta.url));
const { pages } = JSON.parse(
  readFileSync(new URL('../../src/firmware/kernels/vision/kernel.json', import.meta.url), 'utf8'),
) as { pages: number };

const EDGES = 1;
const CORNERS = 2;
const BOTH = 3;
const FRAME = 0x1_0000;
const GUEST_BYTES = 1 << 20;

interface Settings {
  readonly low: number;
  readonly high: number;
  readonly threshold: number;
  readonly capacity: number;
  readonly alarm: number;
}
const usual: Settings = { low: 40, high: 100, threshold: 500, capacity: 1024, alarm: 0x7fff_ffff };

/** Where the frame and the results of a run lie in guest memory, one after the other. */
function layout({ width, height }: Picture) {
  const edges = FRAME + 4 * width * height;
  const scratch = edges + width * height;
  const list = (scratch + (width + 1) * height + 3) & ~3;
  return { edges, scratch, list };
}

function argumentsFor(picture: Picture, settings: Settings): number[] {
  const { edges, scratch, list } = layout(picture);
  const { low, high, threshold, capacity, alarm } = settings;
  return [FRAME, picture.width, picture.height, edges, scratch, low, high, list, capacity, threshold, alarm];
}

const machine = firmwareHarness(image, pages * 65536, GUEST_BYTES);

/** Runs the firmware on a picture; always on the same machine, as one context runs many commands. */
function look(op: number, picture: Picture, change: Partial<Settings> = {}, budget = 1000) {
  const { edges, list } = layout(picture);
  machine.guest.fill(0xa5);
  machine.guest.set(picture.data, FRAME);
  machine.interrupts.length = 0;
  const { status, results, steps } = machine.run(op, argumentsFor(picture, { ...usual, ...change }), budget);
  const view = new DataView(machine.guest.buffer);
  const corner = (index: number): Corner => ({
    x: view.getInt32(list + 12 * index, true),
    y: view.getInt32(list + 12 * index + 4, true),
    score: view.getInt32(list + 12 * index + 8, true),
  });
  return {
    status,
    steps,
    edgePixels: results[0]!,
    found: results[2]!,
    strongest: results[3]!,
    edges: machine.guest.slice(edges, edges + picture.width * picture.height),
    corners: Array.from({ length: results[1]! }, (_, index) => corner(index)),
    interrupts: [...machine.interrupts],
  };
}

function paint(width: number, height: number, light: (x: number, y: number) => number): Picture {
  const data = new Uint8Array(4 * width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data.fill(light(x, y), 4 * (y * width + x), 4 * (y * width + x) + 3);
  }
  return { width, height, data };
}

/** A white square on black whose sides run through pixels 20 and 43. */
const square = paint(64, 64, (x, y) => (x >= 20 && x < 44 && y >= 20 && y < 44 ? 255 : 0));

/** A dim spiral that is bright at one place, and a disc apart from it: the hard case of hysteresis in strips. */
const spiral = paint(96, 96, (x, y) => {
  if (Math.hypot(x - 6, y - 6) < 4) return 80;
  const radius = Math.hypot(x - 47.5, y - 47.5);
  const turns = radius / 10 - Math.atan2(y - 47.5, x - 47.5) / (2 * Math.PI);
  const spot = 150 * Math.exp(-((x - 60) ** 2 + (y - 48) ** 2) / 60);
  return radius < 44 && turns - Math.floor(turns) < 0.5 ? 55 + spot : 20;
});

const noise = (width: number, height: number): fc.Arbitrary<Picture> =>
  fc
    .uint8Array({ minLength: 4 * width * height, maxLength: 4 * width * height })
    .map((data) => ({ width, height, data }));

/** Noise, discs, checkerboards and flat pictures of 1 x 1 to 97 x 61 pixels. */
const pictures: fc.Arbitrary<Picture> = fc
  .record({ width: fc.integer({ min: 1, max: 97 }), height: fc.integer({ min: 1, max: 61 }) })
  .chain(({ width, height }) =>
    fc.oneof(
      fc.nat(255).map((light) => paint(width, height, () => light)),
      fc
        .tuple(fc.integer({ min: 1, max: 9 }), fc.nat(255), fc.nat(255))
        .map(([cell, a, b]) => paint(width, height, (x, y) => ((x / cell + ((y / cell) | 0)) & 1 ? a : b))),
      fc
        .array(fc.record({ x: fc.nat(width), y: fc.nat(height), radius: fc.nat(30), light: fc.nat(255) }))
        .map((discs) =>
          paint(
            width,
            height,
            (x, y) => discs.find((disc) => Math.hypot(x - disc.x, y - disc.y) < disc.radius)?.light ?? 90,
          ),
        ),
      fc.integer().map((seed) => paint(width, height, (x, y) => scramble(seed, x, y))),
    ),
  );

/** Noise from three numbers (the finaliser of MurmurHash3): fc.uint8Array is slow for whole pictures. */
function scramble(seed: number, x: number, y: number): number {
  let bits = Math.imul(seed ^ Math.imul(x + 1, 0x9e3779b1) ^ Math.imul(y + 1, 0x85ebca77), 0xc2b2ae3d);
  bits ^= bits >>> 15;
  return (Math.imul(bits, 0x27d4eb2f) >>> 13) & 255;
}

const thresholds = fc
  .record({
    low: fc.integer({ min: 1, max: 400 }),
    more: fc.nat(400),
    threshold: fc.integer({ min: 1, max: 5000 }),
  })
  .map(({ low, more, threshold }) => ({ low, high: low + more, threshold }));

describe('the vision firmware', () => {
  test('gives the bits of the reference for any picture and any thresholds', () => {
    fc.assert(
      fc.property(pictures, thresholds, (picture, settings) => {
        const gradient = gradientOf(picture);
        const seen = look(BOTH, picture, settings);
        const edges = edgesOf(gradient, settings.low, settings.high);
        const corners = cornersOf(gradient, settings.threshold);
        expect(seen.status).toBe(1);
        expect(seen.edges).toEqual(edges);
        expect(seen.edgePixels).toBe(edges.filter((edge) => edge === 255).length);
        expect(seen.corners).toEqual(corners.slice(0, usual.capacity));
        expect(seen.found).toBe(corners.length);
        expect(seen.strongest).toBe(corners[0]?.score ?? 0);
      }),
      { numRuns: 60 },
    );
  });

  test('gives the bits of the reference for noise in all four channels', () => {
    fc.assert(
      fc.property(noise(23, 9), (picture) => {
        const gradient = gradientOf(picture);
        const seen = look(BOTH, picture, { low: 1, high: 300, threshold: 1 });
        expect(seen.edges).toEqual(edgesOf(gradient, 1, 300));
        expect(seen.corners).toEqual(cornersOf(gradient, 1));
      }),
      { numRuns: 50 },
    );
  });

  test('gives the same for edges alone, corners alone and both', () => {
    for (const picture of [square, spiral]) {
      const both = look(BOTH, picture);
      expect(look(EDGES, picture).edges).toEqual(both.edges);
      expect(look(CORNERS, picture).corners).toEqual(both.corners);
    }
  });

  test('gives the same bits with any budget, and returns often', () => {
    const reference = look(BOTH, spiral, {}, 1_000_000_000);
    expect(reference.steps).toBe(1);
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 3000 }), (budget) => {
        const { steps, ...seen } = look(BOTH, spiral, {}, budget);
        const { steps: _, ...expected } = reference;
        expect(seen).toEqual(expected);
        expect(steps).toBeGreaterThan((96 * 96) / (Math.max(budget, 0) + 300));
      }),
      { numRuns: 40 },
    );
  });

  test('keeps a weak edge as far as it is connected, around any number of turns', () => {
    const gradient = gradientOf(spiral);
    const lengths = gradient.dx.data.map((dx, at) => Math.hypot(dx, gradient.dy.data[at]!));
    const seen = look(EDGES, spiral, { low: 10, high: 350 });
    expect(seen.edges).toEqual(edgesOf(gradient, 10, 350));
    // Few pixels are strong, and many are kept for their sake; but not the disc, which touches none.
    expect(lengths.filter((length) => length >= 350).length).toBeLessThan(50);
    expect(seen.edgePixels).toBeGreaterThan(1500);
    const all = look(EDGES, spiral, { low: 10, high: 10 });
    expect(all.edgePixels - seen.edgePixels).toBe(25);
  });

  test('lists the strongest corners when not all have room', () => {
    const picture = paint(90, 60, (x, y) => scramble(7, x >> 2, y >> 2));
    const all = cornersOf(gradientOf(picture), 1);
    expect(all.length).toBeGreaterThan(40);
    for (const capacity of [1, 2, 7, 40]) {
      const seen = look(CORNERS, picture, { threshold: 1, capacity });
      expect(seen.corners).toEqual(all.slice(0, capacity));
      expect(seen.found).toBe(all.length);
    }
  });

  test('raises its interrupt once when there are more corners than the alarm allows', () => {
    const { found } = look(CORNERS, square);
    expect(found).toBe(4);
    expect(look(CORNERS, square, { alarm: 4 }).interrupts).toEqual([]);
    expect(look(CORNERS, square, { alarm: 3 }).interrupts).toEqual([2]);
    expect(look(BOTH, square, { alarm: 0 }).interrupts).toEqual([2]);
    expect(look(EDGES, square, { alarm: 0 }).interrupts).toEqual([]);
  });

  test('takes rows with as many edges as there can be', () => {
    const wave = [0, 128, 255, 128];
    const stripes = paint(2048, 32, (x, y) => (y >= 8 && y < 24 ? wave[x % 4]! : 0));
    const gradient = gradientOf(stripes);
    const edges = edgesOf(gradient, 1, 1);
    // Every second column, except at the right border, where the light changes no more.
    expect(edges.subarray(16 * 2048, 17 * 2048).filter((edge) => edge === 255)).toHaveLength(1023);
    const seen = look(BOTH, stripes, { low: 1, high: 1, threshold: 1 });
    // Buffers of Node compare fast; arrays of this length do not.
    expect(Buffer.compare(seen.edges, edges)).toBe(0);
    expect(seen.corners).toEqual(cornersOf(gradient, 1).slice(0, usual.capacity));
  });

  test('takes a frame of 2048 x 2048 pixels', () => {
    const side = 2048;
    const [edges, scratch, list] = [4, 5, 6].map((bytes) => bytes * side * side);
    const big = firmwareHarness(image, pages * 65536, list! + 12 * 1024);
    // A white square in the far corner of the frame.
    for (let y = 2000; y < side; y++) big.guest.fill(255, 4 * (y * side + 2000), 4 * (y * side + side));
    const args = [0, side, side, edges!, scratch!, 40, 100, list!, 1024, 500, 0x7fff_ffff];
    const { status, results } = big.run(BOTH, args, 1_000_000);
    expect(status).toBe(1);
    const isEdge = (x: number, y: number): boolean => big.guest[edges! + y * side + x] === 255;
    expect([1998, 1999, 2000, 2001].filter((x) => isEdge(x, 2030))).toHaveLength(1);
    expect([1998, 1999, 2000, 2001].filter((y) => isEdge(2047, y))).toHaveLength(1);
    expect(results[1]).toBe(1);
    const [x, y] = new Int32Array(big.guest.buffer, list, 2);
    expect(Math.hypot(x! - 1999.5, y! - 1999.5)).toBeLessThanOrEqual(2.5);
  });
});

describe('bad arguments', () => {
  const place = argumentsFor(square, usual);
  const refused = (op: number, ...changes: readonly (readonly [index: number, value: number])[]): number => {
    const args = [...place];
    for (const [index, value] of changes) args[index] = value;
    const { status, steps } = machine.run(op, args);
    expect([args, status, steps]).toEqual([args, expect.any(Number), 0]);
    return status;
  };

  test('are refused with the code of what is wrong', () => {
    expect([0, 4, -1, 65535].map((op) => refused(op))).toEqual([-1, -1, -1, -1]);
    for (const size of [0, -1, 2049, 0x7fff_ffff, -0x8000_0000]) {
      expect(refused(EDGES, [1, size])).toBe(-2);
      expect(refused(CORNERS, [2, size])).toBe(-2);
    }
    expect(refused(EDGES, [5, 0])).toBe(-3);
    expect(refused(EDGES, [5, 101])).toBe(-3);
    expect(refused(BOTH, [6, 2048])).toBe(-3);
    expect(refused(CORNERS, [8, 0])).toBe(-4);
    expect(refused(CORNERS, [8, 1025])).toBe(-4);
    expect(refused(BOTH, [9, 0])).toBe(-4);
    expect(refused(CORNERS, [10, -1])).toBe(-4);
    // Past the end of the address space.
    for (const index of [0, 3, 4, 7]) expect([index, refused(BOTH, [index, -1])]).toEqual([index, -5]);
  });

  test('that only the other operation reads do not matter', () => {
    const args = [...place];
    args.fill(-1, 3, 7);
    expect(machine.run(CORNERS, args).status).toBe(1);
    const others = [...place];
    others.fill(-1, 7);
    expect(machine.run(EDGES, others).status).toBe(1);
  });

  test('end in a failure when an address is not mapped', () => {
    for (const index of [0, 3, 4, 7]) {
      const args = [...place];
      args[index] = GUEST_BYTES - 16;
      machine.guest.set(square.data, FRAME);
      expect(machine.run(BOTH, args).status).toBe(-6);
    }
  });

  test('of any kind never trap, and the next command is served', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.integer(), fc.nat(300)), { minLength: 11, maxLength: 14 }), (args) => {
        expect(machine.run(BOTH, args, 100_000).status).not.toBe(0);
      }),
    );
    expect(look(CORNERS, square).found).toBe(4);
  });

  test('overlapping buffers give rubbish, but never a trap', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(5000), { minLength: 4, maxLength: 4 }), fc.integer(), (places, seed) => {
        machine.guest.set(paint(64, 64, (x, y) => scramble(seed, x, y)).data, FRAME);
        const [frame, edges, scratch, list] = places.map((offset) => FRAME + offset);
        const args = [frame!, 64, 64, edges!, scratch!, 1, 50, list!, 100, 1, 0];
        expect(machine.run(BOTH, args).status).toBe(1);
      }),
      { numRuns: 30 },
    );
  });
});

describe('the reference', () => {
  const edges = edgesOf(gradientOf(square), 40, 100);
  const isEdge = (x: number, y: number): boolean => edges[64 * y + x] === 255;

  test('finds the four corners of a square where they are', () => {
    const corners = cornersOf(gradientOf(square), 500);
    expect(corners).toHaveLength(4);
    const ends = [19.5, 43.5];
    for (const x of ends) {
      for (const y of ends) {
        const nearest = Math.min(...corners.map((corner) => Math.hypot(corner.x - x, corner.y - y)));
        expect(nearest).toBeLessThanOrEqual(2.5);
      }
    }
  });

  test('finds edges only within a pixel of the outline of a square', () => {
    for (let y = 0; y < 64; y++) {
      for (let x = 0; x < 64; x++) {
        const outside = Math.max(20 - x, x - 43, 20 - y, y - 43);
        if (outside > 1 || outside < -1) expect(isEdge(x, y)).toBe(false);
      }
    }
    // In the middle of each side the edge is one pixel thick.
    for (const along of [28, 32, 36]) {
      expect([18, 19, 20, 21].filter((x) => isEdge(x, along))).toHaveLength(1);
      expect([18, 19, 20, 21].filter((y) => isEdge(along, y))).toHaveLength(1);
    }
  });

  test('closes the outline of a square: from inside no way leads out', () => {
    const reached = new Set<number>([64 * 32 + 32]);
    for (const pixel of reached) {
      for (const next of [pixel - 64, pixel - 1, pixel + 1, pixel + 64]) {
        if (next >= 0 && next < 4096 && edges[next] !== 255) reached.add(next);
      }
    }
    expect(reached.has(0)).toBe(false);
    expect(reached.size).toBeGreaterThan(400);
  });

  test('finds nothing in a flat picture, and no corner on a straight edge', () => {
    const flat = gradientOf(paint(30, 20, () => 77));
    expect(edgesOf(flat, 1, 1).some((edge) => edge !== 0)).toBe(false);
    expect(cornersOf(flat, 1)).toEqual([]);
    const halves = gradientOf(paint(30, 20, (x) => (x < 15 ? 0 : 255)));
    expect(edgesOf(halves, 40, 100).filter((edge) => edge === 255)).toHaveLength(20);
    expect(cornersOf(halves, 1)).toEqual([]);
  });
});
