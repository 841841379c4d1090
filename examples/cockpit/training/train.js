// Trains the digit network, quantises it and writes the assets of the `assist` domain:
//
//   npx tsx examples/cockpit/training/train.ts [epochs]
//
// The same machine and the same Node give the same files.
import { mkdirSync, writeFileSync } from 'node:fs';
import { encodeDigits } from '../guests/assist/digits.js';
import { encodeNetwork, infer } from '../guests/assist/network.js';
import { first, loadMnist } from './mnist.js';
import { accuracy, createModel, forward, toInput, trainEpoch } from './model.js';
import { quantise } from './quantise.js';
const SHIPPED = 512;
const CALIBRATION = 512;
const RATE = 0.002;
const assets = new URL('../assets/digits/', import.meta.url);
const percent = (share) => `${(share * 100).toFixed(2)} %`;
const epochs = Number(process.argv[2] ?? 12);
const { training, heldOut } = loadMnist();
const model = createModel();
for (let epoch = 0; epoch < epochs; epoch++) {
  // Falls along a half cosine: large steps first, small ones to settle.
  const rate = (RATE * (1 + Math.cos((Math.PI * epoch) / epochs))) / 2;
  const loss = trainEpoch(model, training, epoch, rate);
  console.log(`epoch ${epoch + 1} of ${epochs}: mean loss ${loss.toFixed(4)}`);
}
const network = quantise(model, first(training, CALIBRATION));
const float = accuracy(heldOut, (pixels) => forward(model, toInput(pixels)).at(-1));
const int8 = accuracy(heldOut, (pixels) => infer(network, pixels));
const file = encodeNetwork(network);
const shipped = first(heldOut, SHIPPED);
const shippedInt8 = accuracy(shipped, (pixels) => infer(network, pixels));
const figures = {
  trainedOn: training.count,
  heldOut: heldOut.count,
  float,
  int8,
  shipped: SHIPPED,
  shippedInt8,
};
mkdirSync(assets, { recursive: true });
writeFileSync(new URL('network.bin', assets), file);
writeFileSync(new URL('samples.bin', assets), encodeDigits(shipped));
writeFileSync(new URL('accuracy.json', assets), `${JSON.stringify(figures, undefined, 2)}\n`);
console.log(`held-out digits (${heldOut.count}): float ${percent(float)}, int8 ${percent(int8)}`);
console.log(`shipped digits (${SHIPPED}): int8 ${percent(shippedInt8)}; network of ${file.length} bytes`);
