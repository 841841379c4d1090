import type { Random } from '../../../src/base/random.ts';
import type { Shape } from '../guests/assist/network.ts';

/**
 * A layer in floating point that learns: `forward`, then `backward` with the loss's gradient at its
 * outputs, for each sample of a batch; then `update` once. Arrays are `[row][column][channel]`.
 */
export interface TrainableLayer {
  readonly output: Shape;
  forward(input: Float32Array): Float32Array;
  /** Adds to the gradients of the parameters; returns the gradient at the inputs. */
  backward(gradient: Float32Array): Float32Array;
  update(rate: number, batch: number): void;
}

export interface WeightedLayer extends TrainableLayer {
  readonly bias: Float32Array;
  /** `[output][row][column][channel]`. */
  readonly weights: Float32Array;
  readonly relu: boolean;
}

export const sizeOf = (shape: Shape): number => shape.height * shape.width * shape.channels;

/** A convolution without padding, stride 1. A dense layer is one whose window is its whole input. */
export function convolution(
  input: Shape,
  window: { height: number; width: number },
  outputs: number,
  relu: boolean,
  random: Random,
): WeightedLayer {
  const output = {
    height: input.height - window.height + 1,
    width: input.width - window.width + 1,
    channels: outputs,
  };
  const run = window.width * input.channels;
  const fanIn = window.height * run;
  const rowSize = input.width * input.channels;
  // He initialisation: a uniform draw of variance 2 / fan-in.
  const weights = Float32Array.from(
    { length: outputs * fanIn },
    () => (random.unit() * 2 - 1) * Math.sqrt(6 / fanIn),
  );
  const bias = new Float32Array(outputs);
  const weightGradient = new Float32Array(weights.length);
  const biasGradient = new Float32Array(outputs);
  const learners = [adam(weights, weightGradient), adam(bias, biasGradient)];
  const result = new Float32Array(sizeOf(output));
  const inputGradient = new Float32Array(sizeOf(input));
  let seen = new Float32Array();

  const positions = (visit: (corner: number, at: number) => void): void => {
    for (let y = 0, at = 0; y < output.height; y++) {
      for (let x = 0; x < output.width; x++, at += outputs) {
        visit(y * rowSize + x * input.channels, at);
      }
    }
  };
  return {
    output,
    bias,
    weights,
    relu,
    forward(activations) {
      seen = activations as Float32Array<ArrayBuffer>;
      positions((corner, at) => {
        for (let o = 0, weight = 0; o < outputs; o++) {
          let sum = bias[o]!;
          for (let y = 0; y < window.height; y++) {
            let from = corner + y * rowSize;
            for (const end = from + run; from < end; from++) sum += activations[from]! * weights[weight++]!;
          }
          result[at + o] = relu && sum < 0 ? 0 : sum;
        }
      });
      return result;
    },
    backward(gradient) {
      inputGradient.fill(0);
      positions((corner, at) => {
        for (let o = 0; o < outputs; o++) {
          const slope = relu && result[at + o]! <= 0 ? 0 : gradient[at + o]!;
          if (slope === 0) continue;
          biasGradient[o]! += slope;
          let weight = o * fanIn;
          for (let y = 0; y < window.height; y++) {
            let from = corner + y * rowSize;
            for (const end = from + run; from < end; from++, weight++) {
              weightGradient[weight]! += slope * seen[from]!;
              inputGradient[from]! += slope * weights[weight]!;
            }
          }
        }
      });
      return inputGradient;
    },
    update(rate, batch) {
      for (const learn of learners) learn(rate, batch);
    },
  };
}

/** The largest of each 2 x 2 window. */
export function maxPool(input: Shape): TrainableLayer {
  const output = {
    height: Math.floor(input.height / 2),
    width: Math.floor(input.width / 2),
    channels: input.channels,
  };
  const result = new Float32Array(sizeOf(output));
  const winner = new Uint32Array(result.length);
  const inputGradient = new Float32Array(sizeOf(input));
  return {
    output,
    forward(activations) {
      for (let at = 0; at < result.length; at++) {
        const channel = at % output.channels;
        const x = Math.floor(at / output.channels) % output.width;
        const y = Math.floor(at / output.channels / output.width);
        const corner = (2 * y * input.width + 2 * x) * input.channels + channel;
        let best = corner;
        for (const from of [
          corner + input.channels,
          corner + input.width * input.channels,
          corner + (input.width + 1) * input.channels,
        ]) {
          if (activations[from]! > activations[best]!) best = from;
        }
        winner[at] = best;
        result[at] = activations[best]!;
      }
      return result;
    },
    backward(gradient) {
      inputGradient.fill(0);
      for (let at = 0; at < result.length; at++) inputGradient[winner[at]!]! += gradient[at]!;
      return inputGradient;
    },
    update() {},
  };
}

/** Adam (Kingma and Ba, 2015) with its usual constants. Clears the gradient. */
function adam(values: Float32Array, gradient: Float32Array): (rate: number, batch: number) => void {
  const mean = new Float32Array(values.length);
  const square = new Float32Array(values.length);
  let step = 0;
  return (rate, batch) => {
    step++;
    const size = (rate * Math.sqrt(1 - 0.999 ** step)) / (1 - 0.9 ** step);
    for (let i = 0; i < values.length; i++) {
      const slope = gradient[i]! / batch;
      mean[i] = 0.9 * mean[i]! + 0.1 * slope;
      square[i] = 0.999 * square[i]! + 0.001 * slope * slope;
      values[i]! -= (size * mean[i]!) / (Math.sqrt(square[i]!) + 1e-8);
      gradient[i] = 0;
    }
  };
}
