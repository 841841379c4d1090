import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RecordedDump } from '../../../src/contract/crash-dump.ts';
import { readDump } from '../../../src/toolstack/dump/record.ts';
import { seal, unseal, type SealedKind } from '../../../src/toolstack/sealed-file.ts';
import { UsageError } from '../../../src/toolstack/usage.ts';
import { RUNTIMES } from '../../rig.ts';
import { Systems, covisor, domainFile, guest } from '../systems.ts';

const systems = new Systems();
afterAll(() => systems.remove());

/** Counts, then traps with more commands behind it; the neighbour goes on. */
const folder = systems.make({
  'domains/left.cfg': domainFile('left').replace('noop', 'spin'),
  'guests/left.js': guest(`
    const gpu = domain.coproc('gpu0');
    await gpu.submit({ op: 4, args: [41] });
    gpu.registers.write(0x20, 0xabcd);
    await Promise.all([2, 4, 4].map((op, n) => gpu.submit({ op, args: [100 + n] })));`),
});

const dumps = new Map<string, string>();
beforeAll(async () => {
  for (const runtime of RUNTIMES) {
    const out = systems.path(`out-${runtime}`);
    const { stdout } = await covisor(['run', folder, '--runtime', runtime, '--out', out]);
    expect(stdout).toContain('crash-gpu0-1.dump');
    dumps.set(runtime, join(out, 'crash-gpu0-1.dump'));
  }
});

describe.each(RUNTIMES)('the dump of a trap, %s', (runtime) => {
  const shown = (...more: string[]) => covisor(['dump', 'show', dumps.get(runtime)!, ...more]);

  test('says what went wrong, and has registers by their names and the last events', async () => {
    const { code, stdout, stderr } = await shown();
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^gpu0: firmware trapped: .+\nleft\/gpu0, at /);
    for (const part of ['firmware spin, sha256 ', 'IRQ_STATUS', 'scheduler round-robin', 'right/gpu0'])
      expect(stdout).toContain(part);
    expect(stdout).toMatch(/fault +coproc=gpu0 vcoproc=left\/gpu0 what=firmware trapped/);
    for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(200);
  });

  test('has the command under way, those behind it and what the firmware was at', async () => {
    const { stdout } = await shown('--json');
    const { context, runtime: ran, events } = JSON.parse(stdout) as RecordedDump;
    expect(ran).toBe(runtime);
    expect(context).toMatchObject({
      vcoproc: 'left/gpu0',
      image: 'away',
      active: { queue: 0, sequence: 1 },
    });
    expect(context!.queues[0]!.unfetched.map(({ op, args }) => [op, args[0]])).toEqual([
      [4, 101],
      [4, 102],
    ]);
    // The firmware's command block: sequence, operation code, arguments.
    const page = context!.memory.pages.find(
      ({ at }) => at <= context!.commandAddress && context!.commandAddress < at + 4096,
    )!;
    const block = Buffer.from(page.bytes as unknown as string, 'base64').subarray(
      context!.commandAddress - page.at,
    );
    expect([block.readInt32LE(0), block.readInt32LE(4), block.readInt32LE(8)]).toEqual([1, 2, 100]);
    // `op` and `remaining` of the firmware, as they were when it trapped.
    expect(context!.globals.map(({ value }) => value).slice(0, 2)).toEqual(['2', '100']);
    expect(events.at(-1)).toMatchObject({ kind: 'fault', vcoproc: 'left/gpu0' });
    expect(events.length).toBeLessThanOrEqual(64);
  });

  test('is not written when nobody wants it', async () => {
    const out = systems.path(`none-${runtime}`);
    const { stdout } = await covisor(['run', folder, '--runtime', runtime, '--out', out, '--no-dumps']);
    expect(stdout).not.toContain('.dump');
    // And a run may replace the results of one that left dumps.
    const before = systems.path(`out-${runtime}`);
    const again = await covisor(['run', folder, '--runtime', runtime, '--out', before]);
    expect(again.stderr).not.toContain('which no run wrote');
  });
});

describe('what is no dump', () => {
  const refusal = (bytes: Uint8Array): string => {
    const path = systems.path('broken.dump');
    writeFileSync(path, bytes);
    try {
      readDump(path);
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError);
      return (error as UsageError).message;
    }
    throw new Error('it was read');
  };

  test('is refused in one line with exit code 2', async () => {
    const path = systems.path('foreign.dump');
    for (const content of [
      '',
      'C',
      '\u007fELF and more',
      readFileSync(dumps.get('simulated')!).subarray(0, 99),
    ]) {
      writeFileSync(path, content);
      const { code, stdout, stderr } = await covisor(['dump', 'show', path]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^[^\n]+\n$/);
    }
    expect(await covisor(['dump', 'show', systems.path('nothing')])).toMatchObject({ code: 2 });
  });

  test('is refused wherever it is cut off', () => {
    const whole = readFileSync(dumps.get('simulated')!);
    for (let length = 0; length < whole.length; length += length < 200 ? 1 : 61)
      expect(refusal(whole.subarray(0, length))).toMatch(/torn|is no crash dump/);
    expect(refusal(whole.subarray(0, -1))).toContain('torn');
    expect(refusal(Buffer.concat([whole, Buffer.alloc(1)]))).toContain('1 bytes too many');
  });

  test('is refused whichever bit is wrong', () => {
    const whole = readFileSync(dumps.get('simulated')!);
    fc.assert(
      fc.property(fc.nat(whole.length * 8 - 1), (bit) => {
        const flipped = Buffer.from(whole);
        flipped[bit >> 3]! ^= 1 << (bit & 7);
        expect(refusal(flipped)).toMatch(/^[^\n]+$/);
      }),
    );
    // Every bit of what stands before the body.
    for (let bit = 0; bit < 56 * 8; bit++) {
      const flipped = Buffer.from(whole);
      flipped[bit >> 3]! ^= 1 << (bit & 7);
      expect(refusal(flipped)).toMatch(/^[^\n]+$/);
    }
  });

  test('is refused when its seal is right and its content is not', () => {
    const DUMP: SealedKind = { tag: 'DUMP', name: 'crash dump', version: 1, most: 1 << 20 };
    expect(refusal(seal(DUMP, { covisor: 1 }))).toMatch(/covisor/);
    expect(refusal(seal({ ...DUMP, version: 2 }, {}))).toContain('has version 2');
    expect(refusal(seal({ ...DUMP, tag: 'CKPT' }, {}))).toContain('something else');
    const bomb = seal(DUMP, { zeros: Buffer.alloc(1 << 22) });
    expect(() => unseal(DUMP, bomb, 'bomb')).toThrow(/no value that can be read/);
  });
});
