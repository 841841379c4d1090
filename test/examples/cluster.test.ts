import { readFileSync } from 'node:fs';
import { decode, decodeApng } from 'fast-png';
import { describe, expect, test } from 'vitest';
import cluster from '../../examples/cockpit/guests/cluster.ts';
import { seededRandom } from '../../src/base/random.ts';
import { START, bytes } from '../../src/base/units.ts';
import type { Command, GuestDomain, Verdict } from '../../src/contract/guest.ts';
import { coprocId, domainId } from '../../src/contract/names.ts';
import { firmwareHarness } from '../firmware/harness.ts';

const root = new URL('../../', import.meta.url);
const image = readFileSync(new URL('build/firmware/render.wasm', root));
const { pages } = JSON.parse(
  readFileSync(new URL('src/firmware/kernels/render/kernel.json', root), 'utf8'),
) as { pages: number };

const PAGE = 4096;
const MEMORY = 4 << 20;

interface Trouble {
  /** The command of this number, from 0, is refused. */
  readonly fails?: number;
  /** The command of this number leaves one wrong pixel. */
  readonly spoils?: number;
}

/** A domain with the GPU for itself. Commands complete one after the other, each in a later turn. */
function machine(args: Record<string, string>, trouble: Trouble = {}) {
  const firmware = firmwareHarness(image, pages * 65536, MEMORY);
  const memory = new Uint8Array(new SharedArrayBuffer(MEMORY));
  const files = new Map<string, Uint8Array>();
  const checks: (() => Verdict)[] = [];
  const allocated = new Set<number>();
  const mapped = new Set<number>();
  let free = PAGE;
  let executed = 0;
  let outstanding = 0;
  let mostOutstanding = 0;
  let queue: Promise<unknown> = Promise.resolve();

  const execute = (command: Command): number[] => {
    const number = executed++;
    if (number === trouble.fails) throw new Error('refused');
    firmware.guest.set(memory);
    const { status, results } = firmware.run(command.op, command.args ?? [], 20_000);
    expect(status).toBe(1);
    memory.set(firmware.guest);
    if (number === trouble.spoils) memory[command.args![2]! + 100]! ^= 1;
    return results;
  };
  const domain: GuestDomain = {
    name: domainId('cluster'),
    args,
    input: undefined,
    random: seededRandom(1),
    now: () => START,
    sleep: () => Promise.resolve(),
    asset: (path) => {
      throw new Error(`no asset ${path}`);
    },
    onShutdown: () => undefined,
    onCheckpoint: () => undefined,
    resumed: undefined,
    log: () => undefined,
    write: (file, content) => void files.set(file, content),
    verify: (_what, check) => void checks.push(check),
    memory: {
      size: bytes(MEMORY),
      allocate(size) {
        const address = free;
        free += Math.ceil(size / PAGE) * PAGE;
        allocated.add(address);
        return { address, size, bytes: memory.subarray(address, address + size) };
      },
      at: () => expect.fail('this guest begins anew'),
      free: ({ address }) => void allocated.delete(address),
    },
    coproc: (id) => ({
      id: coprocId(id),
      map({ address }) {
        mapped.add(address);
        return address;
      },
      unmap: (iova) => Promise.resolve(void mapped.delete(iova)),
      registers: { read: () => 0, write: () => undefined },
      onInterrupt: () => undefined,
      outstanding: () => [],
      batch: () => expect.fail('this guest awaits its commands'),
      createQueue: () => expect.fail('this guest has one queue'),
      queues: [],
      submit(command) {
        mostOutstanding = Math.max(mostOutstanding, ++outstanding);
        const completion = queue.then(() => {
          outstanding--;
          try {
            return { status: 'ok' as const, reason: undefined, results: execute(command) };
          } catch (error) {
            return { status: 'failed' as const, reason: String(error), results: [] };
          }
        });
        queue = completion;
        return completion;
      },
    }),
  };
  return { domain, files, checks, allocated, mapped, most: () => mostOutstanding };
}

const small = { frames: '5', width: '64', height: '40', samples: '1' };

describe('the instrument cluster', () => {
  test('draws its frames as the reference does, two commands at a time, and gives everything back', async () => {
    const { domain, files, checks, allocated, mapped, most } = machine(small);
    await cluster.main(domain);
    expect(checks.map((check) => check())).toEqual([{ ok: true, detail: '5 of 5 frames bit-identical' }]);
    expect(most()).toBe(2);
    expect([allocated.size, mapped.size]).toEqual([0, 0]);
    expect([...files.keys()]).toEqual([
      ...['000', '001', '002', '003', '004'].map((number) => `frame-${number}.png`),
      'overview.png',
      'drive.png',
    ]);
  });

  test('moves: no frame is like the one before it, and each shows something', async () => {
    const { domain, files, checks } = machine(small);
    await cluster.main(domain);
    checks.forEach((check) => check());
    const frames = [0, 1, 2, 3, 4].map((index) => decode(files.get(`frame-00${index}.png`)!));
    frames.forEach(({ width, height, data }, index) => {
      expect([width, height]).toEqual([64, 40]);
      expect(new Set(data).size).toBeGreaterThan(64);
      expect(data).not.toEqual(frames[(index + 1) % 5]!.data);
    });
  });

  test('writes an animation that plays exactly the frames', async () => {
    const { domain, files, checks } = machine(small);
    await cluster.main(domain);
    checks.forEach((check) => check());
    const { frames, numberOfFrames, numberOfPlays } = decodeApng(files.get('drive.png')!, { checkCrc: true });
    expect([frames.length, numberOfFrames, numberOfPlays]).toEqual([5, 5, 0]);
    frames.forEach(({ data }, index) =>
      expect(data).toEqual(decode(files.get(`frame-00${index}.png`)!).data),
    );
  });

  test('says which frame is wrong when one pixel is', async () => {
    const { domain, checks } = machine(small, { spoils: 3 });
    await cluster.main(domain);
    expect(checks.map((check) => check())).toEqual([
      { ok: false, detail: '4 of 5 frames bit-identical; wrong: 3' },
    ]);
  });

  test('ends with the reason when the coprocessor fails a frame', async () => {
    await expect(cluster.main(machine(small, { fails: 1 }).domain)).rejects.toThrow(
      'frame 1 failed: Error: refused',
    );
  });

  test.each([
    ['frames', '0', 'extra: frames=0: expected a whole number from 1 to 240'],
    ['width', 'wide', 'extra: width=wide: expected a whole number from 16 to 1024'],
    ['height', '2000', 'extra: height=2000: expected a whole number from 16 to 1024'],
    ['samples', '3', 'extra: samples=3: expected 1, 2 or 4'],
  ])('refuses %s=%s', async (name, value, message) => {
    await expect(cluster.main(machine({ ...small, [name]: value }).domain)).rejects.toThrow(message);
  });
});
