const MAGIC = 0x4e4e5643;
const VERSION = 1;
const HEADER = 32;
const DESCRIPTOR = 32;
const KINDS = { conv: 1, pool: 2, dense: 3 };
/** The network as the file that the firmware loads. */
export function encodeNetwork(network) {
  const tableEnd = HEADER + network.layers.length * DESCRIPTOR;
  const size = network.layers.reduce((bytes, layer) => bytes + parameterBytes(layer), tableEnd);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  const words = (at, values) => values.forEach((value, index) => view.setUint32(at + index * 4, value, true));
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
export function decodeNetwork(file) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const word = (at) => view.getUint32(at, true);
  if (file.length < HEADER || word(0) !== MAGIC)
    throw new Error('not a network file: it must begin with CVNN');
  if (word(4) !== VERSION) throw new Error(`network file of version ${word(4)}: expected ${VERSION}`);
  if (word(8) !== file.length) throw new Error(`network file of ${file.length} bytes: expected ${word(8)}`);
  if (word(12) !== fnv1a(file.subarray(HEADER))) throw new Error('network file is damaged: wrong checksum');
  const input = { height: word(16), width: word(20), channels: word(24) };
  const layers = [];
  let shape = input;
  for (let index = 0; index < word(28); index++) {
    const layer = readLayer(file, view, HEADER + index * DESCRIPTOR, shape);
    layers.push(layer);
    shape = outputShape(layer, shape);
  }
  return { input, layers };
}
export function outputShape(layer, input) {
  if (layer.kind === 'dense') return { height: 1, width: 1, channels: layer.bias.length };
  return {
    height: Math.floor((input.height - layer.window) / layer.stride) + 1,
    width: Math.floor((input.width - layer.window) / layer.stride) + 1,
    channels: layer.kind === 'pool' ? input.channels : layer.bias.length,
  };
}
/** The logits of one sample (one byte per input value), the same integers as the firmware's. */
export function infer(network, sample) {
  let shape = network.input;
  let activations = Int8Array.from(sample, (byte) => byte >> 1);
  for (const [index, layer] of network.layers.entries()) {
    const last = index === network.layers.length - 1;
    if (layer.kind === 'pool') {
      activations = maxPool(layer, shape, activations);
    } else {
      const accumulators = accumulate(layer, shape, activations);
      activations = last ? accumulators : requantise(layer, accumulators);
    }
    shape = outputShape(layer, shape);
  }
  return Int32Array.from(activations);
}
/** The first of the largest values. */
export function argmax(values) {
  let best = 0;
  for (let index = 1; index < values.length; index++) if (values[index] > values[best]) best = index;
  return best;
}
function accumulate(layer, input, activations) {
  const out = outputShape(layer, input);
  const stride = layer.kind === 'conv' ? layer.stride : 1;
  const rows = layer.kind === 'conv' ? layer.window : input.height;
  const run = (layer.kind === 'conv' ? layer.window : input.width) * input.channels;
  const { bias, weights } = layer;
  const accumulators = new Int32Array(out.height * out.width * out.channels);
  let next = 0;
  for (let y = 0; y < out.height; y++) {
    for (let x = 0; x < out.width; x++) {
      const corner = (y * input.width + x) * stride * input.channels;
      for (let output = 0, weight = 0; output < out.channels; output++) {
        let sum = bias[output];
        for (let row = 0; row < rows; row++) {
          let at = corner + row * input.width * input.channels;
          for (const end = at + run; at < end; at++) sum = (sum + activations[at] * weights[weight++]) | 0;
        }
        accumulators[next++] = sum;
      }
    }
  }
  return accumulators;
}
function requantise(layer, accumulators) {
  const { multiplier, shift } = layer.scale;
  const lowest = layer.relu ? 0 : -128;
  // Exact: the product and the rounding stay below 2^53, and a division by a power of two loses nothing.
  return Int8Array.from(accumulators, (accumulator) =>
    Math.max(lowest, Math.min(127, Math.floor((accumulator * multiplier + 2 ** (shift - 1)) / 2 ** shift))),
  );
}
function maxPool(layer, input, activations) {
  const out = outputShape(layer, input);
  const result = new Int8Array(out.height * out.width * out.channels).fill(-128);
  for (let y = 0; y < out.height; y++) {
    for (let x = 0; x < out.width; x++) {
      for (let window = 0; window < layer.window * layer.window; window++) {
        const row = y * layer.stride + Math.floor(window / layer.window);
        const column = x * layer.stride + (window % layer.window);
        for (let channel = 0; channel < input.channels; channel++) {
          const value = activations[(row * input.width + column) * input.channels + channel];
          const at = (y * out.width + x) * input.channels + channel;
          if (value > result[at]) result[at] = value;
        }
      }
    }
  }
  return result;
}
function describe(layer, offset) {
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
function parameterBytes(layer) {
  return layer.kind === 'pool' ? 0 : layer.bias.length * 4 + Math.ceil(layer.weights.length / 4) * 4;
}
function readLayer(file, view, at, input) {
  const word = (index) => view.getUint32(at + index * 4, true);
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
function fnv1a(bytes) {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
