import { type Digits, SIDE, picture } from '../guests/assist/digits.ts';
import type { Layer, Network, Scale } from '../guests/assist/network.ts';
import type { TrainableLayer, WeightedLayer } from './layers.ts';
import { forward, toInput } from './model.ts';

/**
 * The model in int8: weights and activations are integers times one scale per layer, zero stays zero. A
 * layer's activation scale is chosen so that the largest value seen on the calibration digits is 127.
 */
export function quantise(model: readonly TrainableLayer[], calibration: Digits): Network {
  const largest = largestOutputs(model, calibration);
  let inputScale = 1 / 127;
  const layers = model.map((layer, index): Layer => {
    if (!isWeighted(layer)) return { kind: 'pool', window: 2, stride: 2 };
    const weightScale = Math.max(...layer.weights.map(Math.abs)) / 127;
    const accumulatorScale = inputScale * weightScale;
    const last = index === model.length - 1;
    const outputScale = largest[index]! / 127;
    const parameters = {
      bias: Int32Array.from(layer.bias, (value) => Math.round(value / accumulatorScale)),
      weights: Int8Array.from(layer.weights, (value) => Math.round(value / weightScale)),
      scale: last ? { multiplier: 0, shift: 0 } : scaleOf(accumulatorScale / outputScale),
      relu: layer.relu,
    };
    inputScale = outputScale;
    if (layer.output.height === 1 && layer.output.width === 1) return { kind: 'dense', ...parameters };
    const window = Math.sqrt(layer.weights.length / layer.bias.length / inputChannels(model, index));
    return { kind: 'conv', window, stride: 1, ...parameters };
  });
  return { input: { height: SIDE, width: SIDE, channels: 1 }, layers };
}

/** `factor`, below 1, as a multiplier of 21 bits and a shift. */
export function scaleOf(factor: number): Scale {
  let shift = 20;
  while (Math.round(factor * 2 ** (shift + 1)) < 2 ** 21) shift++;
  return { multiplier: Math.round(factor * 2 ** shift), shift };
}

function largestOutputs(model: readonly TrainableLayer[], digits: Digits): number[] {
  const largest = model.map(() => 0);
  for (let index = 0; index < digits.count; index++) {
    forward(model, toInput(picture(digits, index))).forEach((output, layer) => {
      for (const value of output) largest[layer] = Math.max(largest[layer]!, Math.abs(value));
    });
  }
  return largest;
}

function inputChannels(model: readonly TrainableLayer[], index: number): number {
  return model[index - 1]?.output.channels ?? 1;
}

function isWeighted(layer: TrainableLayer): layer is WeightedLayer {
  return 'weights' in layer;
}
