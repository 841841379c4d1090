import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { platforms } from '../../src/platforms/index.ts';
import { IMAGE_STATE, digestWords, type FrontEndState } from '../../src/memory/context-image.ts';
import { BLOCK_BYTES } from '../../src/memory/guest-ram.ts';
import { PLATFORMS } from '../rig.ts';
import { Machine, firmware, remains, type Subject, type Work } from './machine.ts';

const PATTERN = firmware('pattern');
/** It has a page of guest memory, at the first I/O address that there is, and nothing to do. */
const idle: Work = {
  firmware: PATTERN,
  ramBytes: 1 << 16,
  commands(place) {
    expect(place(Uint8Array.of(1, 2, 3, 4))).toBe(BLOCK_BYTES);
    return [];
  },
};
const filled: Work = {
  firmware: PATTERN,
  ramBytes: 1 << 16,
  commands: () => [
    { op: 7, args: [0] },
    { op: 1, args: [7] },
  ],
};

describe.each(Object.entries(PLATFORMS))('a context on the %s', (_name, compatible) => {
  const platform = platforms[compatible]!;

  /** Writes random bytes into everything that a context is made of. */
  function scramble(subject: Subject, bytes: Uint8Array): void {
    const { image, local } = subject;
    let at = 0;
    const fill = (view: Uint8Array): void => {
      for (let index = 0; index < view.length; index++) view[index] = bytes[at++ % bytes.length]! ^ (at >> 3);
    };
    for (const { buffer, byteOffset, byteLength } of [image.registers, image.globals, local])
      fill(new Uint8Array(buffer, byteOffset, byteLength));
    // A global of 32 bits takes eight bytes, and only four of them are it.
    for (const [place, { type }] of PATTERN.globals.entries())
      if (type === 'i32' || type === 'f32') image.globals.setInt32(8 * place + 4, 0, true);
  }

  /** Makes a context whole as it is, as if it had just left. */
  function rest({ image, local }: Subject, frontEnd: FrontEndState): void {
    // Nothing of it may act by itself: every line is masked.
    image.registers[platform.core.interruptMask >> 2] = -1;
    image.setFirmware(digestWords(PATTERN.digest));
    image.saveFrontEnd(frontEnd);
    image.seal(new Int32Array(local.buffer));
    image.state = IMAGE_STATE.saved;
  }

  it('is loaded bit for bit as it was saved, whatever is in it and whoever came between', () => {
    const bytes = fc.uint8Array({ minLength: 64, maxLength: 256 });
    const fault = fc.option(
      fc.record({ access: fc.constantFrom('read' as const, 'write' as const), iova: fc.nat() }),
      { nil: undefined },
    );
    const machine = new Machine(platform);
    fc.assert(
      fc.property(bytes, bytes, fc.integer(), fault, (mine, others, sequence, dma) => {
        const [subject, other] = [machine.attach(idle), machine.attach(idle)];
        for (const [one, content] of [
          [subject, mine],
          [other, others],
        ] as const) {
          scramble(one, content);
          rest(one, { active: false, queue: 0, sequence, fault: dma });
        }
        const before = remains(subject, platform);
        const words = subject.image.registers.slice();
        const theirs = remains(other, platform);

        machine.switchTo(subject);
        const { loaded, window } = machine.core;
        expect([...window]).toEqual([...words]);
        expect(loaded).toMatchObject({ active: false, queue: 0, sequence, fault: dma });
        machine.switchTo(other);
        machine.switchTo(undefined);
        expect(remains(subject, platform)).toEqual(before);
        expect([...subject.image.registers]).toEqual([...words]);
        expect(remains(other, platform)).toEqual(theirs);
      }),
      { numRuns: 40 },
    );
  });

  it('leaves nothing behind: registers at their reset values, no way to its memory', () => {
    const machine = new Machine(platform);
    const subject = machine.attach(idle);
    scramble(subject, Uint8Array.of(0xa5, 0x5a, 0xff));
    rest(subject, { active: false, queue: 0, sequence: 0, fault: undefined });
    machine.switchTo(subject);
    const { iommu } = machine.core;
    const bytes = new Uint8Array(4);
    expect(iommu.read(BLOCK_BYTES, bytes)).toBeUndefined();
    expect([...bytes]).toEqual([1, 2, 3, 4]);
    machine.switchTo(undefined);
    const resets = new Int32Array(machine.core.window.length);
    for (const { offset, reset } of platform.registers) resets[offset >> 2] = reset;
    expect([...machine.core.window]).toEqual([...resets]);
    expect(machine.core.loaded).toBeUndefined();
    for (const access of ['read', 'write'] as const)
      expect(iommu[access](BLOCK_BYTES, bytes)).toEqual({ access, iova: BLOCK_BYTES });
  });

  it('is refused when its image is torn or belongs to another firmware', () => {
    for (const spoil of [
      (subject: Subject) => (subject.image.state = IMAGE_STATE.away),
      (subject: Subject) => (subject.image.state = IMAGE_STATE.saved),
    ]) {
      const machine = new Machine(platform);
      const subject = machine.attach(idle);
      spoil(subject);
      expect(() => machine.switchTo(subject)).toThrow(/torn|another firmware/);
      expect(machine.core.loaded).toBeUndefined();
    }
  });

  it('is refused when one bit of it changed while it was away', () => {
    const machine = new Machine(platform);
    const places = fc.record({ part: fc.constantFrom('registers', 'globals', 'local'), bit: fc.nat() });
    fc.assert(
      fc.property(places, ({ part, bit }) => {
        const subject = machine.attach(idle);
        scramble(subject, Uint8Array.of(1, 2, 3));
        rest(subject, { active: false, queue: 0, sequence: 1, fault: undefined });
        const { image, local } = subject;
        const { buffer, byteOffset, byteLength } =
          part === 'local' ? local : part === 'globals' ? image.globals : image.registers;
        new Uint8Array(buffer, byteOffset, byteLength)[(bit >> 3) % byteLength]! ^= 1 << (bit & 7);
        expect(() => machine.switchTo(subject)).toThrow('damaged');
        expect(machine.core.loaded).toBeUndefined();
      }),
      { numRuns: 60 },
    );
  });

  it("begins from its firmware's first image, whatever stands in its local memory", () => {
    const result = (dirty: boolean) => {
      const machine = new Machine(platform);
      const subject = machine.attach(filled, (local) => void (dirty && local.fill(0xee)));
      machine.switchTo(subject);
      machine.run(subject);
      machine.switchTo(undefined);
      return remains(subject, platform);
    };
    expect(result(false).completions[0]!.slice(8, 10)).toEqual([expect.any(Number), -1]);
    expect(result(true)).toEqual(result(false));
  });
});

describe('a context that trapped on its way out of the GPU', () => {
  it('leaves no half-drained pipeline to the next: how far that one drains is its own', () => {
    const platform = platforms[PLATFORMS.gpu]!;
    const commands = (op: number) => () => [{ op, args: [1] }];
    const stepsToLeave = (trapFirst: boolean): number => {
      const machine = new Machine(platform);
      const trapping = machine.attach({ firmware: firmware('spin'), ramBytes: 4096, commands: commands(2) });
      const next = machine.attach({ firmware: PATTERN, ramBytes: 4096, commands: commands(1) });
      if (trapFirst) {
        machine.switchTo(trapping);
        machine.run(trapping, 1);
        expect(() => machine.switchTo(next)).toThrow('unreachable');
      }
      machine.switchTo(next);
      machine.run(next, 1);
      const before = machine.steps;
      machine.switchTo(undefined);
      return machine.steps - before;
    };
    expect(stepsToLeave(false)).toBeGreaterThan(0);
    expect(stepsToLeave(true)).toBe(stepsToLeave(false));
  });
});
