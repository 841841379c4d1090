import type { Mesh, Vector } from './frame.ts';
import { chain, moved, turned } from './matrix.ts';
import { box, coloured, merged, placed, polygon, surface } from './mesh.ts';
import type { Colour } from './mesh.ts';

/** What the cluster is built of. Gauges have radius 1 and face +z; cars stand on y = 0 and drive along -z. */

const TURN = 2 * Math.PI;
const around = (radius: number, angle: number, z = 0): Vector => [
  radius * Math.cos(angle),
  radius * Math.sin(angle),
  z,
];
const mix = (a: Colour, b: Colour, t: number): Colour => [
  Math.round(a[0] + (b[0] - a[0]) * t),
  Math.round(a[1] + (b[1] - a[1]) * t),
  Math.round(a[2] + (b[2] - a[2]) * t),
  Math.round((a[3] ?? 255) + ((b[3] ?? 255) - (a[3] ?? 255)) * t),
];

function torus(radius: number, tube: number, columns: number, rows: number, colour: Colour): Mesh {
  return surface(
    columns,
    rows,
    (u, v) => {
      const across = radius + tube * Math.cos(v * TURN);
      return around(across, u * TURN, tube * Math.sin(v * TURN));
    },
    colour,
  );
}

/** A disc, ring or bowl: from `inner` to `outer` radius, `lift(v)` high. */
function disc(
  inner: number,
  outer: number,
  columns: number,
  rows: number,
  lift: (v: number) => number,
  colour: (v: number) => Colour,
): Mesh {
  return surface(
    columns,
    rows,
    (u, v) => around(outer + (inner - outer) * v, u * TURN, lift(v)),
    (_, v) => colour(v),
  );
}

// ---- gauges ----

export const bezel = merged([
  torus(1, 0.075, 48, 8, [178, 186, 200]),
  torus(0.905, 0.022, 48, 3, [60, 170, 230]),
]);

export const gaugeFace = disc(
  0,
  0.97,
  40,
  4,
  (v) => -0.1 * v * v,
  (v) => mix([10, 13, 22], [36, 46, 74], v * v),
);

export const hub = merged([
  surface(
    20,
    4,
    (u, v) => around(0.15 * Math.cos((v * TURN) / 4), u * TURN, 0.12 * Math.sin((v * TURN) / 4)),
    [150, 156, 170],
  ),
  torus(0.15, 0.02, 20, 4, [90, 96, 110]),
]);

/** The needle points along +y. */
export const needle = merged([needleHalf(1, [255, 70, 40]), needleHalf(-1, [205, 30, 20])]);

function needleHalf(side: 1 | -1, colour: Colour): Mesh {
  const ridge: Vector[] = [
    [0, -0.2, 0.05],
    [0, 0.84, 0.035],
  ];
  const rim: Vector[] = [
    [side * 0.045, -0.2, 0],
    [side * 0.012, 0.84, 0],
  ];
  const [bottom, top, low, high] = [ridge[0]!, ridge[1]!, rim[0]!, rim[1]!];
  return polygon(side > 0 ? [bottom, low, high, top] : [low, bottom, top, high], colour);
}

export const needleShadow = polygon(
  [
    [-0.05, -0.2, 0],
    [0.05, -0.2, 0],
    [0.018, 0.84, 0],
    [-0.018, 0.84, 0],
  ],
  [0, 0, 0, 150],
);

/** Light that the needle throws on the face: bright in the middle, gone at the rims. */
export const needleGlow = merged(
  [-1, 1].map((side) => {
    const middle: Vector[] = [
      [0, 0.1, 0],
      [0, 0.88, 0],
    ];
    const rim: Vector[] = [
      [side * 0.2, 0.1, 0],
      [side * 0.13, 0.86, 0],
    ];
    const points = [middle[0]!, rim[0]!, rim[1]!, middle[1]!];
    const warm: Colour = [255, 70, 30, 120];
    const gone: Colour = [255, 70, 30, 0];
    const colours = [[255, 70, 30, 40] as Colour, gone, gone, warm];
    return side > 0 ? polygon(points, colours) : polygon(points.toReversed(), colours.toReversed());
  }),
);

/** A bar with a front and two bevelled sides. */
function tickBar(length: number, half: number): Mesh {
  const [low, high, back] = [0.83 - length, 0.83, half * 1.8];
  const z = 0.035;
  const front: Vector[] = [
    [-half, low, z],
    [half, low, z],
    [half, high, z],
    [-half, high, z],
  ];
  const side = (x: -1 | 1): Vector[] => {
    const points: Vector[] = [
      [x * half, low, z],
      [x * back, low, 0],
      [x * back, high, 0],
      [x * half, high, z],
    ];
    return x > 0 ? points : points.toReversed();
  };
  return merged([front, side(-1), side(1)].map((points) => polygon(points, [255, 255, 255])));
}
const longTick = tickBar(0.17, 0.02);
const shortTick = tickBar(0.09, 0.011);
const tickColours = {
  off: [74, 84, 108],
  on: [90, 225, 255],
  danger: [120, 34, 34],
  dangerOn: [255, 60, 40],
} as const satisfies Record<string, Colour>;
export type TickLight = keyof typeof tickColours;

const ticksOf = (shape: Mesh): Readonly<Record<TickLight, Mesh>> => ({
  off: coloured(shape, tickColours.off),
  on: coloured(shape, tickColours.on),
  danger: coloured(shape, tickColours.danger),
  dangerOn: coloured(shape, tickColours.dangerOn),
});
/** Ticks at the top of the gauge. */
export const ticks = { long: ticksOf(longTick), short: ticksOf(shortTick) } as const;

/** A wide soft ring of light behind the lit ticks. */
export const halo = merged([
  disc(
    0.84,
    0.9,
    48,
    1,
    () => 0,
    (v) => [40, 150, 255, Math.round(110 * (1 - v))],
  ),
]);

// Segments of a digit, lit as bits: top, upper right, lower right, bottom, lower left, upper left, middle.
const digitBits = [0x3f, 0x06, 0x5b, 0x4f, 0x66, 0x6d, 0x7d, 0x07, 0x7f, 0x6f] as const;
const horizontal = (y: number): Mesh => box([-0.34, y - 0.08, 0], [0.34, y + 0.08, 0.1], [200, 245, 255]);
const upright = (x: number, y: number): Mesh =>
  box([x - 0.08, y - 0.38, 0], [x + 0.08, y + 0.38, 0.1], [200, 245, 255]);
const segments: readonly Mesh[] = [
  horizontal(0.94),
  upright(0.46, 0.48),
  upright(0.46, -0.48),
  horizontal(-0.94),
  upright(-0.46, -0.48),
  upright(-0.46, 0.48),
  horizontal(0),
];
/** Seven-segment digits 0 to 9, 1.1 wide and 2 high. */
export const digits: readonly Mesh[] = digitBits.map((bits) =>
  merged(segments.filter((_, index) => ((bits >> index) & 1) === 1)),
);

/** A toothed wheel of radius 1. Two of them turn in the rev counter's foot. */
export const gear = gearWheel(12);

function gearWheel(teeth: number): Mesh {
  const steel: Colour = [196, 160, 92];
  const outline = (u: number): number => {
    const inTooth = (u * teeth) % 1;
    return inTooth < 0.5 ? 1 : 0.78;
  };
  const count = teeth * 4;
  const rim: Vector[] = [];
  for (let i = 0; i < count; i++) {
    const radius = outline((i + 0.5) / count);
    rim.push(around(radius, (i / count) * TURN), around(radius, ((i + 1) / count) * TURN));
  }
  const parts: Mesh[] = [
    disc(
      0.34,
      0.72,
      24,
      1,
      () => 0.2,
      () => steel,
    ),
  ];
  parts.push(surface(24, 1, (u, v) => around(0.34, u * TURN, 0.2 - 0.3 * v), steel));
  const walls: Mesh[] = [];
  for (let i = 0; i < rim.length; i += 2) {
    const [a, b] = [rim[i]!, rim[i + 1]!];
    const inner = (p: Vector): Vector => {
      const length = Math.hypot(p[0], p[1]);
      return [(p[0] / length) * 0.72, (p[1] / length) * 0.72, 0.2];
    };
    const lifted = (p: Vector): Vector => [p[0], p[1], 0.2];
    walls.push(polygon([inner(a), lifted(a), lifted(b), inner(b)], steel));
    const c = rim[(i + 2) % rim.length]!;
    walls.push(polygon([a, b, lifted(b), lifted(a)], steel));
    if (Math.hypot(b[0] - c[0], b[1] - c[1]) > 0.01) walls.push(polygon([b, c, lifted(c), lifted(b)], steel));
  }
  return merged([...parts, ...walls]);
}

export const arrow = polygon(
  [
    [-0.5, 0, 0],
    [0.1, -0.55, 0],
    [0.1, -0.2, 0],
    [0.6, -0.2, 0],
    [0.6, 0.2, 0],
    [0.1, 0.2, 0],
    [0.1, 0.55, 0],
  ],
  [60, 255, 110],
);
/** An indicator that is off. */
export const arrowOff = coloured(arrow, [22, 46, 32]);

// ---- cars ----

interface Station {
  readonly z: number;
  readonly halfWidth: number;
  readonly low: number;
  readonly high: number;
}

/** A body through rounded cross-sections, from the rear to the front. */
function loft(stations: readonly Station[], round: number, colour: Colour): Mesh {
  const between = (v: number): Station => {
    const at = v * (stations.length - 1);
    const index = Math.min(Math.floor(at), stations.length - 2);
    const t = at - index;
    const [a, b] = [stations[index]!, stations[index + 1]!];
    const blend = (p: number, q: number): number => p + (q - p) * t;
    return {
      z: blend(a.z, b.z),
      halfWidth: blend(a.halfWidth, b.halfWidth),
      low: blend(a.low, b.low),
      high: blend(a.high, b.high),
    };
  };
  const bulge = (value: number): number => Math.sign(value) * Math.abs(value) ** round;
  return surface(
    16,
    (stations.length - 1) * 2,
    (u, v) => {
      const { z, halfWidth, low, high } = between(v);
      const angle = -u * TURN;
      return [
        halfWidth * bulge(Math.cos(angle)),
        (low + high) / 2 + ((high - low) / 2) * bulge(Math.sin(angle)),
        z,
      ];
    },
    colour,
  );
}

/** Its face looks along x. */
const wheel = placed(
  merged([
    surface(14, 1, (u, v) => around(0.34, u * TURN, (v - 0.5) * 0.26), [24, 24, 28]),
    disc(
      0,
      0.34,
      14,
      2,
      () => 0.13,
      (v) => (v > 0.4 ? [170, 174, 184] : [30, 30, 34]),
    ),
  ]),
  turned('y', Math.PI / 2),
);

const wheels = merged(
  [-0.76, 0.76].flatMap((x) =>
    [-1.35, 1.32].map((z) => placed(wheel, chain(moved(x, 0.34, z), turned('y', x < 0 ? Math.PI : 0)))),
  ),
);

const shell = (paint: Colour): Mesh =>
  loft(
    [
      { z: 2.16, halfWidth: 0, low: 0.55, high: 0.72 },
      { z: 2.14, halfWidth: 0.74, low: 0.34, high: 0.88 },
      { z: 1.9, halfWidth: 0.9, low: 0.22, high: 0.98 },
      { z: 1.2, halfWidth: 0.94, low: 0.2, high: 1.0 },
      { z: 0.2, halfWidth: 0.92, low: 0.2, high: 0.96 },
      { z: -1.0, halfWidth: 0.92, low: 0.2, high: 0.9 },
      { z: -1.8, halfWidth: 0.88, low: 0.24, high: 0.76 },
      { z: -2.12, halfWidth: 0.66, low: 0.32, high: 0.6 },
      { z: -2.16, halfWidth: 0, low: 0.42, high: 0.5 },
    ],
    0.55,
    paint,
  );

const cabin = loft(
  [
    { z: 1.75, halfWidth: 0.5, low: 0.85, high: 0.95 },
    { z: 1.05, halfWidth: 0.7, low: 0.85, high: 1.38 },
    { z: 0.3, halfWidth: 0.72, low: 0.85, high: 1.48 },
    { z: -0.35, halfWidth: 0.7, low: 0.85, high: 1.36 },
    { z: -1.1, halfWidth: 0.56, low: 0.82, high: 0.86 },
  ],
  0.6,
  [28, 34, 48],
);

export const car = (paint: Colour): { readonly body: Mesh; readonly rest: Mesh } => ({
  body: shell(paint),
  rest: merged([cabin, wheels]),
});

export const tailLights = merged(
  [-1, 1].map((side) =>
    box([side * 0.56 - 0.17, 0.68, 2.05], [side * 0.56 + 0.17, 0.8, 2.19], [255, 44, 36]),
  ),
);

/** A soft round light of radius 1 that faces +z. */
export const glow = (red: number, green: number, blue: number, alpha: number): Mesh =>
  disc(
    0,
    1,
    16,
    3,
    () => 0,
    (v) => [red, green, blue, Math.round(alpha * v * v)],
  );

/** What the head lights throw on the road. */
export const beam = merged(
  [-1, 1].map((side) =>
    surface(
      6,
      6,
      (u, v) => [side * 0.55 + (u - 0.5) * (0.5 + v * 3.4), 0.03, -2 - v * 9],
      (u, v) => [255, 240, 190, Math.round(90 * (1 - v) * (1 - (2 * u - 1) ** 2))],
    ),
  ),
);

export const carShadow = surface(
  8,
  8,
  (u, v) => [(u - 0.5) * 2.9, 0.015, (0.5 - v) * 5.6],
  (u, v) => [0, 0, 0, Math.round(215 * (1 - Math.abs(2 * u - 1) ** 3) * (1 - Math.abs(2 * v - 1) ** 4))],
);

// ---- the road ----

const HORIZON: Colour = [122, 58, 92];

export const ground = surface(
  12,
  12,
  (u, v) => [(u - 0.5) * (40 + 200 * v), -0.02, 8 - 150 * v * v],
  (_, v) => mix([24, 22, 40], HORIZON, v),
);

export const road = surface(
  6,
  16,
  (u, v) => [(u - 0.5) * 11, 0, 8 - 150 * v * v],
  (_, v) => mix([44, 46, 58], HORIZON, v),
);

const stripe = (x: number, half: number, colour: Colour): Mesh =>
  surface(
    1,
    16,
    (u, v) => [x + (u - 0.5) * 2 * half, 0.01, 8 - 130 * v * v],
    (_, v) => mix(colour, HORIZON, v),
  );
export const roadEdges = merged([stripe(-5.1, 0.1, [225, 225, 235]), stripe(5.1, 0.1, [225, 225, 235])]);

/** Dashes every `DASH_PERIOD` metres on both lane borders. */
export const DASH_PERIOD = 6;
export const dashes = merged(
  [-1.75, 1.75].flatMap((x) =>
    Array.from({ length: 14 }, (_, index) => {
      const z = 8 - index * DASH_PERIOD;
      const fade = (at: number): Colour =>
        mix([255, 222, 120], HORIZON, Math.min(1, Math.max(0, (8 - at) / 90)));
      return polygon(
        [
          [x - 0.09, 0.012, z],
          [x + 0.09, 0.012, z],
          [x + 0.09, 0.012, z - 2.6],
          [x - 0.09, 0.012, z - 2.6],
        ],
        [fade(z), fade(z), fade(z - 2.6), fade(z - 2.6)],
      );
    }),
  ),
);

/** Posts at the roadside, every second dash, with reflectors. */
export const posts = merged(
  [-6.2, 6.2].flatMap((x) =>
    Array.from({ length: 6 }, (_, index) => {
      const z = 4 - index * 2 * DASH_PERIOD;
      return merged([
        box([x - 0.09, 0, z - 0.09], [x + 0.09, 1.1, z + 0.09], [206, 206, 216], 0.7),
        box([x - 0.08, 0.8, z + 0.07], [x + 0.08, 1, z + 0.11], [255, 150, 50]),
      ]);
    }),
  ),
);

/** Dusk, in clip space: x from -1 to 1, y from the horizon at 0 to 1. */
export const sky = surface(
  1,
  8,
  (u, v) => [u * 2 - 1, v, 0],
  (_, v) =>
    v < 0.3
      ? mix([255, 150, 92], [176, 70, 116], v / 0.3)
      : mix([176, 70, 116], [16, 14, 44], Math.min(1, (v - 0.3) / 0.5)),
);

/** Hills along the horizon, in clip space; the profile is a sum of sines. */
export const hills = surface(
  60,
  1,
  (u, v) => {
    const x = u * 2 - 1;
    const height =
      0.045 + 0.028 * Math.sin(x * 9 + 1) + 0.02 * Math.sin(x * 23) + 0.008 * Math.sin(x * 61 + 2);
    return [x, v * (height + 0.06) - 0.06, 0]; // down to where the ground ends
  },
  (_, v) => mix(HORIZON, [62, 34, 74], v),
);

export const sun = disc(
  0,
  1,
  32,
  2,
  () => 0,
  (v) => mix([255, 176, 90], [255, 240, 190], v),
);
export const sunGlow = glow(255, 150, 80, 150);
