// A tiled triangle rasteriser: depth buffer, two directional lights, supersampling.
//
// Operation 1 draws one frame. Arguments:
//   0 address of the draw list, 1 number of draws (192 bytes each, see DRAW_*)
//   2 address of the frame (RGBA, 8 bits each, rows of width * 4 bytes)
//   3 width, 4 height: 1 to 1024 pixels
//   5 samples per side of a pixel: 1, 2 or 4
//   6, 7 colour of the first and of the last row behind everything, 0xAABBGGRR
// Results: 0 triangles in the draw list, 1 triangles left after culling and clipping, 2 samples shaded.
// Interrupt 2 says that a frame stands in guest memory.
//
// A frame is made in two passes: all draws are transformed, lit, clipped and projected into the vertex
// pool and the triangle list; then each tile of 128 x 32 samples is cleared, rasterised and stored.
//
// All arithmetic is f64 (+ - * / sqrt floor) on values stored as f32, so that any IEEE machine gives the
// same bits. Edge functions are integers below 2^53, hence exact.

import { DONE, MORE, dmaIn, dmaOut, irq } from '../abi';

export const abi: i32 = 1;
export const command: usize = memory.data(96, 8);

const OP_DRAW_FRAME: i32 = 1;
const FRAME_DONE_IRQ: i32 = 2;

const E_DMA: i32 = -1;
const E_OPERATION: i32 = -2;
const E_SIZE: i32 = -3;
const E_DRAWS: i32 = -4;
const E_DRAW_SIZE: i32 = -5;
const E_INDEX: i32 = -6;
const E_FRAME_FULL: i32 = -7;
const E_ADDRESS: i32 = -8;

const MAX_SIDE: i32 = 1024;
const MAX_DRAWS: i32 = 1024;
const MAX_DRAW_VERTICES: i32 = 1024;
const MAX_DRAW_TRIANGLES: i32 = 8192;
const MAX_POOL: i32 = 10240;
const MAX_TRIANGLES: i32 = 8192;

// One draw: row-major model-view-projection matrix and lights, all in the mesh's own space, f32.
const DRAW_BYTES: i32 = 192;
const DRAW_MATRIX: usize = 0;
const DRAW_KEY_DIRECTION: usize = 64;
const DRAW_SPECULAR: usize = 76;
const DRAW_EYE: usize = 80;
const DRAW_GLOSS: usize = 92; // the specular power is 2 to the gloss
const DRAW_AMBIENT: usize = 96;
const DRAW_KEY_COLOUR: usize = 112;
const DRAW_FILL_DIRECTION: usize = 128;
const DRAW_FILL_COLOUR: usize = 144;
const DRAW_VERTICES: usize = 160;
const DRAW_VERTEX_COUNT: usize = 164;
const DRAW_INDICES: usize = 168;
const DRAW_TRIANGLE_COUNT: usize = 172;
const DRAW_FLAGS: usize = 176;

const TWO_SIDED: i32 = 1;
const BLEND: i32 = 2; // source over by the vertex alpha, leaves depth alone
const ADD: i32 = 4; // with BLEND: adds instead
const ON_TOP: i32 = 8; // not hidden by depth

const VERTEX_BYTES: i32 = 28; // position f32 x 3, normal f32 x 3, colour RGBA8
const CORNERS_BYTES: i32 = 6; // three u16
const BATCH: i32 = 32;

// A clip-space vertex: x y z w r g b a, f32.
// A pool vertex: x y in 1/16 sample (i32), z, 1/w, then r g b a each over w, f32.
const SLOT: i32 = 32;
// A triangle: three u16 of the pool, u16 flags, then the tiles it touches: left top right bottom, u8.
const TRIANGLE_BYTES: i32 = 12;

const TILE_W: i32 = 128;
const TILE_H: i32 = 32;

const draw: usize = memory.data(192, 16);
const inbox: usize = memory.data(896, 16);
const clip: usize = memory.data(32768, 16);
const outcodes: usize = memory.data(1024, 16);
const polygonA: usize = memory.data(384, 16);
const polygonB: usize = memory.data(384, 16);
const pool: usize = memory.data(327680, 16);
const triangles: usize = memory.data(98304, 16);
const colours: usize = memory.data(16384, 16);
const depths: usize = memory.data(16384, 16);
const outbox: usize = memory.data(512, 16);

const GUARD: f64 = 8.0; // clipped at 8 times the screen, so that coordinates stay small
const MIN_W: f64 = 0.0009765625;
const HUGE: f64 = 1e15;
const FAR_OUT: f64 = 1048576.0; // 2^20 sixteenths of a sample

const OUT_LEFT: i32 = 1;
const OUT_RIGHT: i32 = 2;
const OUT_BELOW: i32 = 4;
const OUT_ABOVE: i32 = 8;
const OUT_NEAR: i32 = 16;
const NEEDS_CLIP: i32 = 64;
const UNUSABLE: i32 = 128;

const STAGE_DRAW: i32 = 0;
const STAGE_VERTICES: i32 = 1;
const STAGE_TRIANGLES: i32 = 2;
const STAGE_CLEAR: i32 = 3;
const STAGE_RASTER: i32 = 4;
const STAGE_STORE: i32 = 5;

let stage: i32 = 0;
let fuel: i32 = 0;
let drawNumber: i32 = 0;
let cursor: i32 = 0; // vertex, triangle or row of the stage, to go on from
let poolBase: i32 = 0;
let firstTriangle: i32 = 0; // of the current draw
let poolUsed: i32 = 0;
let triangleCount: i32 = 0;
let submitted: i32 = 0;
let shaded: i32 = 0;
let tileX: i32 = 0;
let tileY: i32 = 0;
let current: i32 = 0; // the triangle being rasterised
let samples: i32 = 1;
let sampleShift: i32 = 0;
let wide: i32 = 0; // the frame in samples
let high: i32 = 0;

@inline
function argument(index: usize): i32 {
  return load<i32>(command + 8 + (index << 2));
}

/** An argument that is an address: u32 from the load on, for widening a u32 made of an i32 keeps its sign. */
@inline
function addressArgument(index: usize): u32 {
  return load<u32>(command + 8 + (index << 2));
}

function fits(address: u32, bytes: i64): bool {
  return (address as i64) + bytes <= 0x1_0000_0000;
}

export function start(): i32 {
  if (load<i32>(command, 4) != OP_DRAW_FRAME) return E_OPERATION;
  const draws = argument(1);
  const width = argument(3);
  const height = argument(4);
  samples = argument(5);
  if (width < 1 || width > MAX_SIDE || height < 1 || height > MAX_SIDE) return E_SIZE;
  if (samples != 1 && samples != 2 && samples != 4) return E_SIZE;
  if (draws < 0 || draws > MAX_DRAWS) return E_DRAWS;
  if (!fits(addressArgument(0), (draws as i64) * DRAW_BYTES)) return E_ADDRESS;
  if (!fits(addressArgument(2), (width as i64) * height * 4)) return E_ADDRESS;
  sampleShift = samples >> 1;
  wide = width * samples;
  high = height * samples;
  stage = STAGE_DRAW;
  drawNumber = 0;
  poolUsed = 0;
  triangleCount = 0;
  submitted = 0;
  shaded = 0;
  tileX = 0;
  tileY = 0;
  return MORE;
}

/** One unit is about one shaded sample. */
export function step(budget: i32): i32 {
  fuel = budget;
  do {
    let status = MORE;
    if (stage == STAGE_RASTER) status = rasterTile();
    else if (stage == STAGE_VERTICES) status = transformVertices();
    else if (stage == STAGE_TRIANGLES) status = assembleTriangles();
    else if (stage == STAGE_CLEAR) status = clearTile();
    else if (stage == STAGE_STORE) status = storeTile();
    else status = nextDraw();
    if (status != MORE) return status;
  } while (fuel > 0);
  return MORE;
}

function nextDraw(): i32 {
  fuel -= 16;
  if (drawNumber == argument(1)) {
    stage = STAGE_CLEAR;
    return MORE;
  }
  if (dmaIn(draw, argument(0) + drawNumber * DRAW_BYTES, DRAW_BYTES) != 0) return E_DMA;
  drawNumber++;
  const vertices = load<i32>(draw, DRAW_VERTEX_COUNT);
  const count = load<i32>(draw, DRAW_TRIANGLE_COUNT);
  if (vertices < 0 || vertices > MAX_DRAW_VERTICES || count < 0 || count > MAX_DRAW_TRIANGLES) return E_DRAW_SIZE;
  if (!fits(load<u32>(draw, DRAW_VERTICES), (vertices as i64) * VERTEX_BYTES)) return E_ADDRESS;
  if (!fits(load<u32>(draw, DRAW_INDICES), (count as i64) * CORNERS_BYTES)) return E_ADDRESS;
  if (poolUsed + vertices > MAX_POOL) return E_FRAME_FULL;
  submitted += count;
  poolBase = poolUsed;
  firstTriangle = triangleCount;
  poolUsed += vertices;
  cursor = 0;
  stage = STAGE_VERTICES;
  return MORE;
}

// ---- vertices ----

function transformVertices(): i32 {
  const count = load<i32>(draw, DRAW_VERTEX_COUNT);
  const batch = min(BATCH, count - cursor);
  if (batch > 0) {
    fuel -= batch * 6;
    const from = load<u32>(draw, DRAW_VERTICES) + cursor * VERTEX_BYTES;
    if (dmaIn(inbox, from, batch * VERTEX_BYTES) != 0) return E_DMA;
    for (let i = 0; i < batch; i++) transformVertex(inbox + i * VERTEX_BYTES, cursor + i);
    cursor += batch;
  }
  if (cursor == count) {
    cursor = 0;
    stage = STAGE_TRIANGLES;
  }
  return MORE;
}

@inline
function uniform(offset: usize): f64 {
  return load<f32>(draw + offset) as f64;
}

@inline
function rowTimes(row: usize, x: f64, y: f64, z: f64): f32 {
  const at = DRAW_MATRIX + (row << 4);
  return (uniform(at) * x + uniform(at + 4) * y + uniform(at + 8) * z + uniform(at + 12)) as f32;
}

@inline
function positive(value: f64): f64 {
  return value > 0 ? value : 0; // NaN becomes 0
}

function transformVertex(vertex: usize, index: i32): void {
  const x = load<f32>(vertex) as f64;
  const y = load<f32>(vertex, 4) as f64;
  const z = load<f32>(vertex, 8) as f64;
  const nx = load<f32>(vertex, 12) as f64;
  const ny = load<f32>(vertex, 16) as f64;
  const nz = load<f32>(vertex, 20) as f64;

  const kx = uniform(DRAW_KEY_DIRECTION);
  const ky = uniform(DRAW_KEY_DIRECTION + 4);
  const kz = uniform(DRAW_KEY_DIRECTION + 8);
  const key = positive(nx * kx + ny * ky + nz * kz);
  const fill = positive(
    nx * uniform(DRAW_FILL_DIRECTION) +
      ny * uniform(DRAW_FILL_DIRECTION + 4) +
      nz * uniform(DRAW_FILL_DIRECTION + 8),
  );
  let shine: f64 = 0;
  const specular = uniform(DRAW_SPECULAR);
  if (specular > 0 && key > 0) {
    const ex = uniform(DRAW_EYE) - x;
    const ey = uniform(DRAW_EYE + 4) - y;
    const ez = uniform(DRAW_EYE + 8) - z;
    const eye = Math.sqrt(ex * ex + ey * ey + ez * ez);
    const hx = kx + ex / eye;
    const hy = ky + ey / eye;
    const hz = kz + ez / eye;
    shine = positive((nx * hx + ny * hy + nz * hz) / Math.sqrt(hx * hx + hy * hy + hz * hz));
    const gloss = uniform(DRAW_GLOSS);
    for (let power: f64 = 0; power < gloss && power < 8; power += 1) shine = shine * shine;
    shine = shine * specular * 255;
  }

  const out = clip + index * SLOT;
  store<f32>(out, rowTimes(0, x, y, z));
  store<f32>(out, rowTimes(1, x, y, z), 4);
  store<f32>(out, rowTimes(2, x, y, z), 8);
  store<f32>(out, rowTimes(3, x, y, z), 12);
  for (let channel: usize = 0; channel < 3; channel++) {
    const at = channel << 2;
    const light =
      uniform(DRAW_AMBIENT + at) + key * uniform(DRAW_KEY_COLOUR + at) + fill * uniform(DRAW_FILL_COLOUR + at);
    const own = load<u8>(vertex + 24 + channel) as f64;
    store<f32>(out + at, (own * light + shine) as f32, 16);
  }
  store<f32>(out, load<u8>(vertex, 27) as f32, 28);

  const code = outcode(out);
  store<u8>(outcodes + index, code);
  if ((code & (NEEDS_CLIP | UNUSABLE)) == 0) project(out, poolBase + index);
}

function outcode(vertex: usize): i32 {
  const x = load<f32>(vertex) as f64;
  const y = load<f32>(vertex, 4) as f64;
  const z = load<f32>(vertex, 8) as f64;
  const w = load<f32>(vertex, 12) as f64;
  // Written so that NaN is unusable.
  if (!(Math.abs(x) < HUGE && Math.abs(y) < HUGE && Math.abs(z) < HUGE && Math.abs(w) < HUGE)) return UNUSABLE;
  let code = 0;
  if (x < -w) code |= OUT_LEFT;
  if (x > w) code |= OUT_RIGHT;
  if (y < -w) code |= OUT_BELOW;
  if (y > w) code |= OUT_ABOVE;
  if (z < -w) code |= OUT_NEAR;
  for (let plane = 0; plane < 6; plane++) {
    if (distance(vertex, plane) < 0) return code | NEEDS_CLIP;
  }
  return code;
}

/** How far a clip-space vertex lies on the visible side of a plane: in front, near, then the guard band. */
function distance(vertex: usize, plane: i32): f64 {
  const w = load<f32>(vertex, 12) as f64;
  if (plane == 0) return w - MIN_W;
  if (plane == 1) return (load<f32>(vertex, 8) as f64) + w;
  const across = load<f32>(vertex + (plane < 4 ? 0 : 4)) as f64;
  return (plane & 1) == 0 ? GUARD * w + across : GUARD * w - across;
}

function snap(position: f64): i32 {
  const sixteenths = Math.floor(position * 16 + 0.5);
  return (sixteenths > -FAR_OUT ? (sixteenths < FAR_OUT ? sixteenths : FAR_OUT) : -FAR_OUT) as i32;
}

/** Perspective division and viewport: clip-space vertex to pool vertex. */
function project(vertex: usize, index: i32): void {
  const out = pool + index * SLOT;
  const q = 1 / (load<f32>(vertex, 12) as f64);
  store<i32>(out, snap(((load<f32>(vertex) as f64) * q * 0.5 + 0.5) * (wide as f64)));
  store<i32>(out, snap((0.5 - (load<f32>(vertex, 4) as f64) * q * 0.5) * (high as f64)), 4);
  store<f32>(out, ((load<f32>(vertex, 8) as f64) * q) as f32, 8);
  store<f32>(out, q as f32, 12);
  for (let at: usize = 16; at < 32; at += 4) {
    store<f32>(out + at, ((load<f32>(vertex + at) as f64) * q) as f32);
  }
}

// ---- triangles ----

function assembleTriangles(): i32 {
  const count = load<i32>(draw, DRAW_TRIANGLE_COUNT);
  const vertices = load<i32>(draw, DRAW_VERTEX_COUNT);
  const batch = min(BATCH, count - cursor);
  if (batch > 0) {
    fuel -= batch * 3;
    const from = load<u32>(draw, DRAW_INDICES) + cursor * CORNERS_BYTES;
    if (dmaIn(inbox, from, batch * CORNERS_BYTES) != 0) return E_DMA;
    for (let i = 0; i < batch; i++) {
      const corners = inbox + i * CORNERS_BYTES;
      const a = load<u16>(corners) as i32;
      const b = load<u16>(corners, 2) as i32;
      const c = load<u16>(corners, 4) as i32;
      if (a >= vertices || b >= vertices || c >= vertices) return E_INDEX;
      const status = assembleTriangle(a, b, c);
      if (status != MORE) return status;
    }
    cursor += batch;
  }
  if (cursor == count) {
    if (triangleCount == firstTriangle) poolUsed = poolBase; // nothing of it is seen
    stage = STAGE_DRAW;
  }
  return MORE;
}

function assembleTriangle(a: i32, b: i32, c: i32): i32 {
  const codeA = load<u8>(outcodes + a) as i32;
  const codeB = load<u8>(outcodes + b) as i32;
  const codeC = load<u8>(outcodes + c) as i32;
  const any = codeA | codeB | codeC;
  if ((codeA & codeB & codeC & ~NEEDS_CLIP) != 0 || (any & UNUSABLE) != 0) return MORE;
  if ((any & NEEDS_CLIP) == 0) return addTriangle(poolBase + a, poolBase + b, poolBase + c);

  fuel -= 20;
  memory.copy(polygonA, clip + a * SLOT, SLOT);
  memory.copy(polygonA + SLOT, clip + b * SLOT, SLOT);
  memory.copy(polygonA + 2 * SLOT, clip + c * SLOT, SLOT);
  let corners = 3;
  let from = polygonA;
  let to = polygonB;
  for (let plane = 0; plane < 6 && corners > 0; plane++) {
    corners = clipPolygon(from, corners, to, plane);
    const swap = from;
    from = to;
    to = swap;
  }
  if (corners < 3) return MORE;
  if (poolUsed + corners > MAX_POOL) return E_FRAME_FULL;
  const first = poolUsed;
  poolUsed += corners;
  for (let i = 0; i < corners; i++) project(from + i * SLOT, first + i);
  for (let i = 2; i < corners; i++) {
    const status = addTriangle(first, first + i - 1, first + i);
    if (status != MORE) return status;
  }
  return MORE;
}

/** Sutherland and Hodgman: cuts a convex polygon at one plane. Returns the corners left, at most one more. */
function clipPolygon(from: usize, corners: i32, to: usize, plane: i32): i32 {
  let out = 0;
  for (let i = 0; i < corners; i++) {
    const here = from + i * SLOT;
    const next = from + (i + 1 == corners ? 0 : i + 1) * SLOT;
    const inHere = distance(here, plane);
    const inNext = distance(next, plane);
    if (inHere >= 0) memory.copy(to + out++ * SLOT, here, SLOT);
    // Cut from the inside to the outside: both triangles at an edge get the same point.
    if (inHere >= 0 && inNext < 0) cut(here, next, inHere / (inHere - inNext), to + out++ * SLOT);
    else if (inHere < 0 && inNext >= 0) cut(next, here, inNext / (inNext - inHere), to + out++ * SLOT);
  }
  return out;
}

function cut(inside: usize, outside: usize, t: f64, to: usize): void {
  for (let at: usize = 0; at < 32; at += 4) {
    const a = load<f32>(inside + at) as f64;
    const b = load<f32>(outside + at) as f64;
    store<f32>(to + at, (a + (b - a) * t) as f32);
  }
}

/** Takes a projected triangle into the list unless it faces away, is flat or touches no sample. */
function addTriangle(a: i32, b: i32, c: i32): i32 {
  const ax = load<i32>(pool + a * SLOT);
  const ay = load<i32>(pool + a * SLOT, 4);
  const bx = load<i32>(pool + b * SLOT);
  const by = load<i32>(pool + b * SLOT, 4);
  const cx = load<i32>(pool + c * SLOT);
  const cy = load<i32>(pool + c * SLOT, 4);
  const area =
    ((bx - ax) as f64) * ((cy - ay) as f64) - ((cx - ax) as f64) * ((by - ay) as f64);
  const flags = load<i32>(draw, DRAW_FLAGS);
  if (area == 0 || (area > 0 && (flags & TWO_SIDED) == 0)) return MORE;

  // Samples lie at the middle of their sixteenths.
  const left = max(0, (min(ax, min(bx, cx)) + 7) >> 4);
  const right = min(wide - 1, (max(ax, max(bx, cx)) - 8) >> 4);
  const top = max(0, (min(ay, min(by, cy)) + 7) >> 4);
  const bottom = min(high - 1, (max(ay, max(by, cy)) - 8) >> 4);
  if (left > right || top > bottom) return MORE;
  if (triangleCount == MAX_TRIANGLES) return E_FRAME_FULL;
  const out = triangles + triangleCount++ * TRIANGLE_BYTES;
  store<u16>(out, a);
  store<u16>(out, area > 0 ? b : c, 2);
  store<u16>(out, area > 0 ? c : b, 4);
  store<u16>(out, flags, 6);
  store<u8>(out, left / TILE_W, 8);
  store<u8>(out, top / TILE_H, 9);
  store<u8>(out, right / TILE_W, 10);
  store<u8>(out, bottom / TILE_H, 11);
  return MORE;
}

// ---- tiles ----

function mixChannel(top: u32, bottom: u32, shift: u32, y: u32, last: u32): u32 {
  const t = (top >> shift) & 255;
  const b = (bottom >> shift) & 255;
  return ((t * (last - y) + b * y + (last >> 1)) / last) << shift;
}

function clearTile(): i32 {
  fuel -= 400;
  const top: u32 = argument(6);
  const bottom: u32 = argument(7);
  const last: u32 = max(1, high - 1);
  for (let row = 0; row < TILE_H; row++) {
    const y: u32 = min(tileY * TILE_H + row, high - 1);
    const colour: u32 =
      mixChannel(top, bottom, 0, y, last) |
      mixChannel(top, bottom, 8, y, last) |
      mixChannel(top, bottom, 16, y, last) |
      0xff000000;
    const line = row * TILE_W * 4;
    for (let at = 0; at < TILE_W * 4; at += 4) {
      store<u32>(colours + line + at, colour);
      store<f32>(depths + line + at, Infinity as f32);
    }
  }
  current = 0;
  cursor = 0;
  stage = STAGE_RASTER;
  return MORE;
}

function rasterTile(): i32 {
  while (current < triangleCount) {
    const triangle = triangles + current * TRIANGLE_BYTES;
    const touches =
      (load<u8>(triangle, 8) as i32) <= tileX &&
      (load<u8>(triangle, 9) as i32) <= tileY &&
      (load<u8>(triangle, 10) as i32) >= tileX &&
      (load<u8>(triangle, 11) as i32) >= tileY;
    if (touches) {
      if (!rasterTriangle(triangle)) return MORE;
      cursor = 0;
    }
    current++;
    if ((current & 7) == 0) fuel--;
    if (fuel <= 0) return MORE;
  }
  cursor = 0;
  stage = STAGE_STORE;
  return MORE;
}

@inline
function channel(value: f64): i32 {
  return (value > 0 ? (value < 255 ? value + 0.5 : 255) : 0) as i32;
}

/** `value / 255` to the nearest, exact for 0 to 65025. */
@inline
function over255(value: i32): i32 {
  return ((value + 128) * 257) >> 16;
}

@inline
function blend(below: i32, colour: i32, alpha: i32, add: bool): i32 {
  return add ? min(255, below + over255(colour * alpha)) : over255(colour * alpha + below * (255 - alpha));
}

/** Rasterises one triangle in the current tile from row `cursor` on. False: out of fuel, go on there later. */
function rasterTriangle(triangle: usize): bool {
  fuel -= 8;
  const flags = load<u16>(triangle, 6) as i32;
  const a = pool + (load<u16>(triangle) as i32) * SLOT;
  const b = pool + (load<u16>(triangle, 2) as i32) * SLOT;
  const c = pool + (load<u16>(triangle, 4) as i32) * SLOT;
  const ax = load<i32>(a) as f64;
  const ay = load<i32>(a, 4) as f64;
  const bx = load<i32>(b) as f64;
  const by = load<i32>(b, 4) as f64;
  const cx = load<i32>(c) as f64;
  const cy = load<i32>(c, 4) as f64;

  // Edge functions at column 0, and what one column adds. Samples on a top or left edge are inside.
  const stepAB = (ay - by) * 16;
  const stepBC = (by - cy) * 16;
  const stepCA = (cy - ay) * 16;
  const biasAB: f64 = ay > by || (ay == by && bx > ax) ? 0 : -1;
  const biasBC: f64 = by > cy || (by == cy && cx > bx) ? 0 : -1;
  const biasCA: f64 = cy > ay || (cy == ay && ax > cx) ? 0 : -1;

  // Attributes as planes over the screen.
  const area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay);
  const inverse = 1 / area;
  const gxB = (cy - ay) * inverse;
  const gxC = (ay - by) * inverse;
  const gyB = (ax - cx) * inverse;
  const gyC = (bx - ax) * inverse;

  const z0 = load<f32>(a, 8) as f64;
  const zB = (load<f32>(b, 8) as f64) - z0;
  const zC = (load<f32>(c, 8) as f64) - z0;
  const zx = (zB * gxB + zC * gxC) * 16;
  const zy = zB * gyB + zC * gyC;
  const zxOrigin = (zB * gxB + zC * gxC) * (8 - ax);

  const q0 = load<f32>(a, 12) as f64;
  const qB = (load<f32>(b, 12) as f64) - q0;
  const qC = (load<f32>(c, 12) as f64) - q0;
  const qx = (qB * gxB + qC * gxC) * 16;
  const qy = qB * gyB + qC * gyC;
  const qxOrigin = (qB * gxB + qC * gxC) * (8 - ax);

  const r0 = load<f32>(a, 16) as f64;
  const rB = (load<f32>(b, 16) as f64) - r0;
  const rC = (load<f32>(c, 16) as f64) - r0;
  const rx = (rB * gxB + rC * gxC) * 16;
  const ry = rB * gyB + rC * gyC;
  const rxOrigin = (rB * gxB + rC * gxC) * (8 - ax);

  const g0 = load<f32>(a, 20) as f64;
  const gB = (load<f32>(b, 20) as f64) - g0;
  const gC = (load<f32>(c, 20) as f64) - g0;
  const gx = (gB * gxB + gC * gxC) * 16;
  const gy = gB * gyB + gC * gyC;
  const gxOrigin = (gB * gxB + gC * gxC) * (8 - ax);

  const b0 = load<f32>(a, 24) as f64;
  const bB = (load<f32>(b, 24) as f64) - b0;
  const bC = (load<f32>(c, 24) as f64) - b0;
  const blueX = (bB * gxB + bC * gxC) * 16;
  const blueY = bB * gyB + bC * gyC;
  const blueXOrigin = (bB * gxB + bC * gxC) * (8 - ax);

  const a0 = load<f32>(a, 28) as f64;
  const aB = (load<f32>(b, 28) as f64) - a0;
  const aC = (load<f32>(c, 28) as f64) - a0;
  const alphaX = (aB * gxB + aC * gxC) * 16;
  const alphaY = aB * gyB + aC * gyC;
  const alphaXOrigin = (aB * gxB + aC * gxC) * (8 - ax);

  const tileLeft = tileX * TILE_W;
  const tileTop = tileY * TILE_H;
  const tileRight = min(wide, tileLeft + TILE_W) - 1;
  const lowest = Math.max(ay, Math.max(by, cy)) as i32;
  const highest = Math.min(ay, Math.min(by, cy)) as i32;
  const bottom = min(min(high, tileTop + TILE_H) - 1, (lowest - 8) >> 4);
  const begin = max(tileTop + cursor, (highest + 7) >> 4);

  for (let y = begin; y <= bottom; y++) {
    // At least one row: a step goes on, however small its budget.
    if (fuel <= 0 && y > begin) {
      cursor = y - tileTop;
      return false;
    }
    const middle = ((y << 4) + 8) as f64;
    const edgeAB = (bx - ax) * (middle - ay) - (by - ay) * (8 - ax) + biasAB;
    const edgeBC = (cx - bx) * (middle - by) - (cy - by) * (8 - bx) + biasBC;
    const edgeCA = (ax - cx) * (middle - cy) - (ay - cy) * (8 - cx) + biasCA;

    // The columns where all three are not negative. Floor of an f64 quotient of such integers is exact.
    let first = tileLeft as f64;
    let last = tileRight as f64;
    if (stepAB > 0) first = Math.max(first, -Math.floor(edgeAB / stepAB));
    else if (stepAB < 0) last = Math.min(last, Math.floor(edgeAB / -stepAB));
    else if (edgeAB < 0) continue;
    if (stepBC > 0) first = Math.max(first, -Math.floor(edgeBC / stepBC));
    else if (stepBC < 0) last = Math.min(last, Math.floor(edgeBC / -stepBC));
    else if (edgeBC < 0) continue;
    if (stepCA > 0) first = Math.max(first, -Math.floor(edgeCA / stepCA));
    else if (stepCA < 0) last = Math.min(last, Math.floor(edgeCA / -stepCA));
    else if (edgeCA < 0) continue;
    fuel -= 2;
    if (first > last) continue;

    const from = first as i32;
    const to = last as i32;
    fuel -= to - from;
    const down = middle - ay;
    const zRow = z0 + zxOrigin + zy * down;
    const qRow = q0 + qxOrigin + qy * down;
    const rRow = r0 + rxOrigin + ry * down;
    const gRow = g0 + gxOrigin + gy * down;
    const bRow = b0 + blueXOrigin + blueY * down;
    const aRow = a0 + alphaXOrigin + alphaY * down;
    const line: usize = (y - tileTop) * TILE_W - tileLeft;
    let drawn = 0;
    for (let x = from; x <= to; x++) {
      const column = x as f64;
      const at: usize = (line + x) << 2;
      const z = (zRow + zx * column) as f32;
      // Written so that NaN is hidden.
      if (!(z <= load<f32>(depths + at) || (flags & ON_TOP) != 0)) continue;
      drawn++;
      const w = 1 / (qRow + qx * column);
      const red = channel((rRow + rx * column) * w);
      const green = channel((gRow + gx * column) * w);
      const blue = channel((bRow + blueX * column) * w);
      if ((flags & BLEND) == 0) {
        store<f32>(depths + at, z);
        store<u32>(colours + at, red | (green << 8) | (blue << 16) | 0xff000000);
      } else {
        const alpha = channel((aRow + alphaX * column) * w);
        const add = (flags & ADD) != 0;
        const under = load<u32>(colours + at) as i32;
        store<u32>(
          colours + at,
          blend(under & 255, red, alpha, add) |
            (blend((under >> 8) & 255, green, alpha, add) << 8) |
            (blend((under >> 16) & 255, blue, alpha, add) << 16) |
            0xff000000,
        );
      }
    }
    shaded += drawn;
  }
  return true;
}

/** Averages the samples of each pixel and sends the tile to the frame, row by row. */
function storeTile(): i32 {
  const width = argument(3);
  const left = (tileX * TILE_W) >> sampleShift;
  const top = (tileY * TILE_H) >> sampleShift;
  const across = min(TILE_W >> sampleShift, width - left);
  const rows = min(TILE_H >> sampleShift, argument(4) - top);
  const half = (1 << (sampleShift << 1)) >> 1;
  while (cursor < rows) {
    fuel -= 8 + ((across * samples * samples) >> 2);
    for (let x = 0; x < across; x++) {
      let red = half;
      let green = half;
      let blue = half;
      for (let j = 0; j < samples; j++) {
        const line = ((cursor << sampleShift) + j) * TILE_W + (x << sampleShift);
        for (let i = 0; i < samples; i++) {
          const colour = load<u32>(colours + ((line + i) << 2)) as i32;
          red += colour & 255;
          green += (colour >> 8) & 255;
          blue += (colour >> 16) & 255;
        }
      }
      const shift = sampleShift << 1;
      store<u32>(
        outbox + (x << 2),
        (red >> shift) | ((green >> shift) << 8) | ((blue >> shift) << 16) | 0xff000000,
      );
    }
    const to = argument(2) + ((top + cursor) * width + left) * 4;
    if (dmaOut(to, outbox, across << 2) != 0) return E_DMA;
    cursor++;
    if (fuel <= 0 && cursor < rows) return MORE;
  }
  return nextTile();
}

function nextTile(): i32 {
  stage = STAGE_CLEAR;
  tileX++;
  if (tileX * TILE_W < wide) return MORE;
  tileX = 0;
  tileY++;
  if (tileY * TILE_H < high) return MORE;
  store<i32>(command, submitted, 64);
  store<i32>(command, triangleCount, 68);
  store<i32>(command, shaded, 72);
  irq(FRAME_DONE_IRQ);
  return DONE;
}
