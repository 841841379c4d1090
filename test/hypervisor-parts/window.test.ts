import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FirmwareImage } from '../../src/contract/firmware.ts';
import type { Platform, Register } from '../../src/contract/platform.ts';
import { RegisterWindow, type MappedWindow } from '../../src/hypervisor/window.ts';
import { WINDOW_WORDS } from '../../src/memory/channel.ts';
import { ContextImage, imageBytes } from '../../src/memory/context-image.ts';
import { RingConsumer, RingProducer, ringMemory } from '../../src/memory/ring.ts';

const ACCESSES = ['read-write', 'read-only', 'trigger', 'write-one-clears', 'none'] as const;
const AWAYS = ['latched', 'replayed', 'refused'] as const;

/** One register of every kind, each with a reset value of its own. */
const registers: readonly Register[] = ACCESSES.flatMap((access, row) =>
  AWAYS.map((away, column) => ({
    name: `${access} ${away}`,
    offset: 4 * (row * AWAYS.length + column),
    access,
    firmware: true,
    reset: 0x80 + row * AWAYS.length + column,
    away,
  })),
);
const NOWHERE = [registers.length * 4, 2, -4, 1.5, NaN, 4 * WINDOW_WORDS, 2 ** 40];

function registerOf(access: Register['access'], away: Register['away']): Register {
  return registers.find((register) => register.access === access && register.away === away)!;
}

const LATCHED = registerOf('read-write', 'latched');
const TRIGGER = registerOf('trigger', 'replayed');

const platform = { registers } as unknown as Platform;
const firmware = { globals: [], memoryPages: 0 } as unknown as FirmwareImage;

/** The real window and the ring of posted writes, with a device that takes them when it is told to. */
class FakeDevice implements MappedWindow {
  readonly words = new Int32Array(new SharedArrayBuffer(WINDOW_WORDS * 4));
  readonly posted: RingProducer;
  readonly #consumer: RingConsumer;
  readonly taken: { readonly offset: number; readonly value: number }[] = [];
  rung = 0;

  constructor(capacity = 4) {
    const memory = ringMemory(capacity);
    this.posted = new RingProducer(memory);
    this.#consumer = new RingConsumer(memory);
  }

  ring(): void {
    this.rung++;
  }

  take(count = Infinity): void {
    const { words } = this.#consumer;
    while (count-- > 0 && this.#consumer.available() > 0) {
      const at = this.#consumer.peek();
      this.taken.push({ offset: words[at]!, value: words[at + 1]! });
      this.#consumer.release();
    }
  }
}

/** A window with its image and a device, and the coprocessor's part in moving the one to the other. */
class Scene {
  readonly image = new ContextImage(new SharedArrayBuffer(imageBytes(firmware)), firmware);
  readonly device = new FakeDevice();
  unmasked = 0;
  readonly window = new RegisterWindow(platform, this.image, LATCHED.offset, () => this.unmasked++);

  /** The hypervisor asked for this context: the coprocessor loads it at some moment before `map`. */
  ask(): void {
    this.window.lend();
    this.device.words.set(this.image.registers);
  }

  arrive(): void {
    if (!this.window.lent) this.ask();
    this.window.map(this.device);
  }

  /** Takes the posted writes that are there, saves the registers. */
  leave(): void {
    this.device.take();
    this.image.registers.set(this.device.words);
    this.window.takeBack();
  }
}

const value = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 32 - 1 }),
  fc.constantFrom(0, 1, -1, 2 ** 31, 2 ** 32 - 1),
);

type State = 'at rest' | 'asked for' | 'mapped' | 'on its way out';

/** What a guest and a device may count on, without the ways and places in between. */
class Oracle {
  /** The value of each register that is plain storage, as its guest left it. */
  readonly stored = new Map(registers.map(({ offset, reset }) => [offset, reset]));
  /** What the device has to see, in order. */
  readonly acts: { readonly offset: number; readonly value: number }[] = [];
  refused = 0;

  write(state: State, register: Register | undefined, written: number): void {
    const isMapped = state === 'mapped';
    if (register === undefined || register.access === 'none' || register.access === 'read-only')
      this.refused++;
    else if (!isMapped && register.away === 'refused') this.refused++;
    else if (register.access === 'read-write') this.stored.set(register.offset, written >>> 0);
    else this.acts.push({ offset: register.offset, value: written | 0 });
  }
}

type Deed =
  | { readonly kind: 'read'; readonly offset: number }
  | { readonly kind: 'write'; readonly offset: number; readonly value: number }
  | { readonly kind: 'move' }
  | { readonly kind: 'return' }
  | { readonly kind: 'take'; readonly count: number };

/** Latched writes that act on the device go to the saved registers; how they act is the platform's. See below. */
const offsets = registers
  .filter(({ access, away }) => access === 'read-write' || access === 'read-only' || away !== 'latched')
  .map(({ offset }) => offset);
const offset = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...offsets) },
  // One that is written again and again, in every state.
  { weight: 6, arbitrary: fc.constant(LATCHED.offset) },
  { weight: 1, arbitrary: fc.constantFrom(...NOWHERE) },
);
const deeds: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('read' as const), offset }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('write' as const), offset, value }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constantFrom('move' as const, 'move' as const, 'return' as const) }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('take' as const), count: fc.nat({ max: 5 }) }) },
);

describe('a register window', () => {
  test('keeps each promise to guest and device while it comes and goes: own writes, order, refusals', () => {
    fc.assert(
      fc.property(fc.array(deeds, { maxLength: 60, size: 'max' }), (script) => {
        const scene = new Scene();
        const { window, device } = scene;
        const oracle = new Oracle();
        let state = 'at rest' as State;
        const find = (at: number): Register | undefined =>
          registers.find((register) => register.offset === at);
        const act = (deed: Deed): void => {
          if (deed.kind === 'write') {
            oracle.write(state, find(deed.offset), deed.value);
            window.write(deed.offset, deed.value);
          } else if (deed.kind === 'read') {
            const register = find(deed.offset);
            const seen = window.read(deed.offset);
            if (register === undefined || register.access === 'none') {
              oracle.refused++;
              expect(seen).toBe(0);
              // While the device is behind with posted writes, see the test of that name below.
            } else if (state !== 'mapped' || device.taken.length === oracle.acts.length)
              expect(seen).toBe(oracle.stored.get(deed.offset));
          } else if (deed.kind === 'take') {
            if (state === 'at rest') return;
            device.take(deed.count);
            window.flush();
          } else if (deed.kind === 'return') {
            // The context denied to leave: it has its window again.
            if (state !== 'on its way out') return;
            window.map(device);
            state = 'mapped';
          } else if (state === 'at rest') {
            scene.ask();
            state = 'asked for';
          } else if (state === 'asked for') {
            scene.arrive();
            state = 'mapped';
          } else if (state === 'mapped') {
            window.unmap();
            state = 'on its way out';
          } else {
            scene.leave();
            state = 'at rest';
          }
        };
        for (const deed of script) {
          act(deed);
          expect(window.mapped).toBe(state === 'mapped');
          expect(window.lent).toBe(state !== 'at rest');
          expect(window.refused).toBe(oracle.refused);
          expect(device.taken).toEqual(oracle.acts.slice(0, device.taken.length));
        }

        scene.arrive();
        while (device.taken.length < oracle.acts.length) {
          const before = device.taken.length;
          device.take();
          expect(device.taken.length).toBeGreaterThan(before);
          window.flush();
        }
        expect(device.taken).toEqual(oracle.acts);
        for (const { offset: at, access } of registers) {
          if (access === 'none') continue;
          expect(window.read(at)).toBe(oracle.stored.get(at));
          expect(device.words[at >> 2]! >>> 0).toBe(oracle.stored.get(at));
        }
      }),
      { numRuns: 150 },
    );
  });

  test('reads back what was written while the device is behind with posted writes', () => {
    const scene = new Scene();
    scene.arrive();
    for (let write = 0; write < 5; write++) scene.window.write(TRIGGER.offset, write);
    scene.window.write(LATCHED.offset, 77);
    expect(scene.window.read(LATCHED.offset)).toBe(77);
  });

  test('lets the newest write win, wherever the older ones were kept', () => {
    const scene = new Scene();
    scene.arrive();
    scene.window.unmap();
    scene.window.write(LATCHED.offset, 1);
    scene.leave();
    expect(scene.window.read(LATCHED.offset)).toBe(1);
    scene.window.write(LATCHED.offset, 2);
    expect(scene.window.read(LATCHED.offset)).toBe(2);
    scene.arrive();
    expect(scene.window.read(LATCHED.offset)).toBe(2);
  });

  test('shows what the device changed: as it is, as it was when it left, as it was saved', () => {
    const scene = new Scene();
    const { offset: at } = registerOf('read-only', 'refused');
    scene.arrive();
    scene.device.words[at >> 2] = 1;
    expect(scene.window.read(at)).toBe(1);
    scene.window.unmap();
    scene.device.words[at >> 2] = -2;
    expect(scene.window.read(at)).toBe(1);
    scene.leave();
    expect(scene.window.read(at)).toBe(2 ** 32 - 2);
  });

  test('never touches the real window once it was unmapped', () => {
    const scene = new Scene();
    scene.arrive();
    scene.window.unmap();
    const [words, { rung }] = [scene.device.words.slice(), scene.device];
    for (const { offset: at } of registers) scene.window.write(at, 0x55);
    scene.leave();
    for (const { offset: at } of registers) scene.window.write(at, 0x66);
    scene.window.flush();
    expect(scene.device.words).toEqual(words);
    expect([scene.device.rung, scene.device.taken]).toEqual([rung, []]);
  });

  test('does not touch an image that it lent', () => {
    const scene = new Scene();
    const expectUntouched = (): void => {
      const before = scene.image.registers.slice();
      for (const { offset: at } of registers) scene.window.write(at, 0x55);
      expect(scene.image.registers).toEqual(before);
    };
    scene.window.lend();
    expectUntouched();
    scene.window.map(scene.device);
    expectUntouched();
    scene.window.unmap();
    expectUntouched();
  });

  test('rings the device for each write that reaches it', () => {
    const scene = new Scene();
    scene.arrive();
    const { rung } = scene.device;
    scene.window.write(LATCHED.offset, 1);
    scene.window.write(TRIGGER.offset, 1);
    scene.window.write(registerOf('read-only', 'latched').offset, 1);
    expect(scene.device.rung).toBe(rung + 2);
  });

  test.each(ACCESSES)(
    'keeps a latched write to a %s register where the context finds it on return',
    (access) => {
      const scene = new Scene();
      const { offset: at } = registerOf(access, 'latched');
      const isWritable = access !== 'read-only' && access !== 'none';
      scene.window.write(at, 0x1234);
      expect(scene.image.registers[at >> 2] === 0x1234).toBe(isWritable);
      scene.arrive();
      expect(scene.device.words[at >> 2] === 0x1234).toBe(isWritable);
      expect(scene.device.taken).toEqual([]);
    },
  );

  test('tells of a changed interrupt mask only while the context is at rest', () => {
    const scene = new Scene();
    scene.window.write(LATCHED.offset, 1);
    expect(scene.unmasked).toBe(1);
    scene.window.write(registerOf('read-write', 'replayed').offset, 1);
    scene.ask();
    scene.window.write(LATCHED.offset, 2);
    scene.arrive();
    scene.window.write(LATCHED.offset, 3);
    scene.window.unmap();
    scene.window.write(LATCHED.offset, 4);
    expect(scene.unmasked).toBe(1);
  });

  test('keeps at most 4096 writes for a device that does not take them, and counts the rest', () => {
    const scene = new Scene();
    for (let write = 0; write < 5000; write++) scene.window.write(TRIGGER.offset, write);
    expect(scene.window.refused).toBe(5000 - 4096);
    scene.arrive();
    for (let round = 0; round < 5000 / 4; round++) {
      scene.device.take();
      scene.window.flush();
    }
    scene.device.take();
    expect(scene.device.taken.map(({ value: taken }) => taken)).toEqual(
      Array.from({ length: 4096 }, (_, at) => at),
    );
    scene.window.write(TRIGGER.offset, -1);
    scene.device.take();
    expect(scene.device.taken.at(-1)).toEqual({ offset: TRIGGER.offset, value: -1 });
  });

  test('begins with the reset values, and again after a reset, with no write left over', () => {
    const scene = new Scene();
    const resets = registers.filter(({ access }) => access !== 'none');
    const shown = (): number[] => resets.map(({ offset: at }) => scene.window.read(at));
    const expected = resets.map(({ reset }) => reset);
    expect(shown()).toEqual(expected);
    for (const { offset: at } of registers) scene.window.write(at, 0x55);
    scene.window.lend();
    for (const { offset: at } of registers) scene.window.write(at, 0x66);
    scene.window.drop();
    scene.window.reset();
    expect([scene.window.mapped, scene.window.lent]).toEqual([false, false]);
    expect(shown()).toEqual(expected);
    scene.arrive();
    scene.device.take();
    expect(scene.device.taken).toEqual([]);
    expect(shown()).toEqual(expected);
  });

  test('goes on when the ring of posted writes is not what it should be: the write is lost, nothing else', () => {
    const scene = new Scene();
    scene.arrive();
    new Int32Array(scene.device.posted.words.buffer)[32] = 1000;
    for (let write = 0; write < 20; write++) scene.window.write(TRIGGER.offset, write);
    scene.window.write(LATCHED.offset, 5);
    expect(scene.window.read(LATCHED.offset)).toBe(5);
  });
});
