import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';
import {
  FrameDecoder,
  FrameError,
  LARGEST_FRAME,
  encodeFrame,
} from '../../../src/toolstack/control/frame.ts';

const LARGEST = 64 * 1024;

/** A frame around any body. */
function frame(body: Uint8Array, { length = body.length, version = 1 } = {}): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(length, 0);
  head.writeUInt8(version, 4);
  return Buffer.concat([head, body]);
}

const plain = fc.jsonValue({ maxDepth: 6 }).filter((value) => !JSON.stringify(value).includes('__proto__'));

describe('frames', () => {
  it('come out as they went in, in whatever pieces they arrive', () => {
    fc.assert(
      fc.property(
        fc.array(plain, { minLength: 1, maxLength: 4 }),
        fc.array(fc.nat(40), { minLength: 1, maxLength: 20 }),
        (values, cuts) => {
          const stream = Buffer.concat(values.map(encodeFrame));
          const decoder = new FrameDecoder(LARGEST);
          const got: unknown[] = [];
          let at = 0;
          for (let turn = 0; at < stream.length; turn++) {
            const end = at + 1 + cuts[turn % cuts.length]!;
            got.push(...decoder.push(stream.subarray(at, end)));
            at = end;
          }
          // -0 is 0 in JSON and in msgpack.
          expect(JSON.stringify(got)).toBe(JSON.stringify(values));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('of rubbish are refused as such, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, framed) => {
        const decoder = new FrameDecoder(LARGEST);
        try {
          for (const got of decoder.push(framed ? frame(bytes) : Buffer.from(bytes))) plainOnly(got);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('that were damaged on their way are refused or are plain values', () => {
    fc.assert(
      fc.property(plain, fc.nat(), fc.nat(255), (value, where, byte) => {
        const whole = encodeFrame({ value });
        const damaged = Buffer.from(whole);
        damaged[5 + (where % (whole.length - 5))] = byte;
        try {
          for (const got of new FrameDecoder(LARGEST).push(damaged)) plainOnly(got);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('that are whole come out before the rubbish behind them is refused', () => {
    fc.assert(
      fc.property(fc.array(plain, { maxLength: 4 }), fc.nat(40), (values, cut) => {
        const stream = Buffer.concat([
          ...values.map(encodeFrame),
          frame(Buffer.alloc(0), { version: 9 }),
          encodeFrame('lost'),
        ]);
        const decoder = new FrameDecoder(LARGEST);
        const got: unknown[] = [];
        const pieces = [stream.subarray(0, cut), stream.subarray(cut)];
        expect(() => {
          for (const piece of pieces) for (const value of decoder.push(piece)) got.push(value);
        }).toThrow('version 9');
        expect(JSON.stringify(got)).toBe(JSON.stringify(values));
      }),
      { numRuns: 200 },
    );
  });

  it('of another version, or too long, are refused before they are read', () => {
    const decoder = () => ({ push: (piece: Buffer) => [...new FrameDecoder(LARGEST).push(piece)] });
    expect(() => decoder().push(frame(Buffer.alloc(0), { version: 2 }))).toThrow('version 2; expected 1');
    for (const length of [LARGEST + 1, 2 ** 31, 2 ** 32 - 1])
      expect(() => decoder().push(frame(Buffer.alloc(0), { length }))).toThrow(
        `at most ${LARGEST} are taken`,
      );
    expect(decoder().push(frame(Buffer.alloc(3), { length: 100 }))).toEqual([]);
    expect(() => encodeFrame('x'.repeat(LARGEST_FRAME + 1))).toThrow(FrameError);
  });

  it('build nothing but maps, arrays, text and numbers', () => {
    const classes = new Packr({ moreTypes: true, structuredClone: true });
    const records = new Packr({ useRecords: true });
    for (const body of [
      classes.pack(new Error('x')),
      classes.pack(/(a+)+$/),
      classes.pack(new Set([1])),
      classes.pack(new Uint8Array(4)),
      classes.pack(new Date(0)),
      records.pack([{ a: 1 }, { a: 2 }]),
    ])
      expect(() => [...new FrameDecoder(LARGEST).push(frame(body))]).toThrow('no plain msgpack value');
  });

  it('reach no prototype', () => {
    // { __proto__: { polluted: 1 } } as a map of one pair.
    const body = Buffer.concat([
      Buffer.from([0x81, 0xa9]),
      Buffer.from('__proto__'),
      Buffer.from([0x81, 0xa8]),
      Buffer.from('polluted'),
      Buffer.from([1]),
    ]);
    const [value] = new FrameDecoder(LARGEST).push(frame(body));
    expect((value as { polluted?: number }).polluted).toBeUndefined();
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });

  it('that nest without end, or count more than they have, cost nothing', () => {
    const nested = (open: number): Buffer => Buffer.alloc(LARGEST, open);
    for (const body of [
      nested(0x91),
      nested(0x81),
      Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
      Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff]),
    ])
      expect(() => [...new FrameDecoder(LARGEST).push(frame(body))]).toThrow(FrameError);
  });
});

function plainOnly(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  expect([Object.prototype, Array.prototype, Buffer.prototype, Uint8Array.prototype]).toContain(
    Object.getPrototypeOf(value),
  );
  if (value instanceof Uint8Array) return;
  for (const inner of Object.values(value)) plainOnly(inner);
}
