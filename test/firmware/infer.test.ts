import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type Layer,
  type Network,
  type Shape,
  argmax,
  decodeNetwork,
  encodeNetwork,
  infer,
  outputShape,
} from '../../examples/cockpit/guests/assist/network.ts';
import { seededRandom } from '../../src/base/random.ts';
import { globalBytes, instantiateFirmware } from '../../src/firmware/instance.ts';
import { prepareFirmware } from '../../src/firmware/prepare.ts';
import { type FirmwareHarness, firmwareHarness } from './harness.ts';
import { idleHost, valueOf } from './loaded.ts';

const LOCAL = 4 * 65536;
const GUEST = 1 << 20;
const SAMPLES = 0x80000;
const RECORDS = 0xc0000;
const [LOAD, CLASSIFY] = [1, 2];

let image: Uint8Array<ArrayBuffer>;
beforeAll(() => {
  image = new Uint8Array(readFileSync('build/firmware/infer.wasm'));
});
const harness = (): FirmwareHarness => firmwareHarness(image, LOCAL, GUEST);

/** A network file placed at guest address 0, and the command that loads it. */
function load(firmware: FirmwareHarness, file: Uint8Array, budget?: number) {
  firmware.guest.set(file);
  return firmware.run(LOAD, [0, file.length], budget);
}

function classify(
  firmware: FirmwareHarness,
  samples: readonly Uint8Array[],
  classes: number,
  budget?: number,
) {
  samples.forEach((sample, index) => firmware.guest.set(sample, SAMPLES + index * sample.length));
  const { status } = firmware.run(CLASSIFY, [SAMPLES, samples.length, RECORDS], budget);
  const size = 1 + classes;
  const words = new Int32Array(firmware.guest.slice(RECORDS, RECORDS + samples.length * size * 4).buffer);
  const records = samples.map((_, index) => [...words.subarray(index * size, (index + 1) * size)]);
  return { status, records };
}

function expected(network: Network, sample: Uint8Array): number[] {
  const logits = infer(network, sample);
  return [argmax(logits), ...logits];
}

describe('the infer firmware', () => {
  it('gives the same logits as the reference, bit for bit, for any network, input and budget', () => {
    fc.assert(
      fc.property(
        networks(),
        fc.integer(),
        fc.integer({ min: 1, max: 3 }),
        fc.integer({ min: -1, max: 2000 }),
        (network, seed, count, budget) => {
          const random = seededRandom(seed);
          const inputs = network.input.height * network.input.width * network.input.channels;
          const samples = Array.from({ length: count }, () =>
            Uint8Array.from({ length: inputs }, () => random.below(256)),
          );
          const classes = lastOutputs(network);
          const firmware = harness();
          const loaded = load(firmware, encodeNetwork(network), budget);
          expect(loaded.status).toBe(1);
          expect(loaded.results.slice(0, 3)).toEqual([network.layers.length, classes, inputs]);
          const { status, records } = classify(firmware, samples, classes, budget);
          expect(status).toBe(1);
          expect(records).toEqual(samples.map((sample) => expected(network, sample)));
        },
      ),
      { numRuns: 150 },
    );
  });

  it('takes small steps: no budget makes a step longer than the budget and one part', () => {
    const firmware = harness();
    load(firmware, encodeNetwork(fixedNetwork()));
    const sample = new Uint8Array(64);
    firmware.guest.set(sample, SAMPLES);
    const one = firmware.run(CLASSIFY, [SAMPLES, 1, RECORDS], 1);
    const many = firmware.run(CLASSIFY, [SAMPLES, 1, RECORDS], 1_000_000);
    // A sample, 36 positions of the convolution, 9 of the pool, 3 neurons, a record, and the end.
    expect(one.steps).toBe(1 + 36 + 9 + 3 + 1 + 1);
    expect(many.steps).toBe(1);
    // 93 units of work, at most two in a part: a budget of 10 is never passed by more than one.
    const some = firmware.run(CLASSIFY, [SAMPLES, 1, RECORDS], 10);
    expect(some.steps).toBeGreaterThanOrEqual(Math.ceil(93 / 11));
  });

  it('keeps its network between commands, and forgets it when a load fails', () => {
    const network = fixedNetwork();
    const firmware = harness();
    const sample = Uint8Array.from({ length: 64 }, (_, index) => index * 4);
    load(firmware, encodeNetwork(network));
    firmware.guest.fill(0);
    for (let round = 0; round < 3; round++) {
      expect(classify(firmware, [sample], 3).records).toEqual([expected(network, sample)]);
    }
    expect(load(firmware, new Uint8Array(100)).status).toBeLessThan(0);
    expect(classify(firmware, [sample], 3).status).toBe(-2);
  });

  it('refuses to classify before a network was loaded, and operations it does not know', () => {
    expect(harness().run(CLASSIFY, [0, 1, 0]).status).toBe(-2);
    expect(harness().run(77, []).status).toBe(-1);
  });

  it('fails when a sample, a record or the network lies outside of what is mapped', () => {
    const firmware = harness();
    const file = encodeNetwork(fixedNetwork());
    expect(load(firmware, file).status).toBe(1);
    expect(firmware.run(CLASSIFY, [GUEST - 63, 1, RECORDS]).status).toBe(-4);
    expect(firmware.run(CLASSIFY, [SAMPLES, 1, GUEST - 8]).status).toBe(-4);
    expect(firmware.run(LOAD, [GUEST - 8, file.length]).status).toBe(-4);
  });

  it('refuses addresses that would wrap around', () => {
    const firmware = harness();
    expect(load(firmware, encodeNetwork(fixedNetwork())).status).toBe(1);
    expect(firmware.run(CLASSIFY, [SAMPLES, 0x7fffffff, RECORDS]).status).toBe(-3);
    expect(firmware.run(CLASSIFY, [0, 1, -4]).status).toBe(-3);
    expect(firmware.run(LOAD, [-64, 128]).status).toBe(-3);
  });

  it('refuses a file whose checksum, length or magic is wrong', () => {
    const file = encodeNetwork(fixedNetwork());
    const damaged = Uint8Array.from(file);
    damaged[200]! ^= 1;
    expect(load(harness(), damaged).status).toBe(-6);
    expect(load(harness(), file.subarray(0, file.length - 4)).status).toBe(-5);
    expect(load(harness(), new Uint8Array(file.length)).status).toBe(-5);
    expect(load(harness(), new Uint8Array(10)).status).toBe(-5);
  });

  it('refuses what does not fit into local memory or into a short step', () => {
    expect(harness().run(LOAD, [0, LOCAL]).status).toBe(-8);
    expect(harness().run(LOAD, [0, -1]).status).toBe(-8);
    // 200 x 200 outputs of 8 channels: the activations alone are larger than local memory.
    const wide: Network = {
      input: { height: 200, width: 200, channels: 1 },
      layers: [conv(1, 1, 8, 1), { kind: 'pool', window: 4, stride: 100 }, dense(32, 1)],
    };
    expect(load(harness(), encodeNetwork(wide)).status).toBe(-8);
    const heavy: Network = {
      input: { height: 40, width: 40, channels: 41 },
      layers: [dense(40 * 40 * 41, 1)],
    };
    expect(load(harness(), encodeNetwork(heavy)).status).toBe(-8);
  });

  it('accepts a network up to the last byte of local memory, and executes it', () => {
    const network = (width: number): Network => ({
      input: { height: 250, width, channels: 1 },
      layers: [conv(1, 1, 2, 1), { kind: 'pool', window: 4, stride: 50 }, dense(5 * 6 * 2, 2)],
    });
    const used = (width: number): number => load(harness(), encodeNetwork(network(width))).results[3]!;
    const perColumn = used(256) - used(255);
    expect(perColumn).toBe(2 * 250 * 2);
    const widest = 255 + Math.floor((LOCAL - used(255)) / perColumn);
    const firmware = harness();
    expect(load(firmware, encodeNetwork(network(widest))).status).toBe(1);
    const sample = Uint8Array.from({ length: 250 * widest }, (_, index) => index * 7);
    expect(classify(firmware, [sample], 2).records).toEqual([expected(network(widest), sample)]);
    expect(load(harness(), encodeNetwork(network(widest + 1))).status).toBe(-8);
  });

  it('refuses a window that is higher or wider than its input', () => {
    const windowed = (height: number, width: number): Uint8Array =>
      encodeNetwork({ input: { height, width, channels: 1 }, layers: [conv(3, 1, 1, 1), dense(1, 1)] });
    expect(load(harness(), windowed(3, 3)).status).toBe(1);
    expect(load(harness(), windowed(3, 2)).status).toBe(-7);
    expect(load(harness(), windowed(2, 3)).status).toBe(-7);
  });

  it('answers with the first of equal logits', () => {
    const even = { ...fixedNetwork().layers[2]!, bias: Int32Array.of(5, 9, 9), weights: new Int8Array(192) };
    const firmware = harness();
    load(firmware, encodeNetwork({ input: { height: 8, width: 8, channels: 1 }, layers: [even as Layer] }));
    expect(classify(firmware, [new Uint8Array(64)], 3).records).toEqual([[1, 5, 9, 9]]);
  });

  it('never traps and never hangs on a file with any word of its tables overwritten', () => {
    const file = encodeNetwork(fixedNetwork());
    const words = 8 + 3 * 8;
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 4, max: words - 1 }), hostileWord()), {
          minLength: 1,
          maxLength: 3,
        }),
        (changes) => {
          const hostile = Uint8Array.from(file);
          const view = new DataView(hostile.buffer);
          for (const [word, value] of changes) view.setUint32(word * 4, value, true);
          view.setUint32(12, checksum(hostile.subarray(32)), true);
          const firmware = harness();
          const { status, results } = load(firmware, hostile);
          expect([1, -7, -8]).toContain(status);
          // What it accepts, it executes.
          if (status === 1) expect(firmware.run(CLASSIFY, [SAMPLES, 1, RECORDS]).status).toBe(1);
          else expect(results[0]).toBeLessThan(64);
        },
      ),
      { numRuns: 400 },
    );
  });

  it('names the layer that it refuses in the first result', () => {
    const file = encodeNetwork(fixedNetwork());
    const view = new DataView(file.buffer);
    view.setUint32(32 + 32 + 8, 9, true);
    view.setUint32(12, checksum(file.subarray(32)), true);
    const { status, results } = load(harness(), file);
    expect([status, results[0]]).toEqual([-7, 1]);
  });
});

describe('two contexts of the infer firmware', () => {
  it('each keep their network when they are switched after every step', () => {
    const random = seededRandom(5);
    const contexts = [conv(3, 1, 2, 1), conv(2, 2, 3, 1)].map((first): Context => {
      const shape = outputShape(first, { height: 8, width: 8, channels: 1 });
      const last = dense(shape.height * shape.width * shape.channels, 3);
      const network: Network = { input: { height: 8, width: 8, channels: 1 }, layers: [first, last] };
      const sample = Uint8Array.from({ length: 64 }, () => random.below(256));
      const file = encodeNetwork(network);
      const guest = new Uint8Array(GUEST);
      guest.set(file);
      guest.set(sample, SAMPLES);
      const commands = [
        [LOAD, 0, file.length],
        [CLASSIFY, SAMPLES, 1, RECORDS],
      ];
      return { guest, commands, expected: expected(network, sample), saved: undefined, under: false };
    });
    let switches = 0;
    for (let next = contexts; next.length > 0; next = next.filter(({ commands }) => commands.length > 0)) {
      next.forEach(runOneStep);
      switches += next.length;
    }
    // Each: two for the load; start, sample, the positions of its convolution, 3 neurons, record, end.
    expect(switches).toBe(2 + 2 + 36 + 5 + (2 + 2 + 16 + 5));
    for (const { guest, expected: record } of contexts) {
      expect([...new Int32Array(guest.slice(RECORDS, RECORDS + 16).buffer)]).toEqual(record);
    }
  });
});

interface Context {
  readonly guest: Uint8Array;
  readonly commands: number[][];
  readonly expected: number[];
  saved: { local: Uint8Array; globals: DataView } | undefined;
  under: boolean;
}

/** Loads the context into a new instance, makes one step of its first command, and saves it. */
function runOneStep(context: Context): void {
  const { guest } = context;
  const memory = new WebAssembly.Memory({ initial: 4, maximum: 4, shared: true });
  const local = new Uint8Array(memory.buffer);
  const prepared = valueOf(prepareFirmware('infer', image));
  const firmware = valueOf(
    instantiateFirmware(prepared, memory, {
      ...idleHost,
      dmaIn: (to, iova, size) => {
        local.set(guest.subarray(iova, iova + size), to);
        return 0;
      },
      dmaOut: (iova, from, size) => {
        guest.set(local.subarray(from, from + size), iova);
        return 0;
      },
    }),
  );
  if (context.saved !== undefined) {
    local.set(context.saved.local);
    firmware.loadGlobals(context.saved.globals);
  }
  let status: number;
  if (context.under) {
    status = firmware.step(1);
  } else {
    new Int32Array(memory.buffer, firmware.commandAddress, 24).set(context.commands[0]!, 1);
    status = firmware.start();
  }
  expect(status).toBeGreaterThanOrEqual(0);
  context.under = status === 0;
  if (status === 1) context.commands.shift();
  const globals = new DataView(new ArrayBuffer(globalBytes(prepared)));
  firmware.saveGlobals(globals);
  context.saved = { local: local.slice(), globals };
}

describe('a network file', () => {
  it('decodes to what was encoded', () => {
    fc.assert(
      fc.property(networks(), (network) => {
        expect(decodeNetwork(encodeNetwork(network))).toEqual(network);
      }),
    );
  });

  it('is refused with a reason when it is damaged', () => {
    const file = encodeNetwork(fixedNetwork());
    const damaged = Uint8Array.from(file);
    damaged[100]! ^= 1;
    expect(() => decodeNetwork(damaged)).toThrow('damaged');
    expect(() => decodeNetwork(file.subarray(0, 90))).toThrow(`expected ${file.length}`);
    expect(() => decodeNetwork(new Uint8Array(64))).toThrow('CVNN');
  });
});

/** 8 x 8 -> convolution 3 x 3 of 2 channels -> pool 2 x 2 -> 3 classes. */
function fixedNetwork(): Network {
  return {
    input: { height: 8, width: 8, channels: 1 },
    layers: [conv(3, 1, 2, 1), { kind: 'pool', window: 2, stride: 2 }, dense(18, 3)],
  };
}

function conv(window: number, stride: number, outputs: number, channels: number): Layer {
  return { kind: 'conv', window, stride, ...parameters(window * window * channels, outputs, 7) };
}

function dense(inputs: number, outputs: number): Layer {
  return { kind: 'dense', ...parameters(inputs, outputs, 8) };
}

function parameters(inputs: number, outputs: number, seed: number) {
  const random = seededRandom(seed);
  return {
    bias: Int32Array.from({ length: outputs }, () => random.below(2000) - 1000),
    weights: Int8Array.from({ length: inputs * outputs }, () => random.below(256) - 128),
    scale: { multiplier: 1 << 20, shift: 28 },
    relu: true,
  };
}

/** Small networks of any form, with weights, biases and scales up to their limits. */
function networks(): fc.Arbitrary<Network> {
  const layer = fc.record({
    kind: fc.constantFrom('conv' as const, 'pool' as const, 'dense' as const),
    outputs: fc.integer({ min: 1, max: 6 }),
    window: fc.integer({ min: 1, max: 4 }),
    stride: fc.integer({ min: 1, max: 3 }),
    multiplier: fc.integer({ min: 0, max: (1 << 21) - 1 }),
    shift: fc.oneof(fc.integer({ min: 18, max: 34 }), fc.integer({ min: 1, max: 51 })),
    relu: fc.boolean(),
    hugeBias: fc.boolean(),
    seed: fc.integer(),
  });
  const input = fc.record({
    height: fc.integer({ min: 1, max: 10 }),
    width: fc.integer({ min: 1, max: 10 }),
    channels: fc.integer({ min: 1, max: 3 }),
  });
  return fc.tuple(input, fc.array(layer, { maxLength: 3 }), layer).map(([shape, hidden, last]) => {
    const layers: Layer[] = [];
    let current: Shape = shape;
    for (const recipe of [...hidden, { ...last, kind: 'dense' as const }]) {
      const { kind, outputs, multiplier, shift, relu, stride } = recipe;
      const random = seededRandom(recipe.seed);
      const window = Math.min(recipe.window, current.height, current.width);
      const inputs = (kind === 'conv' ? window * window : current.height * current.width) * current.channels;
      const weighted = {
        bias: Int32Array.from({ length: outputs }, () => random.bits() >> (recipe.hugeBias ? 0 : 20)),
        weights: Int8Array.from({ length: inputs * outputs }, () => random.bits()),
        scale: { multiplier, shift },
        relu,
      };
      const next: Layer =
        kind === 'pool'
          ? { kind, window, stride }
          : kind === 'conv'
            ? { kind, window, stride, ...weighted }
            : { kind, ...weighted };
      layers.push(next);
      current = outputShape(next, current);
    }
    return { input: shape, layers };
  });
}

function lastOutputs(network: Network): number {
  const last = network.layers.at(-1);
  return last?.kind === 'dense' ? last.bias.length : 0;
}

function hostileWord(): fc.Arbitrary<number> {
  return fc.oneof(
    fc.integer({ min: 0, max: 20 }),
    fc.constantFrom(0xffff_ffff, 0x8000_0000, 0x7fff_ffff, 0x1_0000, 4096, 4097, 65536 * 4),
    fc.integer({ min: 0, max: 0xffff_ffff }),
  );
}

/** FNV-1a, 32 bits (Fowler, Noll and Vo). */
function checksum(bytes: Uint8Array): number {
  return bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0;
}
