import type { Draw, Frame, FrameSize, Light, Look, Mesh, Vector } from './frame.ts';
import {
  chain,
  depthRange,
  directionBack,
  identity,
  moved,
  perspective,
  pointBack,
  scaled,
  turned,
  unit,
} from './matrix.ts';
import type { Matrix } from './matrix.ts';
import * as parts from './parts.ts';
import type { TickLight } from './parts.ts';

/**
 * The instrument cluster at one moment of its loop: a road at dusk, and two gauges in front of it.
 * `phase` is 0 to 1; the picture at 1 is the picture at 0.
 */
export function clusterFrame(phase: number, size: FrameSize): Frame {
  const aspect = size.width / size.height;
  // The nearest first: what they hide is never shaded.
  const draws = [...panelDraws(phase, aspect), ...roadDraws(phase, aspect)];
  return { draws, sky: [0xff2c0e10, 0xff18100e] };
}

const TURN = 2 * Math.PI;
const wave = (phase: number, cycles = 1): number => Math.sin(phase * cycles * TURN);
/** Rises from 0 to 1 and falls back within one cycle, smoothly. */
const swell = (phase: number): number => 0.5 - 0.5 * Math.cos(phase * TURN);

interface View {
  /** World to clip space. */
  readonly camera: Matrix;
  readonly eye: Vector;
  readonly key: Vector;
  readonly keyColour: Vector;
  readonly fill: Vector;
  readonly fillColour: Vector;
  readonly ambient: Vector;
}

interface Material {
  readonly specular?: number;
  readonly gloss?: number;
  /** Shows its own colours, whatever the light. */
  readonly glowing?: boolean;
}

function place(view: View, mesh: Mesh, world: Matrix, material: Material = {}, look: Look = {}): Draw {
  const dark: Vector = [0, 0, 0];
  const glowing = material.glowing === true;
  const light: Light = {
    keyDirection: directionBack(world, view.key),
    keyColour: glowing ? dark : view.keyColour,
    fillDirection: directionBack(world, view.fill),
    fillColour: glowing ? dark : view.fillColour,
    ambient: glowing ? [1, 1, 1] : view.ambient,
    eye: pointBack(world, view.eye),
    specular: glowing ? 0 : (material.specular ?? 0),
    gloss: material.gloss ?? 4,
  };
  return { mesh, matrix: Float32Array.from(chain(view.camera, world)), light, look };
}

// ---- the road ----

const ego = parts.car([40, 96, 190]);
const other = parts.car([196, 176, 150]);
const redGlow = parts.glow(255, 40, 30, 190);
const HORIZON_Y = 0.3;

function roadDraws(phase: number, aspect: number): Draw[] {
  const eye: Vector = [0, 3.1, 8.2];
  // Looks down until the horizon stands where the sky meets the ground.
  const slope = Math.tan(0.44);
  const pitch = Math.atan(HORIZON_Y * slope);
  const view: View = {
    camera: chain(
      depthRange(0, 1),
      perspective(slope, aspect, 1, 400),
      turned('x', pitch),
      moved(-eye[0], -eye[1], -eye[2]),
    ),
    eye,
    key: unit([0.5, 0.8, 0.6]),
    keyColour: [0.62, 0.6, 0.72],
    fill: unit([0.1, 0.25, -1]),
    fillColour: [1.0, 0.52, 0.34],
    ambient: [0.42, 0.36, 0.46],
  };
  const backdrop: View = { ...view, camera: depthRange(0, 0.999) };
  const atHorizon = (z: number): Matrix => moved(0, HORIZON_Y, z);
  const sunAt = (z: number, radius: number): Matrix =>
    chain(
      atHorizon(z),
      moved(0, 0.09, 0),
      [1 / aspect, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1],
      scaled(radius),
    );
  const glowing = { glowing: true };
  const travelled = (phase * 2 * 2 * parts.DASH_PERIOD) % (2 * parts.DASH_PERIOD);

  const sway = 0.3 * wave(phase);
  const egoWorld = chain(
    moved(sway, 0, 0),
    turned('y', -0.07 * wave(phase + 0.25)),
    turned('z', 0.015 * wave(phase, 2)),
  );
  const ahead = chain(moved(3.5, 0, -9 - 8 * swell(phase)));
  const behind = chain(moved(-3.5, 0, -22 + 11 * wave(phase + 0.1)));
  return [
    place(backdrop, parts.sky, atHorizon(0.999), glowing),
    place(backdrop, parts.sunGlow, sunAt(0.998, 0.62), glowing, { blend: 'add' }),
    place(backdrop, parts.sun, sunAt(0.997, 0.17), glowing),
    place(backdrop, parts.hills, atHorizon(0.99), glowing),
    place(view, parts.ground, identity, glowing),
    place(view, parts.road, identity, glowing),
    place(view, parts.roadEdges, identity, glowing),
    place(view, parts.dashes, moved(0, 0, travelled % parts.DASH_PERIOD), glowing),
    place(view, parts.posts, moved(0, 0, travelled), { specular: 0.2 }),
    ...carDraws(view, other, ahead),
    ...carDraws(view, other, behind),
    place(view, parts.beam, egoWorld, glowing, { blend: 'add' }),
    ...carDraws(view, ego, egoWorld),
  ];
}

function carDraws(view: View, { body, rest }: ReturnType<typeof parts.car>, world: Matrix): Draw[] {
  const lamp = (side: number): Draw =>
    place(
      view,
      redGlow,
      chain(world, moved(side * 0.56, 0.74, 2.3), scaled(0.55)),
      { glowing: true },
      { blend: 'add' },
    );
  return [
    place(view, parts.carShadow, world, { glowing: true }, { blend: 'over' }),
    place(view, body, world, { specular: 0.8, gloss: 5 }),
    place(view, rest, world, { specular: 0.9, gloss: 5 }),
    place(view, parts.tailLights, world, { glowing: true }),
    lamp(-1),
    lamp(1),
  ];
}

// ---- the panel ----

const SWEEP = 1.5 * Math.PI;
const TICKS = 40;

function panelDraws(phase: number, aspect: number): Draw[] {
  const distance = 4.5;
  const view: View = {
    camera: chain(depthRange(-1, 0), perspective(1 / distance, aspect, 1, 20), moved(0, 0, -distance)),
    eye: [0, 0, distance],
    key: unit([-0.35 + 0.5 * wave(phase), 0.75, 0.65]),
    keyColour: [0.75, 0.78, 0.82],
    fill: unit([0.5, -0.6, 0.5]),
    fillColour: [0.34, 0.22, 0.26],
    ambient: [0.24, 0.25, 0.3],
  };
  // As large as fits: the gauges side by side, and the road's lane between them.
  const radius = Math.min(0.78, aspect * 0.36);
  const across = aspect - radius * 1.12;
  const speed = 0.12 + 0.72 * swell(phase);
  const shifts = (phase * 2) % 1;
  const revs = 0.28 + 0.6 * (shifts < 0.75 ? shifts / 0.75 : (1 - shifts) / 0.25);
  const at = (side: -1 | 1): Matrix =>
    chain(moved(side * across, -0.12, 0), turned('y', side * -0.3), scaled(radius));
  const left = at(-1);
  const right = at(1);
  return [
    ...gaugeDraws(view, left, speed, 1),
    ...numberDraws(view, chain(left, moved(0, -0.5, 0.02)), Math.round(speed * 240), 0.13),
    ...gaugeDraws(view, right, revs, 0.78),
    ...gearDraws(view, right, phase),
    ...indicatorDraws(view, phase, aspect),
  ];
}

function gaugeDraws(view: View, world: Matrix, value: number, dangerFrom: number): Draw[] {
  const turnAt = (share: number): Matrix => turned('z', SWEEP * (0.5 - share));
  const needleWorld = chain(world, turnAt(value));
  const tickDraws = Array.from({ length: TICKS + 1 }, (_, index) => {
    const share = index / TICKS;
    const lit = share <= value;
    const light: TickLight = share < dangerFrom ? (lit ? 'on' : 'off') : lit ? 'dangerOn' : 'danger';
    const shape = index % 5 === 0 ? parts.ticks.long : parts.ticks.short;
    return place(view, shape[light], chain(world, turnAt(share)), { glowing: lit, specular: 0.4 });
  });
  return [
    place(view, parts.gaugeFace, world, { specular: 0.25, gloss: 3 }),
    place(view, parts.halo, world, { glowing: true }, { blend: 'add' }),
    place(view, parts.bezel, world, { specular: 1, gloss: 5 }),
    ...tickDraws,
    place(view, parts.needleGlow, chain(needleWorld, moved(0, 0, 0.01)), { glowing: true }, { blend: 'add' }),
    place(
      view,
      parts.needleShadow,
      chain(world, moved(0.035, -0.05, 0.04), turnAt(value)),
      { glowing: true },
      { blend: 'over' },
    ),
    place(view, parts.needle, chain(needleWorld, moved(0, 0, 0.1)), { specular: 0.6, gloss: 3 }),
    place(view, parts.hub, chain(world, moved(0, 0, 0.08)), { specular: 1, gloss: 5 }),
  ];
}

function numberDraws(view: View, world: Matrix, value: number, height: number): Draw[] {
  const text = String(value);
  return [...text].map((digit, index) => {
    const offset = (index - (text.length - 1) / 2) * 1.4;
    const where = chain(world, scaled(height), moved(offset, 0, 0));
    return place(view, parts.digits[Number(digit)]!, where, { glowing: true });
  });
}

function gearDraws(view: View, world: Matrix, phase: number): Draw[] {
  const teeth = 12;
  const turn = (phase * 4 * TURN) / teeth;
  const wheel = (x: number, y: number, size: number, angle: number): Draw =>
    place(
      view,
      parts.gear,
      chain(world, moved(x, y, 0.05), turned('x', -0.35), scaled(size), turned('z', angle)),
      { specular: 0.12, gloss: 4 },
    );
  return [wheel(-0.135, -0.5, 0.155, turn), wheel(0.145, -0.5, 0.155, Math.PI / teeth - turn)];
}

function indicatorDraws(view: View, phase: number, aspect: number): Draw[] {
  const lit = (phase * 4) % 1 < 0.5;
  const arrow = (side: -1 | 1, on: boolean): Draw =>
    place(
      view,
      on ? parts.arrow : parts.arrowOff,
      chain(
        moved(side * Math.min(0.3, aspect * 0.15), 0.84, 0.1),
        turned('z', side > 0 ? Math.PI : 0),
        scaled(0.1),
      ),
      { glowing: true },
    );
  const towards = wave(phase + 0.25) < 0 ? -1 : 1;
  return [arrow(-1, lit && towards < 0), arrow(1, lit && towards > 0)];
}
