/**
 * The int8 networks that the `infer` firmware executes: their file format and, as the reference for the
 * firmware, their arithmetic in plain TypeScript. Both are described in `src/firmware/kernels/infer/firmware.ts`.
 */
export interface Network {
  readonly input: Shape;
  /** The last one is dense: its accumulators are the logits. */
  readonly layers: readonly Layer[];
}

export interface Shape {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

export type Layer = Convolution | MaxPool | Dense;

export interface Convolution extends Weighted {
  readonly kind: 'conv';
  /** Side of the square window, without padding. */
  readonly window: number;
  readonly stride: number;
}

export interface MaxPool {
  readonly kind: 'pool';
  readonly window: number;
  readonly stride: number;
}

export interface Dense extends Weighted {
  readonly kind: 'dense';
}

interface Weighted {
  /** One per output. */
  readonly bias: Int32Array;
  /** `[output][row][column][channel]`. */
  readonly weights: Int8Array;
  readonly scale: Scale;
  readonly relu: boolean;
}

/** From an accumulator to an activation: times `multiplier` (below 2^21), over 2^`shift` (1 to 51), rounded. */
export interface Scale {
  readonly multiplier: number;
  readonly shift: number;
}

const MAGIC = 0x4e4e5643;
const VERSION = 1;
const HEADER = 32;
const DESCRIPTOR = 32;
const KINDS = { conv: 1, pool: 2, dense: 3 } as const;

/** The network as the file that the firmware loads. */
export function encodeNetwork(network: Network): Uint8Array {
  const tableEnd = HEADER + network.layers.length * DESCRIPTOR;
  const size = network.layers.reduce((bytes, layer) => bytes + parameterBytes(layer), tableEnd);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  const words = (at: number, values: readonly number[]): void =>
    values.forEach((value, index) => view.setUint32(at + index * 4, value, true));

  let offset = tableEnd;
  network.layers.forEach((layer, index) => {
    words(HEADER + index * DESCRIPTOR, describe(layer, offset));
    if (layer.kind === 'pool') return;
    layer.bias.forEach((value, output) => view.setInt32(offset + output * 4, value, true));
    new Int8Array(file.buffer).set(layer.weights, offset + layer.bias.length * 4);
    offset += parameterBytes(layer);
  });
  const { height, width, channels } = network.input;
  const checksum = fnv1a(file.subarray(HEADER));
  words(0, [MAGIC, VERSION, size, checksum, height, width, channels, network.layers.length]);
  return file;
}

/** The network in a file. Throws an `Error` that says what is wrong with it. */
export function decodeNetwork(file: Uint8Array): Network {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const word = (at: number): number => view.getUint32(at, true);
  if (file.length < HEADER || word(0) !== MAGIC)
    throw new Error('not a network file: it must begin with CVNN');
  if (word(4) !== VERSION) throw new Error(`network file of version ${word(4)}: expected ${VERSION}`);
  if (word(8) !== file.length) throw new Error(`network file of ${file.length} bytes: expected ${word(8)}`);
  if (word(12) !== fnv1a(file.subarray(HEADER))) throw new Error('network file is damaged: wrong checksum');

  const input = { height: word(16), width: word(20), channels: word(24) };
  const layers: Layer[] = [];
  let shape: Shape = input;
  for (let index = 0; index < word(28); index++) {
    const layer = readLayer(file, view, HEADER + index * DESCRIPTOR, shape);
    layers.push(layer);
    shape = outputShape(layer, shape);
  }
  return { input, layers };
}

export function outputShape(layer: Layer, input: Shape): Shape {
  if (layer.kind === 'dense') return { height: 1, width: 1, channels: layer.bias.length };
  return {
    height: Math.floor((input.height - layer.window) / layer.stride) + 1,
    width: Math.floor((input.width - layer.window) / layer.stride) + 1,
    channels: layer.kind === 'pool' ? input.channels : layer.bias.length,
  };
}

/** The logits of one sample (one byte per input value), the same integers as the firmware's. */
export function infer(network: Network, sample: Uint8Array): Int32Array {
  let shape = network.input;
  let activations = Int8Array.from(sample, (byte) => byte >> 1);
  let accumulators = new Int32Array();
  for (const layer of network.layers) {
    if (layer.kind === 'pool') {
      activations = maxPool(layer, shape, activations);
    } else {
      accumulators = accumulate(layer, shape, activations);
      activations = requantise(layer, accumulators);
    }
    shape = outputShape(layer, shape);
  }
  return accumulators;
}

/** The first of the largest values. */
export function argmax(values: ArrayLike<number>): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) if (values[index]! > values[best]!) best = index;
  return best;
}

function accumulate(
  layer: Convolution | Dense,
  input: Shape,
  activations: Int8Array,
): Int32Array<ArrayBuffer> {
  const out = outputShape(layer, input);
  const stride = layer.kind === 'conv' ? layer.stride : 1;
  const rows = layer.kind === 'conv' ? layer.window : input.height;
  const run = (layer.kind === 'conv' ? layer.window : input.width) * input.channels;
  const rowSize = input.width * input.channels;
  const { bias, weights } = layer;
  const accumulators = new Int32Array(out.height * out.width * out.channels);
  for (let next = 0; next < accumulators.length; next++) {
    const output = next % out.channels;
    const position = (next - output) / out.channels;
    const column = position % out.width;
    const corner = (((position - column) / out.width) * rowSize + column * input.channels) * stride;
    let sum = bias[output]!;
    for (let row = 0, weight = output * rows * run; row < rows; row++, weight += run) {
      const from = corner + row * rowSize;
      for (let i = 0; i < run; i++) sum = (sum + activations[from + i]! * weights[weight + i]!) | 0;
    }
    accumulators[next] = sum;
  }
  return accumulators;
}

function requantise(layer: Convolution | Dense, accumulators: Int32Array): Int8Array<ArrayBuffer> {
  const lowest = layer.relu ? 0 : -128;
  const { multiplier } = layer.scale;
  const divisor = 2 ** layer.scale.shift;
  const half = divisor / 2;
  const result = new Int8Array(accumulators.length);
  for (let index = 0; index < result.length; index++) {
    // Exact: product and rounding stay below 2^53, and a division by a power of two loses nothing.
    const value = Math.floor((accumulators[index]! * multiplier + half) / divisor);
    result[index] = Math.max(lowest, Math.min(127, value));
  }
  return result;
}

function maxPool(layer: MaxPool, input: Shape, activations: Int8Array): Int8Array<ArrayBuffer> {
  const out = outputShape(layer, input);
  const result = new Int8Array(out.height * out.width * out.channels).fill(-128);
  for (let y = 0; y < out.height; y++) {
    for (let x = 0; x < out.width; x++) {
      for (let window = 0; window < layer.window * layer.window; window++) {
        const row = y * layer.stride + Math.floor(window / layer.window);
        const column = x * layer.stride + (window % layer.window);
        for (let channel = 0; channel < input.channels; channel++) {
          const value = activations[(row * input.width + column) * input.channels + channel]!;
          const at = (y * out.width + x) * input.channels + channel;
          if (value > result[at]!) result[at] = value;
        }
      }
    }
  }
  return result;
}

function describe(layer: Layer, offset: number): number[] {
  if (layer.kind === 'pool') return [KINDS.pool, 0, layer.window, layer.stride, 0, 0, 0, 0];
  const [window, stride] = layer.kind === 'conv' ? [layer.window, layer.stride] : [0, 0];
  const { multiplier, shift } = layer.scale;
  return [
    KINDS[layer.kind],
    layer.bias.length,
    window,
    stride,
    multiplier,
    shift,
    layer.relu ? 1 : 0,
    offset,
  ];
}

/** Biases and weights, rounded up to whole words. */
function parameterBytes(layer: Layer): number {
  return layer.kind === 'pool' ? 0 : layer.bias.length * 4 + Math.ceil(layer.weights.length / 4) * 4;
}

function readLayer(file: Uint8Array, view: DataView, at: number, input: Shape): Layer {
  const word = (index: number): number => view.getUint32(at + index * 4, true);
  const [kind, outputs, window, stride, offset] = [word(0), word(1), word(2), word(3), word(7)];
  if (kind === KINDS.pool) return { kind: 'pool', window, stride };
  if (kind !== KINDS.conv && kind !== KINDS.dense) throw new Error(`network file: no layer kind ${kind}`);
  const inputs = (kind === KINDS.conv ? window * window : input.height * input.width) * input.channels;
  const weightsAt = offset + outputs * 4;
  if (weightsAt + outputs * inputs > file.length) throw new Error('network file: parameters past its end');
  const parameters = {
    bias: Int32Array.from({ length: outputs }, (_, output) => view.getInt32(offset + output * 4, true)),
    weights: Int8Array.from(file.subarray(weightsAt, weightsAt + outputs * inputs)),
    scale: { multiplier: word(4), shift: word(5) },
    relu: word(6) === 1,
  };
  return kind === KINDS.conv
    ? { kind: 'conv', window, stride, ...parameters }
    : { kind: 'dense', ...parameters };
}

function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
