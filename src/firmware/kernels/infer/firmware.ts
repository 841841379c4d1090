// A neural network firmware: executes any small int8 network that a domain loads into it.
//
// Commands (word 1 is the operation code, arguments from word 2, results from word 16):
//
//   1 load      (iova, bytes)                -> layers, classes, bytes per sample, local memory used
//   2 classify  (samples, count, records)    -> samples classified, bytes per record
//
// A sample is one byte per input value; a record is 1 + classes 32-bit integers: the label, then the logits.
// The network stays in local memory until the next load: it is part of the context.
//
// Network file, little-endian 32-bit words. Header: magic "CVNN", version 1, bytes of the file, FNV-1a of
// all that follows the header, input height, width, channels, number of layers. Then one descriptor of eight
// words per layer: kind, outputs, window, stride, multiplier, shift, relu, offset of its parameters from the
// start of the file, where `outputs` 32-bit biases stand before the int8 weights, [output][row][column][channel].
//
// Arithmetic: activations are int8 [row][column][channel], a sample's byte enters as byte >> 1, accumulators
// are int32 and wrap. A layer's output is (accumulator * multiplier + 2^(shift-1)) >> shift, limited to
// [relu ? 0 : -128, 127]. The last layer is dense and leaves its accumulators: the logits.

import { DONE, MORE, dmaIn, dmaOut } from '../abi';

export const abi: i32 = 1;
export const command: usize = memory.data(96, 8);

const LOAD: i32 = 1;
const CLASSIFY: i32 = 2;

// Failures.
const UNKNOWN_OPERATION: i32 = -1;
const NO_NETWORK: i32 = -2;
const BAD_ARGUMENTS: i32 = -3;
const DMA_FAULT: i32 = -4;
const NOT_A_NETWORK: i32 = -5;
const BAD_CHECKSUM: i32 = -6;
const BAD_LAYER: i32 = -7;
const DOES_NOT_FIT: i32 = -8;

const MAGIC: u32 = 0x4e4e5643; // "CVNN"
const VERSION: u32 = 1;
const HEADER_BYTES: u32 = 32;
const LAYER_BYTES: u32 = 32;
const CONV: i32 = 1;
const POOL: i32 = 2;
const DENSE: i32 = 3;
const OUTPUTS: usize = 4;
const WINDOW: usize = 8;
const STRIDE: usize = 12;
const MULTIPLIER: usize = 16;
const SHIFT: usize = 20;
const RELU: usize = 24;
const PARAMETERS: usize = 28;

const MAX_LAYERS: u32 = 64;
const MAX_CLASSES: u32 = 64;
const MAX_SIDE: u32 = 4096;
/** No part of a layer is more work than this, so that a step stays within tens of microseconds. */
const MAX_PART: u64 = 65536;
/** Limits that keep accumulator * multiplier + rounding below 2^53, exact in a JavaScript number. */
const MAX_MULTIPLIER: u32 = (1 << 21) - 1;
const MAX_SHIFT: u32 = 51;
const CHUNK: u32 = 4096;

const IDLE: i32 = 0;
const LOADING: i32 = 1;
const CLASSIFYING: i32 = 2;

/** The network file stands here as it came; the activations follow it. */
const network: usize = (__heap_base + 15) & ~15;
const record: usize = memory.data(4 + 4 * 64, 8);

let phase: i32 = IDLE;
let ready: bool = false;

// Loading.
let fileIova: u32 = 0;
let fileBytes: u32 = 0;
let taken: u32 = 0;
let checksum: u32 = 0;

// The network that was loaded.
let layers: i32 = 0;
let classes: i32 = 0;
let sampleBytes: u32 = 0;
let even: usize = 0;
let odd: usize = 0;

// Classifying.
let samples: u32 = 0;
let records: u32 = 0;
let count: u32 = 0;
let sample: u32 = 0;
/** -1 before the sample was fetched, `layers` when its logits stand. */
let layer: i32 = -1;
let at: usize = 0;
let part: i32 = 0;
let parts: i32 = 0;
let from: usize = 0;
let to: usize = 0;
let height: i32 = 0;
let width: i32 = 0;
let channels: i32 = 0;
let outHeight: i32 = 0;
let outWidth: i32 = 0;

export function start(): i32 {
  const operation = load<i32>(command, 4);
  phase = IDLE;
  if (operation == LOAD) return startLoad(load<u32>(command, 8), load<u32>(command, 12));
  if (operation == CLASSIFY) {
    return startClassify(load<u32>(command, 8), load<u32>(command, 12), load<u32>(command, 16));
  }
  return UNKNOWN_OPERATION;
}

export function step(budget: i32): i32 {
  let left = max(budget, 1);
  while (left > 0) {
    // Units of work done, 0 when the command is done, or a failure.
    const work = phase == LOADING ? takeChunk() : phase == CLASSIFYING ? advance() : UNKNOWN_OPERATION;
    if (work <= 0) {
      phase = IDLE;
      return work == 0 ? DONE : work;
    }
    left -= work;
  }
  return MORE;
}

function startLoad(iova: u32, bytes: u32): i32 {
  ready = false;
  if (bytes < HEADER_BYTES + LAYER_BYTES) return NOT_A_NETWORK;
  if (u64(network) + u64(bytes) > localBytes()) return DOES_NOT_FIT;
  if (u64(iova) + u64(bytes) > 0x1_0000_0000) return BAD_ARGUMENTS;
  fileIova = iova;
  fileBytes = bytes;
  taken = 0;
  checksum = 0x811c9dc5;
  phase = LOADING;
  return MORE;
}

function takeChunk(): i32 {
  const bytes = min(CHUNK, fileBytes - taken);
  if (dmaIn(network + taken, fileIova + taken, bytes) != 0) return DMA_FAULT;
  if (taken == 0 && !headerFits()) return NOT_A_NETWORK;
  for (let i = max(taken, HEADER_BYTES); i < taken + bytes; i++) {
    checksum = (checksum ^ load<u8>(network + i)) * 0x01000193;
  }
  taken += bytes;
  return taken < fileBytes ? i32(CHUNK >> 4) : accept();
}

function headerFits(): bool {
  return (
    load<u32>(network) == MAGIC && load<u32>(network, 4) == VERSION && load<u32>(network, 8) == fileBytes
  );
}

/** Checks the layer table against the file and local memory. 0: the network is loaded. */
function accept(): i32 {
  if (load<u32>(network, 12) != checksum) return BAD_CHECKSUM;
  let h = load<u32>(network, 16);
  let w = load<u32>(network, 20);
  let c = load<u32>(network, 24);
  const n = load<u32>(network, 28);
  if (n < 1 || n > MAX_LAYERS || HEADER_BYTES + n * LAYER_BYTES > fileBytes) return BAD_LAYER;
  if (!isSide(h) || !isSide(w) || !isSide(c)) return BAD_LAYER;
  const inputs = u64(h) * u64(w) * u64(c);
  if (inputs > MAX_PART) return DOES_NOT_FIT;
  let largest = inputs;
  for (let i: u32 = 0; i < n; i++) {
    // A refusal names the layer in the first result.
    store<u32>(command + 64, i);
    const table = network + HEADER_BYTES + i * LAYER_BYTES;
    const kind = load<i32>(table);
    const outputs = kind == POOL ? c : load<u32>(table, OUTPUTS);
    const last = i == n - 1;
    let work: u64 = 0;
    let weights: u64 = 0;
    if (!isSide(outputs) || (last && (kind != DENSE || outputs > MAX_CLASSES))) return BAD_LAYER;
    if (kind == DENSE) {
      work = u64(h) * u64(w) * u64(c);
      weights = work * u64(outputs);
      h = 1;
      w = 1;
    } else if (kind == CONV || kind == POOL) {
      const window = load<u32>(table, WINDOW);
      const stride = load<u32>(table, STRIDE);
      if (!isSide(window) || !isSide(stride) || window > h || window > w) return BAD_LAYER;
      work = u64(window) * u64(window) * u64(c) * (kind == CONV ? u64(outputs) : 1);
      if (kind == CONV) weights = work;
      h = (h - window) / stride + 1;
      w = (w - window) / stride + 1;
    } else {
      return BAD_LAYER;
    }
    if (work > MAX_PART) return DOES_NOT_FIT;
    if (kind != POOL) {
      const offset = load<u32>(table, PARAMETERS);
      if (offset & 3 || u64(offset) + u64(outputs) * 4 + weights > u64(fileBytes)) return BAD_LAYER;
      if (!last && !scaleFits(table)) return BAD_LAYER;
    }
    c = outputs;
    largest = max(largest, u64(h) * u64(w) * u64(c));
  }
  const end = u64(network) + u64(fileBytes) + largest * 2;
  if (end > localBytes()) return DOES_NOT_FIT;
  layers = n;
  classes = c;
  sampleBytes = u32(inputs);
  even = network + fileBytes;
  odd = even + usize(largest);
  ready = true;
  store<i32>(command + 64, layers);
  store<i32>(command + 64, classes, 4);
  store<u32>(command + 64, sampleBytes, 8);
  store<u32>(command + 64, u32(end), 12);
  return 0;
}

function isSide(value: u32): bool {
  return value >= 1 && value <= MAX_SIDE;
}

function scaleFits(table: usize): bool {
  const multiplier = load<u32>(table, MULTIPLIER);
  const shift = load<u32>(table, SHIFT);
  const relu = load<u32>(table, RELU);
  return multiplier <= MAX_MULTIPLIER && shift >= 1 && shift <= MAX_SHIFT && relu <= 1;
}

function localBytes(): u64 {
  return u64(memory.size()) << 16;
}

function startClassify(input: u32, samplesCount: u32, output: u32): i32 {
  if (!ready) return NO_NETWORK;
  const end: u64 = 0x1_0000_0000;
  if (u64(input) + u64(samplesCount) * u64(sampleBytes) > end) return BAD_ARGUMENTS;
  if (u64(output) + u64(samplesCount) * u64(recordBytes()) > end) return BAD_ARGUMENTS;
  samples = input;
  records = output;
  count = samplesCount;
  sample = 0;
  layer = -1;
  phase = CLASSIFYING;
  return MORE;
}

/** The next part of the work: a sample in, one position of a layer, or a record out. */
function advance(): i32 {
  if (sample == count) {
    store<u32>(command + 64, count);
    store<u32>(command + 64, recordBytes(), 4);
    return 0;
  }
  if (layer < 0) return takeSample();
  if (layer == layers) return giveRecord();
  const kind = load<i32>(at);
  const work = kind == CONV ? convolve() : kind == POOL ? pool() : neuron();
  part++;
  if (part == parts) endLayer();
  return work;
}

function takeSample(): i32 {
  if (dmaIn(even, samples + sample * sampleBytes, sampleBytes) != 0) return DMA_FAULT;
  for (let i: u32 = 0; i < sampleBytes; i++) store<u8>(even + i, load<u8>(even + i) >> 1);
  from = even;
  to = odd;
  height = load<i32>(network, 16);
  width = load<i32>(network, 20);
  channels = load<i32>(network, 24);
  layer = 0;
  beginLayer();
  return i32(sampleBytes >> 4) + 1;
}

function beginLayer(): void {
  at = network + HEADER_BYTES + layer * LAYER_BYTES;
  part = 0;
  if (load<i32>(at) == DENSE) {
    outHeight = 1;
    outWidth = 1;
    parts = load<i32>(at, OUTPUTS);
  } else {
    const window = load<i32>(at, WINDOW);
    const stride = load<i32>(at, STRIDE);
    outHeight = (height - window) / stride + 1;
    outWidth = (width - window) / stride + 1;
    parts = outHeight * outWidth;
  }
}

function endLayer(): void {
  if (load<i32>(at) != POOL) channels = load<i32>(at, OUTPUTS);
  height = outHeight;
  width = outWidth;
  const next = from;
  from = to;
  to = next;
  layer++;
  if (layer < layers) beginLayer();
}

/** All channels of one output position. */
function convolve(): i32 {
  const outputs = load<i32>(at, OUTPUTS);
  const window = load<i32>(at, WINDOW);
  const multiplier = load<i32>(at, MULTIPLIER);
  const shift = load<i32>(at, SHIFT);
  const lowest = load<i32>(at, RELU) ? 0 : -128;
  const bias = network + load<u32>(at, PARAMETERS);
  const run = window * channels;
  const corner = positionInput();
  const out = to + part * outputs;
  let weights = bias + (outputs << 2);
  for (let o = 0; o < outputs; o++) {
    let accumulator = load<i32>(bias + (o << 2));
    let row = corner;
    for (let y = 0; y < window; y++) {
      accumulator += dot(row, weights, run);
      row += width * channels;
      weights += run;
    }
    store<i8>(out + o, requantise(accumulator, multiplier, shift, lowest));
  }
  return 1 + ((outputs * window * run) >> 4);
}

/** The largest value of each channel in one window. */
function pool(): i32 {
  const window = load<i32>(at, WINDOW);
  const corner = positionInput();
  const out = to + part * channels;
  for (let c = 0; c < channels; c++) {
    let largest: i32 = -128;
    for (let y = 0; y < window; y++) {
      let value = corner + y * width * channels + c;
      for (let x = 0; x < window; x++) {
        largest = max(largest, i32(load<i8>(value)));
        value += channels;
      }
    }
    store<i8>(out + c, largest);
  }
  return 1 + ((window * window * channels) >> 4);
}

/** One output of a dense layer; of the last layer, one logit. */
function neuron(): i32 {
  const outputs = load<i32>(at, OUTPUTS);
  const inputs = height * width * channels;
  const bias = network + load<u32>(at, PARAMETERS);
  const weights = bias + (outputs << 2) + part * inputs;
  const accumulator = load<i32>(bias + (part << 2)) + dot(from, weights, inputs);
  if (layer == layers - 1) {
    store<i32>(record + 4 + (part << 2), accumulator);
  } else {
    const lowest = load<i32>(at, RELU) ? 0 : -128;
    const value = requantise(accumulator, load<i32>(at, MULTIPLIER), load<i32>(at, SHIFT), lowest);
    store<i8>(to + part, value);
  }
  return 1 + (inputs >> 4);
}

/** The label is the first of the largest logits. */
function giveRecord(): i32 {
  let label = 0;
  for (let i = 1; i < classes; i++) {
    if (load<i32>(record + 4 + (i << 2)) > load<i32>(record + 4 + (label << 2))) label = i;
  }
  store<i32>(record, label);
  if (dmaOut(records + sample * recordBytes(), record, recordBytes()) != 0) return DMA_FAULT;
  sample++;
  layer = -1;
  return 1 + (classes >> 2);
}

/** Where the window of the current output position begins in the input. */
function positionInput(): usize {
  const stride = load<i32>(at, STRIDE);
  const y = (part / outWidth) * stride;
  const x = (part % outWidth) * stride;
  return from + (y * width + x) * channels;
}

function dot(a: usize, b: usize, length: i32): i32 {
  const end = a + length;
  const bulk = a + (length & ~3);
  let sum: i32 = 0;
  while (a < bulk) {
    sum += i32(load<i8>(a)) * i32(load<i8>(b));
    sum += i32(load<i8>(a, 1)) * i32(load<i8>(b, 1));
    sum += i32(load<i8>(a, 2)) * i32(load<i8>(b, 2));
    sum += i32(load<i8>(a, 3)) * i32(load<i8>(b, 3));
    a += 4;
    b += 4;
  }
  while (a < end) {
    sum += i32(load<i8>(a)) * i32(load<i8>(b));
    a++;
    b++;
  }
  return sum;
}

function requantise(accumulator: i32, multiplier: i32, shift: i32, lowest: i32): i32 {
  const scaled = (i64(accumulator) * i64(multiplier) + (i64(1) << i64(shift - 1))) >> i64(shift);
  return i32(max(min(scaled, 127), i64(lowest)));
}

function recordBytes(): u32 {
  return 4 + (u32(classes) << 2);
}
