import { seededRandom } from '../../../src/base/random.js';
import { CLASSES, PIXELS, SIDE, picture } from '../guests/assist/digits.js';
import { argmax } from '../guests/assist/network.js';
import { convolution, maxPool } from './layers.js';
import { shuffled } from './mnist.js';
const INITIAL_SEED = 1;
const SHIFT_SEED = 2;
const BATCH = 16;
/** The network in floating point: two convolutions, each with a pool, and two dense layers. */
export function createModel() {
  const random = seededRandom(INITIAL_SEED);
  const side = (length) => ({ height: length, width: length });
  const conv1 = convolution({ ...side(SIDE), channels: 1 }, side(5), 8, true, random);
  const pool1 = maxPool(conv1.output);
  const conv2 = convolution(pool1.output, side(3), 16, true, random);
  const pool2 = maxPool(conv2.output);
  const dense1 = convolution(pool2.output, pool2.output, 64, true, random);
  const dense2 = convolution(dense1.output, dense1.output, CLASSES, false, random);
  return [conv1, pool1, conv2, pool2, dense1, dense2];
}
/** A picture as the network sees it: 0 to 1 in the 128 steps that int8 has. */
export function toInput(pixels) {
  return Float32Array.from(pixels, (pixel) => (pixel >> 1) / 127);
}
/** The outputs of every layer for one picture; the last are the logits. Valid until the next call. */
export function forward(model, input) {
  const outputs = [];
  for (const layer of model) outputs.push(layer.forward(outputs.at(-1) ?? input));
  return outputs;
}
/** One pass over the digits in an order of its own, each moved by up to two pixels. Returns the mean loss. */
export function trainEpoch(model, digits, epoch, rate) {
  const random = seededRandom(SHIFT_SEED + epoch);
  const order = shuffled(digits.count, epoch);
  let loss = 0;
  order.forEach((index, position) => {
    const moved = shift(picture(digits, index), random.below(5) - 2, random.below(5) - 2);
    const logits = forward(model, toInput(moved)).at(-1);
    const label = digits.labels[index];
    let gradient = softmax(logits);
    loss -= Math.log(Math.max(gradient[label], 1e-30));
    gradient[label] -= 1;
    for (const layer of model.toReversed()) gradient = layer.backward(gradient);
    if ((position + 1) % BATCH === 0) for (const layer of model) layer.update(rate, BATCH);
  });
  return loss / digits.count;
}
/** The share of digits whose largest logit is their label's. */
export function accuracy(digits, classify) {
  let right = 0;
  digits.labels.forEach((label, index) => {
    if (argmax(classify(picture(digits, index))) === label) right++;
  });
  return right / digits.count;
}
function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - largest));
  const total = powers.reduce((sum, power) => sum + power);
  return powers.map((power) => power / total);
}
function shift(pixels, right, down) {
  const moved = new Uint8Array(PIXELS);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const [fromX, fromY] = [x - right, y - down];
      if (fromX < 0 || fromX >= SIDE || fromY < 0 || fromY >= SIDE) continue;
      moved[y * SIDE + x] = pixels[fromY * SIDE + fromX];
    }
  }
  return moved;
}
