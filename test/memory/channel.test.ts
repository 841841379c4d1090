import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NEVER, instant } from '../../src/base/units.ts';
import {
  BELL,
  CONTROL,
  EVENT,
  MESSAGES_SENT,
  WINDOW_BYTES,
  createChannel,
  createQueue,
  readInstant,
  readText,
  writeInstant,
  writeText,
} from '../../src/memory/channel.ts';
import { Doorbell } from '../../src/memory/doorbell.ts';
import { DESCRIPTOR_WORDS, RingProducer } from '../../src/memory/ring.ts';

const ascii = fc.string({ unit: fc.integer({ min: 1, max: 127 }).map((code) => String.fromCharCode(code)) });

describe('an instant in a descriptor', () => {
  test('comes back exactly and touches its two words only', () => {
    const nanoseconds = fc.oneof(
      fc.integer({ min: 0, max: NEVER }),
      fc.constantFrom(0, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, NEVER),
    );
    fc.assert(
      fc.property(nanoseconds, fc.integer({ min: 0, max: 14 }), (when, at) => {
        const words = new Int32Array(DESCRIPTOR_WORDS).fill(-7);
        writeInstant(words, at, instant(when));
        expect(readInstant(words, at)).toBe(when);
        expect(words.filter((word, index) => index !== at && index !== at + 1 && word !== -7)).toHaveLength(
          0,
        );
      }),
    );
  });
});

describe('a text in a descriptor', () => {
  test('comes back up to its 44th character, wherever the descriptor stands', () => {
    fc.assert(
      fc.property(
        fc.oneof(ascii, fc.string({ minLength: 40, maxLength: 60, unit: 'grapheme-ascii' })),
        (text) => {
          const words = new Int32Array(3 * DESCRIPTOR_WORDS).fill(-1);
          writeText(words, DESCRIPTOR_WORDS, text);
          expect(readText(words, DESCRIPTOR_WORDS)).toBe(text.slice(0, 44));
          // The head of its own descriptor, and both neighbours, are as they were.
          const others = words.filter((_, at) => at < DESCRIPTOR_WORDS + 5 || at >= 2 * DESCRIPTOR_WORDS);
          expect(others.every((word) => word === -1)).toBe(true);
        },
      ),
    );
  });

  test('leaves nothing of a longer text that stood there before', () => {
    const words = new Int32Array(DESCRIPTOR_WORDS);
    writeText(words, 0, 'unreachable executed in function 1234567');
    writeText(words, 0, 'short');
    expect(readText(words, 0)).toBe('short');
  });

  test('of other letters than ASCII stays a text of at most 44 ASCII letters', () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 0xffff })), (codes) => {
        const text = String.fromCharCode(...codes);
        const words = new Int32Array(DESCRIPTOR_WORDS);
        writeText(words, 0, text);
        expect(readText(words, 0)).toMatch(/^[\x01-\x7f]{0,44}$/);
      }),
    );
  });

  test('is read from any words without harm', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 16, maxLength: 16 }), (words) => {
        expect(readText(Int32Array.from(words), 0).length).toBeLessThanOrEqual(44);
      }),
    );
  });
});

describe('a channel', () => {
  test('has three rings, one window, counters and doorbells that do not share a word with anything', () => {
    const channel = createChannel();
    for (const ring of [channel.control, channel.events, channel.posted])
      expect(new RingProducer(ring).capacity).toBeGreaterThanOrEqual(64);
    expect(channel.window.byteLength).toBe(WINDOW_BYTES);
    expect(new Set(Object.values(channel)).size).toBe(6);

    const words = new Int32Array(channel.bells);
    const changed = (act: () => void): number[] => {
      const before = words.slice();
      act();
      return [...words.keys()].filter((at) => words[at] !== before[at]);
    };
    const bells = Object.values(BELL).map((index) => changed(() => new Doorbell(channel.bells, index).arm()));
    const used = [...bells.flat(), MESSAGES_SENT];
    expect(used).toHaveLength(3);
    expect(used.every((at) => at < words.length)).toBe(true);
    // Cache lines apart: 128 bytes are two of the usual ones, which are fetched in pairs.
    for (const one of used)
      for (const other of used)
        if (one !== other) expect(Math.abs(one - other) * 4).toBeGreaterThanOrEqual(128);
  });

  test('names each message once', () => {
    for (const names of [CONTROL, EVENT]) {
      const codes = Object.values(names);
      expect(new Set(codes).size).toBe(codes.length);
      // Zero is what an empty descriptor says.
      expect(codes.every((code) => Number.isInteger(code) && code > 0)).toBe(true);
    }
  });

  test('a queue is two rings of the same capacity', () => {
    const { commands, completions } = createQueue(8);
    expect(commands).not.toBe(completions);
    expect([commands, completions].map((ring) => new RingProducer(ring).capacity)).toEqual([8, 8]);
  });
});
