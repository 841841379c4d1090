import { readFileSync } from 'node:fs';
import { decode, encode } from 'fast-png';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import camera from '../../examples/cockpit/guests/camera.ts';
import { overlay } from '../../examples/cockpit/guests/camera/overlay.ts';
import { readPicture, scaledDown } from '../../examples/cockpit/guests/camera/picture.ts';
import { seededRandom } from '../../src/base/random.ts';
import { START, bytes } from '../../src/base/units.ts';
import type { Command, Completion, GuestBuffer, GuestDomain, GuestFile } from '../../src/contract/guest.ts';
import { coprocId, domainId } from '../../src/contract/names.ts';
import { firmwareHarness } from '../firmware/harness.ts';

const root = new URL('../../', import.meta.url);
const image = readFileSync(new URL('build/firmware/vision.wasm', root));
const { pages } = JSON.parse(
  readFileSync(new URL('src/firmware/kernels/vision/kernel.json', root), 'utf8'),
) as { pages: number };

const PAGE = 4096;
const MEMORY = 16 << 20;

/** A domain with the DSP for itself. Commands complete one after the other, each in a later turn. */
function machine(
  args: Record<string, string>,
  input?: GuestFile,
  fault?: (command: Command) => string,
  corrupt?: (command: Command, memory: Uint8Array) => void,
  ears?: 'deaf',
) {
  const firmware = firmwareHarness(image, pages * 65536, MEMORY);
  const memory = new SharedArrayBuffer(MEMORY);
  const files = new Map<string, Uint8Array>();
  const log: string[] = [];
  const checks: (() => { ok: boolean; detail: string })[] = [];
  const live = new Set<GuestBuffer>();
  const mapped = new Set<number>();
  let free = PAGE;
  let outstanding = 0;
  let mostOutstanding = 0;
  let onInterrupt = (_number: number): void => undefined;
  let queue: Promise<unknown> = Promise.resolve();

  const execute = (command: Command): Completion => {
    if (fault) return { status: 'failed', reason: fault(command), results: [] };
    firmware.guest.set(new Uint8Array(memory));
    firmware.interrupts.length = 0;
    const { status, results } = firmware.run(command.op, command.args ?? []);
    new Uint8Array(memory).set(firmware.guest);
    corrupt?.(command, new Uint8Array(memory));
    if (ears !== 'deaf') firmware.interrupts.forEach((number) => onInterrupt(number));
    return status === 1
      ? { status: 'ok', reason: undefined, results }
      : { status: 'failed', reason: `error ${status}`, results };
  };
  const domain: GuestDomain = {
    name: domainId('camera'),
    args,
    input,
    random: seededRandom(1),
    now: () => START,
    sleep: () => Promise.resolve(),
    asset: (path) => readFileSync(new URL(`examples/cockpit/${path}`, root)),
    onShutdown: () => undefined,
    onCheckpoint: () => undefined,
    resumed: undefined,
    log: (line) => void log.push(line),
    write: (file, content) => void files.set(file, content),
    verify: (_what, check) => void checks.push(check),
    memory: {
      size: bytes(MEMORY),
      allocate(size) {
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
        mapped.add(buffer.address);
        return buffer.address;
      },
      unmap: (iova) => Promise.resolve(void mapped.delete(iova)),
      outstanding: () => [],
      batch: () => expect.fail('this guest awaits its commands'),
      createQueue: () => expect.fail('this guest has one queue'),
      queues: [],
      submit(command) {
        mostOutstanding = Math.max(mostOutstanding, ++outstanding);
        const completion = queue.then(() => {
          outstanding--;
          return execute(command);
        });
        queue = completion;
        return completion;
      },
      registers: { read: () => 0, write: () => undefined },
      onInterrupt(handler) {
        onInterrupt = handler;
      },
    }),
  };
  return {
    files,
    log,
    verdicts: () => checks.map((check) => check()),
    run: () => camera.main(domain),
    kept: () => live.size + mapped.size,
    mostOutstanding: () => mostOutstanding,
  };
}

describe('the camera', () => {
  test('sees the same edges and corners as the reference and draws them', async () => {
    const system = machine({ frames: '3', width: '240', height: '160', alarm: '40' });
    await system.run();
    const verdicts = system.verdicts();
    expect(verdicts.map(({ ok }) => ok)).toEqual([true, true]);
    expect(verdicts[0]!.detail).toMatch(/^3 of 3 frames bit-identical, \d\d+ corners$/);
    expect([...system.files.keys()].sort()).toEqual([
      'corners.csv',
      'overlay-000.png',
      'overlay-001.png',
      'overlay-002.png',
    ]);
    const drawn = decode(system.files.get('overlay-001.png')!);
    expect([drawn.width, drawn.height, drawn.channels]).toEqual([240, 160, 3]);
    const csv = new TextDecoder().decode(system.files.get('corners.csv')!).trimEnd().split('\n');
    expect(csv[0]).toBe('frame,x,y,score');
    expect(csv[1]).toMatch(/^0,\d+,\d+,\d+$/);
  });

  test('counts one interrupt for each frame with more corners than the alarm allows', async () => {
    const crowded = machine({ frames: '2', width: '240', height: '160', alarm: '1' });
    await crowded.run();
    expect(crowded.verdicts()[1]!.detail).toBe('2 interrupts, 2 of 2 frames with more than 1 corners');
    const calm = machine({ frames: '2', width: '240', height: '160', alarm: '100000' });
    await calm.run();
    expect(calm.verdicts()[1]).toEqual({
      ok: true,
      detail: '0 interrupts, 0 of 2 frames with more than 100000 corners',
    });
  });

  test('keeps several commands outstanding and gives all memory back', async () => {
    const system = machine({ frames: '4', width: '64', height: '48', outstanding: '3' });
    await system.run();
    expect(system.mostOutstanding()).toBe(6);
    expect(system.kept()).toBe(0);
  });

  test('takes a picture of its user, also one smaller or far larger than its frames', async () => {
    for (const [width, height] of [
      [5, 3],
      [1, 1],
      [2500, 30],
    ] as const) {
      const data = Uint8Array.from({ length: width * height }, (_, at) => (at * at) & 255);
      const file = { name: 'mine.png', bytes: encode({ width, height, data, channels: 1 }) };
      const system = machine({ frames: '2' }, file);
      await system.run();
      expect(system.verdicts().map(({ ok }) => ok)).toEqual([true, true]);
      const scaled = width > 1024 ? `, scaled down to ${Math.floor(width / 3)} x ${height / 3}` : '';
      expect(system.log[0]).toBe(`mine.png: ${width} x ${height}${scaled}`);
    }
  });

  test('says which argument is wrong', async () => {
    await expect(machine({ frames: 'many' }).run()).rejects.toThrow(
      'extra: frames=many is not an integer from 1 to 999',
    );
    await expect(machine({ low: '8', high: '7' }).run()).rejects.toThrow(
      'extra: low=8 is not an integer from 1 to 7',
    );
  });

  test('stops with the reason of a failed command', async () => {
    const system = machine({ frames: '2' }, undefined, () => 'page fault');
    await expect(system.run()).rejects.toThrow('command 1 on dsp0 failed: page fault');
  });

  test('does not hide a wrong edge, a lost corner or a lost interrupt', async () => {
    const settings = { frames: '1', width: '240', height: '160', alarm: '1' };
    const blind = machine(settings, undefined, undefined, (command, memory) => {
      if (command.op === 1) memory[command.args![3]!]! ^= 255;
    });
    await blind.run();
    expect(blind.verdicts().map(({ ok }) => ok)).toEqual([false, true]);
    const wrong = machine(settings, undefined, undefined, (command, memory) => {
      if (command.op === 2) memory[command.args![7]!]! ^= 1;
    });
    await wrong.run();
    expect(wrong.verdicts().map(({ ok }) => ok)).toEqual([false, true]);
    const deaf = machine(settings, undefined, undefined, undefined, 'deaf');
    await deaf.run();
    expect(deaf.verdicts().map(({ ok }) => ok)).toEqual([true, false]);
  });
});

describe('the user’s picture', () => {
  const colours = (png: Uint8Array): number[] => [...readPicture('a.png', png).data];

  test('is read the same as 8-bit gray, gray with alpha, colour and colour with alpha', () => {
    const size = { width: 2, height: 1 };
    const expected = [10, 10, 10, 255, 200, 200, 200, 255];
    const read = (channels: number, data: number[]): number[] =>
      colours(encode({ ...size, channels, data: Uint8Array.from(data) }));
    expect(read(1, [10, 200])).toEqual(expected);
    expect(read(2, [10, 255, 200, 255])).toEqual(expected);
    expect(read(3, [10, 10, 10, 200, 200, 200])).toEqual(expected);
    expect(read(4, [10, 10, 10, 255, 200, 200, 200, 255])).toEqual(expected);
  });

  test('is read with 16 bits, its transparent pixels over white', () => {
    const data = Uint16Array.from([0, 0x8080, 0xffff, 0xffff, 7, 8, 9, 0]);
    expect(colours(encode({ width: 2, height: 1, channels: 4, depth: 16, data }))).toEqual([
      0, 128, 255, 255, 255, 255, 255, 255,
    ]);
  });

  test('is read with 1, 2 and 4 bits and with a palette', () => {
    const file = (name: string): Uint8Array => Uint8Array.from(Buffer.from(SAMPLES[name]!, 'base64'));
    expect(colours(file('gray1')).filter((_, at) => at % 4 === 0)).toEqual([
      255, 0, 255, 255, 0, 0, 0, 0, 255, 0,
    ]);
    expect(colours(file('gray4')).filter((_, at) => at % 4 === 0)).toEqual([0, 119, 255, 17, 34, 51]);
    expect(colours(file('palette2'))).toEqual([
      ...[255, 0, 0, 255],
      ...[0, 255, 0, 255],
      ...[127, 127, 255, 255],
    ]);
  });

  test('that is no PNG, is damaged or claims to be enormous is refused in one line', () => {
    const png = encode({ width: 2, height: 2, channels: 1, data: new Uint8Array(4) });
    expect(() => readPicture('a.jpg', Uint8Array.from([0xff, 0xd8]))).toThrow(
      'a.jpg: not a PNG; give a PNG file',
    );
    expect(() => readPicture('b.png', png.subarray(0, 50))).toThrow(/^b.png: damaged PNG: /);
    const enormous = png.slice();
    new DataView(enormous.buffer).setUint32(16, 1e9);
    expect(() => readPicture('c.png', enormous)).toThrow('c.png: 1000000000 x 2 pixels');
    const interlaced = png.slice();
    interlaced[24] = 4;
    interlaced[28] = 1;
    expect(() => readPicture('d.png', interlaced)).toThrow('d.png: interlaced with less than 8 bits');
  });

  test('is refused with an error, never with another throw, whatever bytes it has', () => {
    const png = encode({ width: 5, height: 4, channels: 3, data: new Uint8Array(60).fill(9) });
    fc.assert(
      fc.property(fc.nat(png.length - 1), fc.nat(255), (place, value) => {
        // Not the upper halves of width and height: a picture that large takes long to refuse.
        fc.pre(![16, 17, 20, 21].includes(place));
        const broken = png.slice();
        broken[place] = value;
        try {
          readPicture('a.png', broken);
        } catch (error) {
          expect((error as Error).message).toMatch(/^a\.png: [^\n]*$/);
        }
      }),
    );
  });

  test('is scaled down by the mean of its blocks', () => {
    const data = Uint8Array.from([0, 0, 0, 255, 10, 20, 30, 255, 20, 40, 60, 255, 90, 90, 90, 255]);
    expect(scaledDown({ width: 4, height: 1, data }, 2)).toEqual({
      width: 2,
      height: 1,
      data: Uint8Array.from([5, 10, 15, 255, 55, 65, 75, 255]),
    });
  });
});

test('an overlay shows edges, rings around corners, and the dimmed frame', () => {
  const frame = { width: 11, height: 11, data: new Uint8Array(4 * 121).fill(200) };
  const edges = new Uint8Array(121);
  edges[120] = 255;
  const picture = overlay(frame, edges, [{ x: 5, y: 5, score: 1 }]);
  const pixel = (x: number, y: number): number[] => [
    ...picture.subarray(3 * (11 * y + x), 3 * (11 * y + x) + 3),
  ];
  expect(pixel(0, 0)).toEqual([120, 120, 120]);
  expect(pixel(10, 10)).toEqual([64, 232, 255]);
  expect(pixel(8, 5)).toEqual(pixel(5, 5));
  expect(pixel(5, 5)).not.toEqual(pixel(6, 5));
});

/** Small PNG files with several samples in a byte. */
const SAMPLES: Record<string, string> = {
  gray1: 'iVBORw0KGgoAAAANSUhEUgAAAAUAAAACAQAAAAC4ESvwAAAADElEQVR42mPYwCAAAAIkAMHcMFdSAAAAAElFTkSuQmCC',
  gray4: 'iVBORw0KGgoAAAANSUhEUgAAAAMAAAACBAAAAAB979THAAAADklEQVR42mNg/8AgZAAABD0BOmlwJakAAAAASUVORK5CYII=',
  palette2:
    'iVBORw0KGgoAAAANSUhEUgAAAAMAAAABAgMAAABmjvwnAAAACVBMVEX/AAAA/wAAAP8tSs2KAAAAA3RSTlP//4A6co5hAAAACklEQVR42mOQAAAAGgAZgACOuwAAAABJRU5ErkJggg==',
};
