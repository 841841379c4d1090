import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import jpegJs from 'jpeg-js';
import { afterAll, describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/base/random.ts';
import { globalBytes, instantiateFirmware } from '../../src/firmware/instance.ts';
import { prepareFirmware } from '../../src/firmware/prepare.ts';
import { idleHost, valueOf } from './loaded.ts';

const photo = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../../examples/cockpit/assets/photos/${name}`, import.meta.url)));
const { pages } = JSON.parse(
  readFileSync(new URL('../../src/firmware/kernels/jpeg/kernel.json', import.meta.url), 'utf8'),
) as { pages: number };
const kernel = readFileSync(new URL('../../build/firmware/jpeg.wasm', import.meta.url));
const image = valueOf(prepareFirmware('jpeg', kernel, { metered: false }));

const PROBE = 1;
const DECODE = 2;
const MORE = 0;
const DONE = 1;
const NOT_A_JPEG = -2;
const UNSUPPORTED = -3;
const DAMAGED = -4;
const TRUNCATED = -5;
const BUFFER_TOO_SMALL = -6;
const DMA_FAULT = -7;

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/** The firmware with one flat guest memory: the input at 0, scratch and output behind it, each with a fence. */
function machine(jpeg: Uint8Array, scratchBytes: number, outputBytes: number) {
  const scratch = jpeg.length + FENCE;
  const output = scratch + scratchBytes + FENCE;
  const guest = new Uint8Array(output + outputBytes + FENCE).fill(FENCED);
  guest.set(jpeg);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  const local = new Uint8Array(memory.buffer);
  const inside = (iova: number, bytes: number): boolean => iova + bytes <= guest.length;
  const firmware = valueOf(
    instantiateFirmware(image, memory, {
      ...idleHost,
      dmaIn(to, iova, bytes) {
        if (inside(iova, bytes)) local.set(guest.subarray(iova, iova + bytes), to);
        return inside(iova, bytes) ? 0 : 1;
      },
      dmaOut(iova, from, bytes) {
        if (inside(iova, bytes)) guest.set(local.subarray(from, from + bytes), iova);
        return inside(iova, bytes) ? 0 : 1;
      },
    }),
  );
  const block = firmware.commandAddress;
  return {
    firmware,
    guest,
    local,
    begin(op: number, args: readonly number[]): number {
      new Int32Array(memory.buffer, block, 24).fill(0).set([0, op, ...args]);
      return firmware.start();
    },
    decodeArguments: (bytesPerPixel = 3): number[] => [
      0,
      jpeg.length,
      output,
      outputBytes,
      scratch,
      scratchBytes,
      bytesPerPixel,
    ],
    results: (): number[] => [...new Int32Array(memory.buffer, block + 64, 8)],
    pixels: (): Uint8Array => guest.slice(output, output + outputBytes),
    /** True while nothing but scratch and output was written. */
    isFenced: (): boolean =>
      jpeg.every((byte, at) => guest[at] === byte) &&
      [jpeg.length, output - FENCE, output + outputBytes].every((from) =>
        guest.subarray(from, from + FENCE).every((byte) => byte === FENCED),
      ),
  };
}

type Machine = ReturnType<typeof machine>;

const FENCE = 64;
const FENCED = 0xa5;
const STEPS_AT_MOST = 1_000_000;

/** Steps to the end; fails the test when there is none. */
function finish(step: () => number, status: number): { status: number; steps: number } {
  let steps = 0;
  for (; status === MORE; steps++) {
    if (steps === STEPS_AT_MOST) throw new Error(`no end after ${STEPS_AT_MOST} steps`);
    status = step();
  }
  return { status, steps };
}

function probe(jpeg: Uint8Array): { status: number; results: number[] } {
  const { begin, firmware, results } = machine(jpeg, 0, 0);
  const { status } = finish(() => firmware.step(1000), begin(PROBE, [0, jpeg.length]));
  return { status, results: results() };
}

function decode(
  jpeg: Uint8Array,
  budget = 1000,
): Picture & { warnings: number; scans: number; steps: number } {
  const { status: probed, results: found } = probe(jpeg);
  expect(probed).toBe(DONE);
  const [width = 0, height = 0, , , scratch = 0] = found;
  const { begin, firmware, results, pixels, isFenced, decodeArguments } = machine(
    jpeg,
    scratch,
    width * height * 3,
  );
  const { status, steps } = finish(() => firmware.step(budget), begin(DECODE, decodeArguments()));
  expect(status).toBe(DONE);
  expect(isFenced()).toBe(true);
  const [, , , , , warnings = 0, scans = 0] = results();
  return { width, height, rgb: pixels(), warnings, scans, steps };
}

/** Where two pictures differ first: a diff of a million numbers says nothing. */
function firstDifference(actual: Picture, expected: Picture): string | undefined {
  if (actual.width !== expected.width || actual.height !== expected.height)
    return `${actual.width} x ${actual.height}, expected ${expected.width} x ${expected.height}`;
  const at = actual.rgb.findIndex((value, index) => value !== expected.rgb[index]);
  if (at < 0 && actual.rgb.length === expected.rgb.length) return undefined;
  const pixel = Math.floor(at / 3);
  const [x, y] = [pixel % actual.width, Math.floor(pixel / actual.width)];
  return `sample ${at % 3} of (${x}, ${y}): ${actual.rgb[at]}, expected ${expected.rgb[at]}`;
}

// Libjpeg's own programs, as they were packaged: the oracle, and the maker of pictures.

const hasLibjpeg =
  spawnSync('djpeg', ['-version']).status === 0 && spawnSync('cjpeg', ['-version']).status === 0;
if (!hasLibjpeg)
  console.warn('skipped: comparison with libjpeg needs djpeg and cjpeg (Debian: libjpeg-turbo-progs)');
// Without djpeg and cjpeg there is nothing to compare with.
const againstLibjpeg = describe.skipIf(!hasLibjpeg);

const folder = mkdtempSync(join(tmpdir(), 'covisor-jpeg-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs a filter. libjpeg's programs end with 2 when they warned and still did their work. */
function run(program: string, options: readonly string[], input: Uint8Array): Uint8Array {
  const { status, stdout, stderr } = spawnSync(program, options, { input, maxBuffer: 1 << 26 });
  if (status !== 0 && status !== 2) throw new Error(`${program} ${options.join(' ')}: ${stderr.toString()}`);
  return new Uint8Array(stdout);
}

function libjpeg(jpeg: Uint8Array, ...options: string[]): Picture {
  const ppm = run('djpeg', ['-ppm', ...options], jpeg);
  const [header = '', width, height] =
    /^P6\s(\d+)\s(\d+)\s255\s/.exec(new TextDecoder('latin1').decode(ppm.subarray(0, 40))) ?? [];
  return { width: Number(width), height: Number(height), rgb: ppm.subarray(header.length) };
}

function encode(picture: Picture, ...options: string[]): Uint8Array {
  const header = new TextEncoder().encode(`P6\n${picture.width} ${picture.height}\n255\n`);
  return run('cjpeg', options, Uint8Array.of(...header, ...picture.rgb));
}

/** Slopes, an edge of full contrast and some noise: every coefficient matters. */
function pattern(width: number, height: number): Picture {
  const random = seededRandom(width * 1000 + height);
  const rgb = new Uint8Array(width * height * 3);
  for (let y = 0, at = 0; y < height; y++) {
    for (let x = 0; x < width; x++, at += 3) {
      const inside = (x - width / 2) ** 2 + (y - height / 2) ** 2 < (width * height) / 9;
      rgb[at] = inside ? 255 - y * 2 : (x * 5) & 255;
      rgb[at + 1] = inside ? random.below(256) : (y * 7) & 255;
      rgb[at + 2] = inside ? 0 : (x * y + random.below(40)) & 255;
    }
  }
  return { width, height, rgb };
}

const scanScript = (text: string): string[] => {
  const file = join(folder, `${text.replaceAll(/\W+/g, '-')}.txt`);
  writeFileSync(file, text);
  return ['-scans', file];
};

const MODES = {
  baseline: [],
  optimized: ['-optimize'],
  progressive: ['-progressive'],
  'restart after each MCU': ['-restart', '1B'],
  'restart after five rows': ['-optimize', '-restart', '5'],
  'progressive, restart after five MCUs': ['-progressive', '-restart', '5B'],
  'a scan for each component': scanScript('0;1;2;'),
  'progressive, bit by bit': scanScript(
    '0 1 2:0-0,0,3;0:1-63,0,4;2:1-63,0,1;1:1-5,0,0;1:6-63,0,0;0:1-63,4,3;0 1 2:0-0,3,2;' +
      '0:1-63,3,2;0 1 2:0-0,2,1;0:1-63,2,1;2:1-63,1,0;0 1 2:0-0,1,0;0:1-63,1,0;',
  ),
} satisfies Record<string, readonly string[]>;

const SAMPLINGS = ['1x1', '2x1', '1x2', '2x2', '4x1', '1x4', '4x2', '3x1', '2x1,1x2,1x1', '2x2,2x1,1x2'];
const SIZES = [
  [1, 1],
  [7, 9],
  [17, 33],
  [4, 5],
] as const;

againstLibjpeg('the JPEG firmware, bit for bit against libjpeg', () => {
  test.each(Object.entries(MODES))('decodes every sampling, quality and odd size: %s', (_, mode) => {
    SAMPLINGS.forEach((sampling, index) => {
      const [width, height] = SIZES[index % 4]!;
      for (const quality of ['10', '75', '100']) {
        const source = quality === '75' ? pattern(97, 51) : pattern(width, height);
        const jpeg = encode(source, '-quality', quality, '-sample', sampling, ...mode);
        const made = `${source.width} x ${source.height}, quality ${quality}, sampling ${sampling}`;
        const picture = decode(jpeg);
        expect(firstDifference(picture, libjpeg(jpeg)), made).toBeUndefined();
        expect(picture.warnings, made).toBe(0);
      }
    });
  });

  test('decodes grayscale and RGB, with 16-bit quantization tables too', () => {
    for (const options of [
      ['-grayscale'],
      ['-grayscale', '-progressive', '-sample', '2x2'],
      ['-rgb'],
      ['-rgb', '-progressive'],
      ['-quality', '1'],
      ['-quality', '1', '-progressive'],
    ]) {
      const jpeg = encode(pattern(61, 45), ...options);
      expect(firstDifference(decode(jpeg), libjpeg(jpeg, '-rgb')), options.join(' ')).toBeUndefined();
    }
  });

  test.each([
    ['CMYK', 0],
    ['YCCK', 2],
  ])('decodes four components: %s', (_, transform) => {
    const jpeg = fourComponents(transform);
    expect(firstDifference(decode(jpeg), libjpeg(jpeg))).toBeUndefined();
  });

  test('decodes the photographs of the cockpit, which other programs made', () => {
    for (const name of ['rocket.jpg', 'chelsea-progressive.jpg']) {
      const jpeg = photo(name);
      expect(firstDifference(decode(jpeg), libjpeg(jpeg)), name).toBeUndefined();
    }
  });

  test('decodes a picture wider than its local memory could hold', () => {
    const jpeg = encode(pattern(9001, 3), '-sample', '2x2', '-quality', '90');
    expect(firstDifference(decode(jpeg), libjpeg(jpeg))).toBeUndefined();
  });

  test('passes over unknown segments, fill bytes and what follows the end', () => {
    const jpeg = encode(pattern(40, 40));
    const strange = Uint8Array.of(
      0xff,
      0xd8,
      0xff,
      0xff,
      0xff,
      0xe9,
      0,
      6,
      0xff,
      0xd9,
      0xff,
      0xda,
      0xff,
      0xfe,
      0,
      3,
      0xff,
      ...jpeg.subarray(2),
      0xff,
      0xd8,
      1,
      2,
      3,
    );
    expect(firstDifference(decode(strange), libjpeg(jpeg))).toBeUndefined();
  });

  test("keeps a component's quantization table once its first scan has begun, as in libjpeg", () => {
    const jpeg = encode(pattern(61, 45), '-progressive');
    let lastScan = jpeg.length - 2;
    while (jpeg[lastScan] !== 0xff || jpeg[lastScan + 1] !== 0xda) lastScan--;
    const table = [0xff, 0xdb, 0, 67, 0, ...Array.from({ length: 64 }, () => 99)];
    const changed = Uint8Array.of(...jpeg.subarray(0, lastScan), ...table, ...jpeg.subarray(lastScan));
    expect(firstDifference(decode(changed), libjpeg(changed))).toBeUndefined();
    expect(firstDifference(decode(changed), decode(jpeg))).toBeUndefined();
  });

  test('a wrong or lost restart marker costs its neighbourhood, as in libjpeg', () => {
    const jpeg = encode(pattern(97, 51), '-restart', '1B');
    const third = jpeg.findIndex((byte, at) => byte === 0xff && jpeg[at + 1] === 0xd3);
    for (const code of [0xd0, 0xd1, 0xd2, 0xd4, 0xd5, 0xd6, 0xd7, 0x00, 0x05]) {
      const damaged = Uint8Array.from(jpeg);
      damaged[third + 1] = code;
      const picture = decode(damaged);
      expect(picture.warnings).toBeGreaterThan(0);
      expect(firstDifference(picture, libjpeg(damaged)), code.toString(16)).toBeUndefined();
    }
  });

  test('a truncated picture keeps what was there, as in libjpeg', () => {
    const jpeg = encode(pattern(97, 51), '-sample', '1x1');
    const half = jpeg.subarray(0, jpeg.length >> 1);
    const picture = decode(half);
    expect(picture.warnings).toBeGreaterThan(0);
    expect(firstDifference(picture, libjpeg(half))).toBeUndefined();
  });
});

/** A file of four components, which cjpeg does not make: the scans of four grayscale files under one header. */
function fourComponents(transform: number): Uint8Array {
  const grays = [0, 1, 2, 3].map((seed) => {
    const { width, height, rgb } = pattern(45, 38);
    return encode(
      { width, height, rgb: rgb.map((value) => value ^ (seed * 0x35)) },
      '-grayscale',
      '-baseline',
    );
  });
  const body = (jpeg: Uint8Array, from: number, to: number): number[] => [
    ...jpeg.subarray(find(jpeg, from), to === 0 ? jpeg.length - 2 : find(jpeg, to)),
  ];
  const adobe = [0xff, 0xee, 0, 14, ...new TextEncoder().encode('Adobe'), 0, 100, 0, 0, 0, 0, transform];
  const frame = [0xff, 0xc0, 0, 20, 8, 0, 38, 0, 45, 4, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 4, 0x11, 0];
  const scans = grays.flatMap((gray, index) => {
    const scan = body(gray, 0xda, 0);
    scan[5] = index + 1;
    return scan;
  });
  const [first] = grays;
  return Uint8Array.of(
    0xff,
    0xd8,
    ...adobe,
    ...body(first!, 0xdb, 0xc0),
    ...frame,
    ...body(first!, 0xc4, 0xda),
    ...scans,
    0xff,
    0xd9,
  );
}

const find = (jpeg: Uint8Array, marker: number): number =>
  jpeg.findIndex((byte, at) => byte === 0xff && jpeg[at + 1] === marker);

// What follows needs no other program.

/** The pattern as jpeg-js encodes it: baseline, 4:4:4. */
function small(width: number, height: number): Uint8Array {
  const { rgb } = pattern(width, height);
  const data = new Uint8Array(width * height * 4);
  for (let pixel = 0; pixel < width * height; pixel++)
    data.set([rgb[pixel * 3]!, rgb[pixel * 3 + 1]!, rgb[pixel * 3 + 2]!, 255], pixel * 4);
  return new Uint8Array(jpegJs.encode({ width, height, data }, 80).data);
}

const rocket = photo('rocket.jpg');
const chelsea = photo('chelsea-progressive.jpg');

describe('the JPEG firmware', () => {
  test('agrees with another decoder within the rounding of the inverse transform', () => {
    // jpeg-js repeats chroma samples: only 4:4:4 pictures compare. It encodes those.
    const jpeg = small(120, 80);
    const { rgb } = decode(jpeg);
    const { data } = jpegJs.decode(jpeg, { useTArray: true, formatAsRGBA: false });
    const differences = rgb.map((value, at) => Math.abs(value - data[at]!));
    expect(Math.max(...differences)).toBeLessThanOrEqual(4);
    expect(differences.reduce((sum, each) => sum + each, 0) / rgb.length).toBeLessThan(0.5);
  });

  test('probe tells size, components, coding and scratch before anything is allocated', () => {
    expect(probe(rocket).results.slice(0, 5)).toEqual([640, 427, 3, 0, 640 * 432 * 3]);
    // 4:2:0 in whole MCUs: 464 x 304 samples and half of that again, at 3 bytes each.
    expect(probe(chelsea).results.slice(0, 5)).toEqual([451, 300, 3, 1, 464 * 304 * 1.5 * 3]);
  });

  test('any budget gives the same bits', () => {
    const jpeg = small(50, 34);
    const whole = decode(jpeg, 0x7fffffff);
    expect(whole.steps).toBe(1);
    fc.assert(
      fc.property(fc.integer({ min: -1, max: 5000 }), (budget) => {
        expect(firstDifference(decode(jpeg, budget), whole)).toBeUndefined();
      }),
      { numRuns: 30 },
    );
    expect(firstDifference(decode(chelsea, 1), decode(chelsea, 100_000))).toBeUndefined();
  });

  test('RGBA is RGB with an opaque fourth byte', () => {
    const jpeg = small(30, 20);
    const { rgb } = decode(jpeg);
    const { begin, firmware, pixels, decodeArguments } = machine(jpeg, probe(jpeg).results[4]!, 30 * 20 * 4);
    finish(() => firmware.step(1000), begin(DECODE, decodeArguments(4)));
    const rgba = pixels();
    expect(rgb.every((value, at) => rgba[Math.floor(at / 3) * 4 + (at % 3)] === value)).toBe(true);
    expect(rgba.filter((_, at) => at % 4 === 3).every((alpha) => alpha === 255)).toBe(true);
  });

  test('a context that moves to another coprocessor after every step gives the same bits', () => {
    for (const jpeg of [small(50, 34), chelsea.subarray(0, 6000)]) {
      const [width = 0, height = 0, , , scratch = 0] = probe(jpeg).results;
      const expected = decode(jpeg);
      const pair = [0, 1].map(() => machine(jpeg, scratch, width * height * 3));
      const globals = new DataView(new ArrayBuffer(globalBytes(image)));
      let [here, there] = pair as [Machine, Machine];
      let status = here.begin(DECODE, here.decodeArguments());
      let switches = 0;
      for (; status === MORE; switches++) {
        here.firmware.saveGlobals(globals);
        there.firmware.loadGlobals(globals);
        there.local.set(here.local);
        here.local.fill(0xcc);
        there.guest.set(here.guest);
        [here, there] = [there, here];
        status = here.firmware.step(300);
      }
      expect(status).toBe(DONE);
      expect(switches).toBeGreaterThan(10);
      expect(firstDifference({ width, height, rgb: here.pixels() }, expected)).toBeUndefined();
    }
  });

  test('leaves only between MCU rows, within a bounded number of steps after the first denial', () => {
    const scratch = probe(rocket).results[4]!;
    const { begin, firmware, decodeArguments } = machine(rocket, scratch, 640 * 427 * 3);
    let denials = 0;
    let status = begin(DECODE, decodeArguments());
    while (status === MORE) {
      const wait = firmware.quiesce();
      if (wait > 0) {
        denials++;
        // 80 MCUs of three blocks: never more than one row.
        expect(wait).toBeLessThanOrEqual(80 * 3);
        // It stays at the row's end however long the switch takes to come back to it.
        for (let steps = 0; steps < 200; steps++) expect(firmware.step(1000)).toBe(MORE);
        expect(firmware.quiesce()).toBe(0);
      }
      status = firmware.step(1000);
    }
    expect(status).toBe(DONE);
    expect(denials).toBeGreaterThan(10);
  });

  test('expects twice as long after each denial in the same row, within a bound', () => {
    const { begin, firmware, decodeArguments } = machine(rocket, probe(rocket).results[4]!, 640 * 427 * 3);
    let status = begin(DECODE, decodeArguments());
    let wait = 0;
    while (status === MORE && (wait = firmware.quiesce()) === 0) status = firmware.step(1);
    const blocks = (wait - 1) * 2;
    // All but the first MCU of a row of 80 MCUs of three blocks, each in half a microsecond.
    expect(blocks).toBeGreaterThan(0);
    expect(blocks).toBeLessThanOrEqual(240);
    const again = Array.from({ length: 6 }, () => firmware.quiesce() - 1);
    expect(again.map((each) => Math.floor(each / blocks))).toEqual([1, 2, 4, 8, 8, 8]);
  });

  test('pauses within a row that is very long', () => {
    const jpeg = small(9000, 8);
    const { begin, firmware, decodeArguments } = machine(jpeg, probe(jpeg).results[4]!, 9000 * 8 * 3);
    let status = begin(DECODE, decodeArguments());
    let pauses = 0;
    for (let denied = false; status === MORE; status = firmware.step(1)) {
      const wait = firmware.quiesce();
      if (denied && wait === 0) pauses++;
      denied = wait > 0;
    }
    // 1125 MCUs of three blocks, at most 1920 blocks at a stretch.
    expect(pauses).toBe(2);
  });

  test('goes on when a denied switch never comes back', () => {
    const jpeg = small(200, 64);
    const { begin, firmware, decodeArguments } = machine(jpeg, probe(jpeg).results[4]!, 200 * 64 * 3);
    let status = begin(DECODE, decodeArguments());
    while (status === MORE && firmware.quiesce() === 0) status = firmware.step(100);
    expect(status).toBe(MORE);
    expect(finish(() => firmware.step(100), status).status).toBe(DONE);
  });

  test('refuses what is no JPEG, what it cannot decode, and buffers that are too small', () => {
    expect(probe(new Uint8Array(0)).status).toBe(NOT_A_JPEG);
    expect(probe(Uint8Array.of(0x89, 0x50, 0x4e, 0x47)).status).toBe(NOT_A_JPEG);
    expect(probe(Uint8Array.of(0xff, 0xd8)).status).toBe(TRUNCATED);
    const arithmetic = Uint8Array.from(rocket.subarray(0, 2000));
    arithmetic[find(arithmetic, 0xc0) + 1] = 0xc9;
    expect(probe(arithmetic).status).toBe(UNSUPPORTED);
    // Three codes of one bit.
    const table = [0xff, 0xd8, 0xff, 0xc4, 0, 22, 0, 3, ...Array.from({ length: 15 }, () => 0), 1, 2, 3];
    expect(probe(Uint8Array.from(table)).status).toBe(DAMAGED);

    const jpeg = small(30, 20);
    const scratch = probe(jpeg).results[4]!;
    for (const [scratchBytes, outputBytes] of [
      [scratch - 1, 30 * 20 * 3],
      [scratch, 30 * 20 * 3 - 1],
    ] as const) {
      const { begin, firmware, decodeArguments, isFenced } = machine(jpeg, scratchBytes, outputBytes);
      const { status } = finish(() => firmware.step(1000), begin(DECODE, decodeArguments()));
      expect(status).toBe(BUFFER_TOO_SMALL);
      expect(isFenced()).toBe(true);
    }
  });

  test('an access that the IOMMU refuses ends the command', () => {
    const jpeg = small(30, 20);
    const { begin, firmware } = machine(jpeg, 100_000, 30 * 20 * 3);
    const beyond = 0x4000_0000;
    for (const args of [
      [beyond, jpeg.length, 0, 1800, 0, 100_000, 3],
      [0, jpeg.length, beyond, 1800, jpeg.length, 100_000, 3],
      [0, jpeg.length, jpeg.length, 1800, beyond, 100_000, 3],
    ])
      expect(finish(() => firmware.step(1000), begin(DECODE, args)).status).toBe(DMA_FAULT);
  });
});

describe('damaged streams', () => {
  const bases = [
    small(48, 40),
    chelsea,
    ...(hasLibjpeg
      ? [
          encode(pattern(48, 40), '-progressive'),
          encode(pattern(48, 40), '-restart', '2B'),
          encode(pattern(48, 40), ...MODES['a scan for each component']),
        ]
      : []),
  ];

  /** Decodes with buffers as large as the undamaged picture needs: damage may ask for more. */
  function survive(jpeg: Uint8Array): number {
    const { begin, firmware, decodeArguments, isFenced } = machine(jpeg, 700_000, 451 * 300 * 3);
    const { status } = finish(() => firmware.step(20_000), begin(DECODE, decodeArguments()));
    expect(isFenced()).toBe(true);
    return status;
  }

  test('end with a picture or an error, never a trap, and write nowhere else', () => {
    const ends = new Set<number>();
    const flips = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 1, max: 255 })), { maxLength: 12 });
    fc.assert(
      fc.property(fc.constantFrom(...bases), flips, fc.boolean(), fc.nat(), (base, damage, isCut, cut) => {
        const jpeg = Uint8Array.from(isCut ? base.subarray(0, cut % base.length) : base);
        // Half of the damage goes to the headers, where little of the file lies.
        damage.forEach(([at, mask], index) => {
          const range = index % 2 === 0 ? Math.min(jpeg.length, 700) : jpeg.length;
          if (range > 0) jpeg[at % range]! ^= mask;
        });
        ends.add(survive(jpeg));
      }),
      { numRuns: 300 },
    );
    for (const end of ends) expect(end === DONE || (end >= -8 && end <= -2)).toBe(true);
    expect(ends.has(DONE)).toBe(true);
    expect(ends.size).toBeGreaterThan(3);
  });

  test('a flood of markers, scans or fill bytes ends too', () => {
    const [head, scan] = [rocket.subarray(0, find(rocket, 0xda)), [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0]];
    const flood = (bytes: readonly number[], times: number): Uint8Array => {
      const floods = new Uint8Array(bytes.length * times);
      for (let at = 0; at < floods.length; at += bytes.length) floods.set(bytes, at);
      return Uint8Array.of(...head, ...floods);
    };
    for (const jpeg of [
      flood([0xff], 50_000),
      flood([0], 50_000),
      flood([0xff, 0xe0, 0, 2], 20_000),
      flood([0xff, 0xd0], 20_000),
      flood(scan, 2),
    ])
      expect(finishAnyhow(jpeg)).toBe(true);
  });

  function finishAnyhow(jpeg: Uint8Array): boolean {
    const { begin, firmware, decodeArguments } = machine(jpeg, 640 * 432 * 3, 640 * 427 * 3);
    return finish(() => firmware.step(20_000), begin(DECODE, decodeArguments())).status !== MORE;
  }
});
