import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { decode } from 'fast-png';
import jpegJs from 'jpeg-js';
import { describe, expect, test } from 'vitest';
import media from '../../examples/cockpit/guests/media.ts';
import { decodeReference } from '../../examples/cockpit/guests/media/reference.ts';
import { seededRandom } from '../../src/base/random.ts';
import { START, bytes } from '../../src/base/units.ts';
import type { Completion, GuestBuffer, GuestDomain, GuestFile, Verdict } from '../../src/contract/guest.ts';
import { coprocId, domainId } from '../../src/contract/names.ts';
import { firmwareHarness } from '../firmware/harness.ts';

const root = new URL('../../', import.meta.url);
const image = readFileSync(new URL('build/firmware/jpeg.wasm', root));
const { pages } = JSON.parse(
  readFileSync(new URL('src/firmware/kernels/jpeg/kernel.json', root), 'utf8'),
) as {
  pages: number;
};
const photo = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`examples/cockpit/assets/photos/${name}`, root)));

const PAGE = 4096;
const MEMORY = 24 << 20;
const DECODE = 2;

interface Setting {
  readonly args?: Record<string, string>;
  readonly input?: GuestFile;
  /** Spoils guest memory after the nth decoding (from 1). */
  readonly spoil?: (memory: Uint8Array, output: number, nth: number) => void;
}

/** Runs the guest in a domain that has the DSP for itself, then its checks. */
async function run({ args = {}, input, spoil }: Setting) {
  const firmware = firmwareHarness(image, pages * 65536, MEMORY);
  const memory = new SharedArrayBuffer(MEMORY);
  const files = new Map<string, Uint8Array>();
  const checks: { what: string; check: () => Verdict }[] = [];
  const live = new Set<unknown>();
  let free = PAGE;
  let decodings = 0;
  const domain: GuestDomain = {
    name: domainId('media'),
    args,
    input,
    random: seededRandom(1),
    now: () => START,
    sleep: () => Promise.resolve(),
    asset: (path) => readFileSync(new URL(`examples/cockpit/${path}`, root)),
    onShutdown: () => undefined,
    onCheckpoint: () => undefined,
    resumed: undefined,
    log: () => undefined,
    write: (file, content) => void files.set(file, content),
    verify: (what, check) => void checks.push({ what, check }),
    memory: {
      size: bytes(MEMORY),
      allocate(size): GuestBuffer {
        const buffer = { address: free, size, bytes: new Uint8Array(memory, free, size) };
        free += Math.ceil(size / PAGE) * PAGE;
        live.add(buffer);
        return buffer;
      },
      at: () => expect.fail('this guest begins anew'),
      free: (buffer) => void live.delete(buffer),
    },
    coproc: () => ({
      id: coprocId('dsp0'),
      map(buffer) {
        live.add(buffer.address);
        return buffer.address;
      },
      unmap: (iova) => Promise.resolve(void live.delete(iova)),
      registers: { read: () => 0, write: () => undefined },
      onInterrupt: () => undefined,
      outstanding: () => [],
      batch: () => expect.fail('this guest awaits its commands'),
      createQueue: () => expect.fail('this guest has one queue'),
      queues: [],
      submit({ op, args: words = [] }): Promise<Completion> {
        firmware.guest.set(new Uint8Array(memory));
        const { status, results } = firmware.run(op, words);
        new Uint8Array(memory).set(firmware.guest);
        if (op === DECODE) spoil?.(new Uint8Array(memory), words[2]!, ++decodings);
        return Promise.resolve({
          status: status === 1 ? 'ok' : 'failed',
          reason: status === 1 ? undefined : `error ${status}`,
          results,
        });
      },
    }),
  };
  const done = media.main(domain).then(
    () => undefined,
    (error: unknown) => error,
  );
  const crash = await done;
  return { crash, files, live, verdicts: checks.map(({ what, check }) => ({ what, ...check() })) };
}

describe('the media guest', () => {
  test('decodes every photo it ships, and the reference decoder agrees', async () => {
    const { crash, files, verdicts, live } = await run({ args: { repeat: '1' } });
    expect(crash).toBeUndefined();
    expect(verdicts.map(({ ok, detail }) => ({ ok, detail }))).toEqual(
      ['640 x 427', '1411 x 1411', '451 x 300'].map((size) => ({
        ok: true,
        detail: expect.stringMatching(`^${size}, once: largest difference [0-3] of 255`) as string,
      })),
    );
    expect([...files.keys()]).toEqual([
      'decoded-rocket.png',
      'decoded-retina.png',
      'decoded-chelsea-progressive.png',
    ]);
    const { width, height, channels } = decode(files.get('decoded-chelsea-progressive.png')!);
    expect([width, height, channels]).toEqual([451, 300, 3]);
    expect(live.size).toBe(0);
  });

  test("decodes the user's own JPEG instead", async () => {
    const input = { name: 'holiday/cat.v2.jpeg', bytes: photo('chelsea-progressive.jpg') };
    const { files, verdicts } = await run({ input });
    expect([...files.keys()]).toEqual(['decoded-cat.v2.png']);
    expect(verdicts).toMatchObject([
      { what: 'holiday/cat.v2.jpeg agrees with the reference decoder', ok: true },
    ]);
  });

  test('says which file it cannot decode, why, and what to do, and gives its memory back', async () => {
    const chelsea = photo('chelsea-progressive.jpg');
    for (const [content, message] of [
      [new Uint8Array(0), 'own: the file is empty; give a JPEG'],
      [Uint8Array.of(0x89, 0x50, 0x4e, 0x47), 'own: not a JPEG file; give a JPEG'],
      [chelsea.subarray(0, 100), 'own: it ends before its picture begins; give the whole file'],
    ] as const) {
      const { crash, live } = await run({ input: { name: 'own', bytes: content } });
      expect(crash).toEqual(new Error(message));
      expect(live.size).toBe(0);
    }
  });

  test('a damaged file is decoded and written, but not called verified', async () => {
    const input = { name: 'cut.jpg', bytes: photo('chelsea-progressive.jpg').subarray(0, 9000) };
    const { crash, files, verdicts } = await run({ input, args: { repeat: '1' } });
    expect(crash).toBeUndefined();
    expect([...files.keys()]).toEqual(['decoded-cut.png']);
    expect(verdicts).toMatchObject([{ ok: false, detail: expect.stringContaining('damaged') as string }]);
  });

  test('notices a single wrong sample, and a decoding that gives other bits than the first', async () => {
    const input = { name: 'cat.jpg', bytes: photo('chelsea-progressive.jpg') };
    const once = await run({ input, spoil: (memory, output) => void (memory[output + 5000]! ^= 0x40) });
    expect(once.verdicts).toMatchObject([
      { ok: false, detail: expect.stringContaining('difference 6') as string },
    ]);
    const third = await run({
      input,
      spoil: (memory, output, nth) => void (memory[output]! ^= nth === 3 ? 1 : 0),
    });
    expect(third.verdicts).toMatchObject([{ ok: false, detail: '1 of 4 decodings gave other bits' }]);
  });

  test('refuses an impossible number of repetitions', async () => {
    for (const repeat of ['0', 'often', '1.5']) {
      expect((await run({ args: { repeat } })).crash).toEqual(
        new Error(`extra: repeat=${repeat} is not an integer from 1 to 10000`),
      );
    }
  });
});

const hasLibjpeg = ['cjpeg', 'djpeg'].every((program) => spawnSync(program, ['-version']).status === 0);
if (!hasLibjpeg)
  console.warn('skipped: comparison with libjpeg needs djpeg and cjpeg (Debian: libjpeg-turbo-progs)');

describe('the reference decoder', () => {
  test('agrees with jpeg-js on a picture without chroma upsampling', () => {
    const jpeg = photo('rocket.jpg');
    const { data } = jpegJs.decode(jpeg, { useTArray: true, formatAsRGBA: false });
    expect(distance(decodeReference(jpeg).rgb, data)).toBeLessThanOrEqual(4);
  });

  // Needs cjpeg and djpeg (Debian: libjpeg-turbo-progs).
  test.skipIf(!hasLibjpeg)('agrees with libjpeg within three levels, whatever the coding', () => {
    const filter = (program: string, options: readonly string[], input: Uint8Array): Uint8Array =>
      new Uint8Array(spawnSync(program, options, { input, maxBuffer: 1 << 26 }).stdout);
    const picture = filter('djpeg', ['-ppm'], photo('chelsea-progressive.jpg'));
    for (const options of [
      ['-sample', '1x1', '-quality', '100'],
      ['-sample', '2x1', '-optimize', '-quality', '90'],
      ['-sample', '1x2', '-restart', '7B'],
      ['-sample', '2x2', '-restart', '2', '-progressive'],
      ['-sample', '4x2', '-progressive'],
      ['-sample', '3x1,1x3,1x1'],
      ['-grayscale', '-progressive', '-quality', '20'],
      ['-rgb'],
    ]) {
      const jpeg = filter('cjpeg', options, picture);
      const ppm = filter('djpeg', ['-ppm', '-rgb'], jpeg);
      const { width, height, rgb } = decodeReference(jpeg);
      expect([width, height]).toEqual([451, 300]);
      expect(distance(rgb, ppm.subarray(ppm.length - rgb.length)), options.join(' ')).toBeLessThanOrEqual(3);
    }
  });
});

function distance(one: Uint8Array, other: Uint8Array): number {
  expect(one.length).toBe(other.length);
  return one.reduce((most, value, at) => Math.max(most, Math.abs(value - other[at]!)), 0);
}
