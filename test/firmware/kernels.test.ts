import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import jpegJs from 'jpeg-js';
import { describe, expect, test } from 'vitest';
import { encodeNetwork } from '../../examples/cockpit/guests/assist/network.ts';
import {
  drawCommand,
  encodeCorners,
  encodeDraws,
  encodeVertices,
} from '../../examples/cockpit/guests/cluster/commands.ts';
import { clusterFrame } from '../../examples/cockpit/guests/cluster/scene.ts';
import { present } from '../../src/base/assert.ts';
import { seededRandom } from '../../src/base/random.ts';
import { globalBytes } from '../../src/firmware/instance.ts';
import type { Loaded } from './loaded.ts';
import { builtKernel, command, idleHost, loadFirmware, results, trapOf } from './loaded.ts';

/** A kernel with one flat guest memory. */
function kernel(name: string, { metered = false, guestBytes = 4096, pages = 0 } = {}) {
  const guest = new Uint8Array(guestBytes);
  const interrupts: number[] = [];
  const inside = (iova: number, bytes: number): boolean => iova + bytes <= guest.length;
  const bytes = present(builtKernel(name), `build/firmware/${name}.wasm is built`);
  const loaded: Loaded = loadFirmware(bytes, {
    metered,
    pages,
    host: {
      ...idleHost,
      irq: (number) => void interrupts.push(number),
      dmaIn(local, iova, size) {
        if (!inside(iova, size)) return 1;
        new Uint8Array(loaded.memory.buffer).set(guest.subarray(iova, iova + size), local);
        return 0;
      },
      dmaOut(iova, local, size) {
        if (!inside(iova, size)) return 1;
        guest.set(new Uint8Array(loaded.memory.buffer, local, size), iova);
        return 0;
      },
    },
  });
  const { firmware } = loaded;
  /** Runs a command to its end; calls `between` before every step. */
  const run = (op: number, args: readonly number[], between: () => void = () => undefined, budget = 100) => {
    command(loaded, op, args);
    firmware.refuel(2 ** 30);
    let status = firmware.start();
    let steps = 0;
    for (; status === 0; steps++) {
      between();
      firmware.refuel(2 ** 30);
      status = firmware.step(budget);
    }
    return { status, steps, results: results(loaded) };
  };
  return { ...loaded, loaded, guest, interrupts, run };
}

/** A context as the world switch keeps it. */
function contextOf({ image, firmware, memory }: Loaded) {
  const globals = new DataView(new ArrayBuffer(globalBytes(image)));
  firmware.saveGlobals(globals);
  return { globals, local: new Uint8Array(memory.buffer).slice() };
}

function load({ firmware, memory }: Loaded, context: ReturnType<typeof contextOf>): void {
  new Uint8Array(memory.buffer).set(context.local);
  firmware.loadGlobals(context.globals);
}

describe('pattern', () => {
  test('finds its pattern again, in however much local memory there is', () => {
    for (const pages of [1, 3]) {
      const { run } = kernel('pattern', { pages });
      const filled = run(1, [7]);
      expect(filled.status).toBe(1);
      expect(filled.steps).toBeGreaterThan(30 * pages);
      expect(run(2, [7]).results.slice(0, 2)).toEqual([filled.results[0], -1]);
      expect(filled.results[0]).toBeGreaterThan(16_000 * pages);
    }
  });

  test('finds the one word that is different, and says where and what', () => {
    const { run, memory } = kernel('pattern');
    run(1, [7]);
    const words = new Int32Array(memory.buffer);
    const expected = words[9000]!;
    words[9000]! ^= 0x100;
    expect(run(2, [7]).results.slice(1, 4)).toEqual([36_000, expected ^ 0x100, expected]);
    expect(run(2, [8]).results[1]).not.toBe(-1);
  });

  test('reads and writes words of its memory, and none outside', () => {
    const { run } = kernel('pattern');
    run(5, [-2_139_062_144]);
    expect(run(3, [65_532]).results[0]).toBe(-2_139_062_144);
    const before = run(4, []).results[1];
    expect(run(6, [32_768, 5]).results[0]).toBe(5);
    expect(run(3, [32_768]).results[0]).toBe(5);
    expect(run(4, []).results[1]).not.toBe(before);
    for (const offset of [65_533, 65_536, -4, 2]) expect(run(3, [offset]).status).toBe(-2);
    expect(run(99, []).status).toBe(-1);
  });

  test('has a state of its own in globals: each context counts its own steps', () => {
    const { run, loaded } = kernel('pattern');
    const fresh = contextOf(loaded);
    const first = run(1, [1]).results;
    const mine = contextOf(loaded);
    load(loaded, fresh);
    expect(run(1, [1]).results).toEqual(first);
    load(loaded, mine);
    expect(run(1, [1]).results[7]).toBe(2 * first[7]!);
  });
});

describe('stream', () => {
  const filled = () => {
    const machine = kernel('stream', { guestBytes: 8192 });
    expect(machine.run(3, [100, 3001, 42]).status).toBe(1);
    return machine;
  };
  const fnv = (bytes: Uint8Array): number =>
    bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x0100_0193), 0x811c_9dc5 | 0);

  test('computes the checksum of guest memory, a chunk per step', () => {
    const { run, guest } = filled();
    const sum = run(1, [100, 3001]);
    expect([sum.status, sum.steps]).toEqual([1, 12]);
    expect(sum.results.slice(0, 2)).toEqual([fnv(guest.subarray(100, 3101)), 3001]);
    expect(run(1, [0, 0]).results.slice(0, 2)).toEqual([fnv(new Uint8Array()), 0]);
  });

  test('copies guest memory to guest memory and touches nothing around it', () => {
    const { run, guest } = filled();
    expect(run(2, [100, 4097, 3001]).results[0]).toBe(run(1, [100, 3001]).results[0]);
    expect(guest.subarray(4097, 7098)).toEqual(guest.subarray(100, 3101));
    expect([guest[4096], guest[7098]]).toEqual([0, 0]);
  });

  test('fails when the guest memory is not there', () => {
    const { run } = filled();
    expect(run(1, [8000, 400]).status).toBe(-2);
    expect(run(2, [0, 8100, 300]).status).toBe(-2);
    expect(run(9, []).status).toBe(-1);
  });
});

describe('spin', () => {
  test.each([
    [1, 'out of fuel'],
    [2, 'unreachable executed'],
    [3, 'memory access out of bounds'],
    [6, 'stack overflow'],
    [7, 'dma_in of 64 bytes at local address 65504 is outside of local memory (65536 bytes)'],
  ])('operation %d ends in a trap: %s', (op, reason) => {
    const { loaded, firmware } = kernel('spin', { metered: true });
    command(loaded, op, [0]);
    firmware.refuel(1_000_000);
    expect(firmware.start()).toBe(0);
    expect(trapOf(firmware, () => firmware.step(100))).toBe(reason);
  });

  test('fills the stack of the engine when it is not metered', () => {
    const { loaded, firmware } = kernel('spin');
    command(loaded, 6, []);
    firmware.start();
    expect(trapOf(firmware, () => firmware.step(100))).toBe('stack overflow');
  });

  test('asks for as many steps as it is told, and counts them', () => {
    const { run } = kernel('spin');
    expect(run(4, [250])).toMatchObject({ status: 1, steps: 250, results: [250, 0, 0, 0, 0, 0, 0, 0] });
  });

  test('denies to leave until it is through', () => {
    const { run, firmware } = kernel('spin');
    const answers: number[] = [];
    run(5, [75, 3], () => answers.push(firmware.quiesce()));
    expect([...answers, firmware.quiesce()]).toEqual([75, 75, 75, 0]);
  });

  test('denies to leave in steps as long as their budget, too', () => {
    const cycles = [1, 500].map((budget) => {
      const { loaded, firmware } = kernel('spin', { metered: true });
      command(loaded, 12, [75, 2]);
      firmware.refuel(1_000_000);
      firmware.start();
      const before = firmware.fuelLeft();
      expect([firmware.step(budget), firmware.quiesce()]).toEqual([0, 75]);
      const length = before - firmware.fuelLeft();
      expect([firmware.step(budget), firmware.quiesce()]).toEqual([1, 0]);
      return length;
    });
    expect(cycles[1]! / cycles[0]!).toBeGreaterThan(50);
  });

  test('reaches for guest memory and raises interrupts as it is told, and fails on demand', () => {
    const { run, interrupts, loaded, firmware } = kernel('spin', { guestBytes: 64 });
    expect([run(8, [0]).results[0], run(8, [1]).results[0]]).toEqual([0, 1]);
    run(11, [3, 9]);
    expect(interrupts).toEqual([9, 9, 9]);
    command(loaded, 9, [40]);
    expect(trapOf(firmware, () => firmware.start())).toBe('raised interrupt 40; a firmware has 2 to 31');
    expect([run(10, [-77]).status, run(13, []).status]).toEqual([-77, -1]);
  });
});

/** Real work for every kernel: what to put into guest memory, and the commands. */
interface Work {
  readonly name: string;
  readonly guestBytes: number;
  readonly prepare: (guest: Uint8Array) => readonly (readonly [op: number, args: readonly number[]])[];
}

const noise = (length: number, seed: number): Uint8Array => {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => random.below(256));
};

/** A picture with edges, corners and noise, as RGBA. */
const picture = (width: number, height: number): Uint8Array =>
  noise(4 * width * height, 3).map((value, place) => {
    const [x, y] = [(place >> 2) % width, Math.floor((place >> 2) / width)];
    return (place & 3) === 3 ? 255 : ((x >> 3) + (y >> 3)) % 2 === 0 ? 200 + (value >> 3) : value >> 2;
  });

const works: readonly Work[] = [
  { name: 'noop', guestBytes: 0, prepare: () => [[1, [1, 2, 3]]] },
  {
    name: 'pattern',
    guestBytes: 0,
    prepare: () => [
      [1, [9]],
      [2, [9]],
      [4, []],
    ],
  },
  {
    name: 'stream',
    guestBytes: 8192,
    prepare: () => [
      [3, [0, 3000, 5]],
      [2, [0, 4000, 3000]],
      [1, [0, 8000]],
    ],
  },
  {
    name: 'spin',
    guestBytes: 64,
    prepare: () => [
      [4, [20]],
      [5, [10, 20]],
      [12, [10, 20]],
      [8, [0]],
    ],
  },
  {
    name: 'vision',
    guestBytes: 1 << 16,
    prepare(guest) {
      guest.set(picture(48, 40));
      return [[3, [0, 48, 40, 10_000, 14_000, 40, 100, 20_000, 64, 500, 1000]]];
    },
  },
  {
    name: 'jpeg',
    guestBytes: 1 << 18,
    prepare(guest) {
      const { data } = jpegJs.encode({ width: 61, height: 45, data: picture(61, 45) }, 70);
      guest.set(data);
      return [
        [1, [0, data.length]],
        [2, [0, data.length, 1 << 16, 1 << 15, 1 << 17, 1 << 17, 4]],
      ];
    },
  },
  {
    name: 'infer',
    guestBytes: 1 << 14,
    prepare(guest) {
      const random = seededRandom(11);
      const weights = (length: number) => Int8Array.from({ length }, () => random.below(255) - 127);
      const scale = { multiplier: 1 << 12, shift: 20 };
      const file = encodeNetwork({
        input: { height: 9, width: 8, channels: 1 },
        layers: [
          {
            kind: 'conv',
            window: 3,
            stride: 1,
            bias: Int32Array.of(5, -9, 700),
            weights: weights(27),
            scale,
            relu: true,
          },
          { kind: 'pool', window: 2, stride: 2 },
          { kind: 'dense', bias: Int32Array.of(1, 2, 3, 4), weights: weights(108), scale, relu: false },
        ],
      });
      guest.set(file);
      guest.set(noise(216, 12), 8192);
      return [
        [1, [0, file.length]],
        [2, [8192, 3, 12_288]],
      ];
    },
  },
  {
    name: 'render',
    guestBytes: 1 << 20,
    prepare(guest) {
      const size = { width: 24, height: 16, samples: 1 } as const;
      const frame = clusterFrame(0.3, size);
      let free = 64;
      const put = (bytes: Uint8Array): number => {
        const at = free;
        guest.set(bytes, at);
        free = (at + bytes.length + 3) & ~3;
        return at;
      };
      const placed = new Map(
        frame.draws.map(({ mesh }) => [
          mesh,
          { vertices: put(encodeVertices(mesh)), corners: put(encodeCorners(mesh)) },
        ]),
      );
      const drawList = put(encodeDraws(frame, (mesh) => placed.get(mesh)!));
      const { op, args } = drawCommand(frame, size, drawList, free);
      return [[op, args ?? []]];
    },
  },
];

const digest = (bytes: NodeJS.ArrayBufferView): string => createHash('sha256').update(bytes).digest('hex');

describe.each(works)('$name', (work) => {
  const runAll = (metered: boolean, switched: boolean) => {
    const machine = kernel(work.name, { metered, guestBytes: work.guestBytes });
    const other = contextOf(machine.loaded);
    other.local.fill(0x5a);
    for (let place = 0; place < other.globals.byteLength; place++) other.globals.setUint8(place, 0x5a);
    const worldSwitch = (): void => {
      const context = contextOf(machine.loaded);
      load(machine.loaded, other);
      load(machine.loaded, context);
    };
    const runs = work
      .prepare(machine.guest)
      .map(([op, args]) => machine.run(op, args, switched ? worldSwitch : undefined, 20));
    expect(runs.map(({ status }) => status)).toEqual(runs.map(() => 1));
    const { local, globals } = contextOf(machine.loaded);
    return { runs, interrupts: machine.interrupts, digests: [machine.guest, local, globals].map(digest) };
  };

  test('gives the same bits metered and not, and switched out before every step and not', () => {
    const expected = runAll(false, false);
    expect(runAll(true, false)).toEqual(expected);
    expect(runAll(false, true)).toEqual(expected);
    expect(runAll(true, true)).toEqual(expected);
  });
});

test('every kernel of the repository is built and keeps to the ABI, metered and not', () => {
  for (const name of ['infer', 'jpeg', 'noop', 'pattern', 'render', 'spin', 'stream', 'vision'])
    for (const metered of [false, true]) {
      const { image } = kernel(name, { metered });
      const { pages } = JSON.parse(
        readFileSync(new URL(`../../src/firmware/kernels/${name}/kernel.json`, import.meta.url), 'utf8'),
      ) as { pages: number };
      expect([name, image.memoryPages]).toEqual([name, pages]);
    }
});
