/**
 * Edges and corners of a picture, computed plainly on whole arrays: what the vision firmware must give, bit for
 * bit. Every filter repeats the border pixels.
 */

/** Four bytes a pixel: red, green, blue, alpha. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface Corner {
  readonly x: number;
  readonly y: number;
  readonly score: number;
}

/** The derivatives of a picture's blurred gray, -1020 to 1020 each. */
export interface Gradient {
  readonly dx: Plane;
  readonly dy: Plane;
}

/** One number a pixel, in reading order. */
interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Float64Array;
}

const BINOMIAL = [1, 4, 6, 4, 1];

/**
 * Canny: 255 on an edge, 0 elsewhere. `low` and `high` are lengths of the Sobel gradient, 1 to 2047; a pixel of
 * at least `low` stays when pixels of at least `low` connect it with one of at least `high`.
 */
export function edgesOf({ dx, dy }: Gradient, low: number, high: number): Uint8Array {
  const { width, height } = dx;
  const squared = plane(width, height, (x, y) => at(dx, x, y) ** 2 + at(dy, x, y) ** 2);
  const isCandidate = new Uint8Array(width * height);
  const edges = new Uint8Array(width * height);
  const open: number[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const length2 = at(squared, x, y);
      if (length2 < low * low) continue;
      const [stepX, stepY] = acrossEdge(at(dx, x, y), at(dy, x, y));
      const before = inside(squared, x - stepX, y - stepY) ? at(squared, x - stepX, y - stepY) : 0;
      const behind = inside(squared, x + stepX, y + stepY) ? at(squared, x + stepX, y + stepY) : 0;
      if (length2 <= before || length2 < behind) continue;
      isCandidate[y * width + x] = 1;
      if (length2 >= high * high) open.push(y * width + x);
    }
  }
  // Flood from the strong pixels through the candidates.
  for (let pixel = open.pop(); pixel !== undefined; pixel = open.pop()) {
    if (edges[pixel] === 255) continue;
    edges[pixel] = 255;
    const x = pixel % width;
    const y = (pixel - x) / width;
    for (const [nextX, nextY] of around(x, y, 1)) {
      const next = nextY * width + nextX;
      if (inside(squared, nextX, nextY) && isCandidate[next] === 1) open.push(next);
    }
  }
  return edges;
}

/** Harris: every corner that scores at least `threshold` and that no pixel within 5x5 outdoes, strongest first. */
export function cornersOf({ dx, dy }: Gradient, threshold: number): Corner[] {
  const { width, height } = dx;
  const tensor = (a: Plane, b: Plane): Plane =>
    map(smooth(plane(width, height, (x, y) => at(a, x, y) * at(b, x, y))), (sum) => Math.floor(sum / 16));
  const xx = tensor(dx, dx);
  const yy = tensor(dy, dy);
  const xy = tensor(dx, dy);
  // All of it is below 2^53, so that a double holds every step exactly.
  const scores = plane(width, height, (x, y) => {
    const [a, b, c] = [at(xx, x, y), at(yy, x, y), at(xy, x, y)];
    return Math.floor((16 * (a * b - c * c) - (a + b) ** 2) / 2 ** 21);
  });
  const corners: Corner[] = [];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const score = at(scores, x, y);
      if (score < threshold) continue;
      const rivals = around(x, y, 2).filter(([otherX, otherY]) => inside(scores, otherX, otherY));
      const isOutdone = rivals.some(([otherX, otherY]) => {
        const other = at(scores, otherX, otherY);
        return other > score || (other === score && (otherY < y || (otherY === y && otherX < x)));
      });
      if (!isOutdone) corners.push({ x, y, score });
    }
  }
  return corners.sort((a, b) => b.score - a.score || a.y - b.y || a.x - b.x);
}

/** Gray (BT.601 in 256ths), 5x5 Gaussian, 3x3 Sobel. */
export function gradientOf(picture: Picture): Gradient {
  const { width, height, data } = picture;
  const gray = plane(width, height, (x, y) => {
    const offset = 4 * (y * width + x);
    const [red, green, blue] = [data[offset]!, data[offset + 1]!, data[offset + 2]!];
    return Math.floor((77 * red + 150 * green + 29 * blue + 128) / 256);
  });
  const blurred = map(smooth(gray), (sum) => Math.floor((sum + 128) / 256));
  return {
    dx: convolve(blurred, [
      [-1, 0, 1],
      [-2, 0, 2],
      [-1, 0, 1],
    ]),
    dy: convolve(blurred, [
      [-1, -2, -1],
      [0, 0, 0],
      [1, 2, 1],
    ]),
  };
}

/** The direction of a gradient to the nearest 45 degrees, as the step to the neighbour later in reading order. */
function acrossEdge(dx: number, dy: number): readonly [number, number] {
  // Tangents of 22.5 and 67.5 degrees in units of 2^-15; no gradient of integers up to 1020 falls between.
  const steepness = 32768 * Math.abs(dy);
  if (steepness < 13573 * Math.abs(dx)) return [1, 0];
  if (steepness > 79109 * Math.abs(dx)) return [0, 1];
  return Math.sign(dx) === Math.sign(dy) ? [1, 1] : [-1, 1];
}

/** Sums with the weights 1 4 6 4 1 along the rows, then along the columns. */
function smooth(from: Plane): Plane {
  const rows = convolve(from, [BINOMIAL]);
  return convolve(
    rows,
    BINOMIAL.map((weight) => [weight]),
  );
}

function convolve(from: Plane, weights: readonly (readonly number[])[]): Plane {
  const reachY = (weights.length - 1) / 2;
  const reachX = (weights[0]!.length - 1) / 2;
  return plane(from.width, from.height, (x, y) => {
    let sum = 0;
    for (let row = 0; row < weights.length; row++) {
      const line = weights[row]!;
      const fromY = clamp(y + row - reachY, from.height);
      for (let column = 0; column < line.length; column++) {
        sum += line[column]! * at(from, clamp(x + column - reachX, from.width), fromY);
      }
    }
    return sum;
  });
}

function around(x: number, y: number, reach: number): (readonly [number, number])[] {
  const places: [number, number][] = [];
  for (let nextY = y - reach; nextY <= y + reach; nextY++) {
    for (let nextX = x - reach; nextX <= x + reach; nextX++) {
      if (nextX !== x || nextY !== y) places.push([nextX, nextY]);
    }
  }
  return places;
}

function plane(width: number, height: number, value: (x: number, y: number) => number): Plane {
  const data = new Float64Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) data[y * width + x] = value(x, y);
  }
  return { width, height, data };
}

const map = (from: Plane, change: (value: number) => number): Plane => ({
  ...from,
  data: from.data.map(change),
});
const at = (from: Plane, x: number, y: number): number => from.data[y * from.width + x]!;
const inside = (from: Plane, x: number, y: number): boolean =>
  x >= 0 && x < from.width && y >= 0 && y < from.height;
const clamp = (place: number, size: number): number => Math.min(Math.max(place, 0), size - 1);
