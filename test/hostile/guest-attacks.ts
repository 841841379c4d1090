import { expect } from 'vitest';
import { present } from '../../src/base/assert.ts';
import { seededRandom } from '../../src/base/random.ts';
import { us } from '../../src/base/units.ts';
import type { GuestCoproc } from '../../src/contract/guest.ts';
import type { Attack } from './witness.ts';

const PAGE = 4096;

/** The guest's own address, far away from what it has mapped and close to it. */
const OUTSIDE = [0, 0x1000, 0x8000_0000, 0xffff_fff0];

const works = async (gpu: GuestCoproc): Promise<void> => {
  expect((await gpu.submit({ op: 4, args: [1] })).status).toBe('ok');
};

/** Does it until the guest is told that it is enough. */
function untilRefused(act: () => unknown): number {
  for (let count = 0; ; count++) {
    if (count === 20_000) return count;
    try {
      act();
    } catch (error) {
      expect(error).toMatchObject({ name: 'GuestError' });
      return count;
    }
  }
}

/**
 * Overwrites words of the rings and boards that it shares with the coprocessor, indices above all, while commands are
 * under way. Not of the guest's interface: what a guest could do that owned that memory.
 */
export const rubbishInQueues = (seed: number): Attack => ({
  ends: 'any',
  main: async (domain, rig) => {
    const random = seededRandom(seed);
    const gpu = domain.coproc('gpu0');
    const own = present(
      rig.hypervisor.vcoprocs.find(({ name }) => name.startsWith(`${domain.name}/`)),
      'the domain has a vcoproc',
    );
    const queues = [gpu, gpu.createQueue({ capacity: 4, priority: 12 }), gpu.createQueue({ priority: 2 })];
    const shared = (): SharedArrayBuffer[] => [
      own.queues.board,
      ...own.queues.specs.flatMap(({ memory }) => [memory.commands, memory.completions]),
    ];
    const oneOf = <T>(options: readonly T[]): T => options[random.below(options.length)]!;
    for (let round = 0; round < 80; round++) {
      for (let n = random.below(6); n > 0; n--)
        void oneOf(queues).submit({ op: 4, args: [random.below(50)] });
      const words = new Int32Array(oneOf(shared()));
      // The indices of a ring stand in words 0, 32 and 33.
      const at = oneOf([0, 0, 32, 32, 33, random.below(words.length)]);
      const value = oneOf([
        0,
        -1,
        0x4000_0000,
        -0x8000_0000,
        random.bits(),
        (words[at]! + random.below(9) - 4) | 0,
      ]);
      Atomics.store(words, at, value);
      if (random.below(4) === 0) gpu.registers.write(0x0c, 1);
      await domain.sleep(us(random.below(60)));
    }
  },
});

/** What a guest can try with firmware that does its duty, each by its name in docs/hostile.md. */
export const GUEST_ATTACKS: Readonly<Record<string, Attack>> = {
  'guest that throws': {
    ends: 'crashed',
    main: () => {
      throw new Error('boom');
    },
  },
  'guest that throws what has no words': {
    ends: 'crashed',
    main: () => {
      const thrower = (): never => {
        throw new Error('nor this');
      };
      throw Object.assign(new Error(), { message: { toString: thrower } });
    },
  },
  'guest that throws what is nothing': {
    ends: 'crashed',
    main: () => {
      const refuses = (): never => {
        throw new Error('not even asked what it is');
      };
      throw new Proxy({}, { get: refuses, getPrototypeOf: refuses, has: refuses }) as Error;
    },
  },
  'interrupt handler that throws': {
    ends: 'crashed',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      gpu.onInterrupt(() => {
        throw new RangeError('handler');
      });
      await gpu.submit({ op: 9, args: [5] });
    },
  },
  'crash with work under way': {
    ends: 'crashed',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      for (let n = 0; n < 300; n++) void gpu.submit({ op: 4, args: [1 << 20] });
      await domain.sleep(us(200));
      throw new Error('left work behind');
    },
  },
  'half of a crashed guest': {
    ends: 'crashed',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      void (async () => {
        for (;;) await gpu.submit({ op: 4, args: [100] });
      })();
      await domain.sleep(us(300));
      throw new Error('half of it');
    },
  },
  'flood of commands': {
    ends: 'harmless',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      await Promise.all(Array.from({ length: 3000 }, () => works(gpu)));
    },
  },
  'more queues than there are': {
    ends: 'harmless',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      expect(untilRefused(() => gpu.createQueue({ capacity: 4096 }))).toBeGreaterThan(0);
      await works(gpu);
    },
  },
  'all of its memory': {
    ends: 'harmless',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      untilRefused(() => gpu.map(domain.memory.allocate(PAGE), 'read-write'));
      await works(gpu);
    },
  },
  'one page mapped for ever': {
    ends: 'harmless',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      const page = domain.memory.allocate(PAGE);
      untilRefused(() => gpu.map(page, 'read-write'));
      await works(gpu);
    },
  },
  'storm of doorbells': {
    ends: 'harmless',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      for (let n = 0; n < 20; n++) {
        for (let ring = 0; ring < 500; ring++) gpu.registers.write(0x0c, ring);
        await domain.sleep(us(20));
      }
      await works(gpu);
    },
  },
  'rubbish in every register of the window': {
    ends: 'harmless',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      for (const value of [-1, 0xdead_beef, Number.NaN, 2 ** 40]) {
        for (let offset = -16; offset < 4400; offset += 2) gpu.registers.write(offset, value);
        await domain.sleep(us(100));
      }
      for (const offset of [0x04, 0x08, 0x10, 0x24]) gpu.registers.write(offset, 0);
      await works(gpu);
    },
  },
  'rubbish for a command': {
    ends: 'harmless',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      for (const op of [-1, 65536, 0.5, Number.NaN, '1' as never])
        await expect(Promise.resolve().then(() => gpu.submit({ op }))).rejects.toThrow();
      await works(gpu);
    },
  },
  'DMA of its own commands outside': {
    ends: 'failed',
    firmware: 'stream',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      for (const at of OUTSIDE)
        for (const op of [1, 3])
          expect((await gpu.submit({ op, args: [at | 0, 64, 7] })).status).toBe('failed');
    },
  },
  'forged buffer': {
    ends: 'either',
    firmware: 'stream',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      const { bytes } = domain.memory.allocate(PAGE);
      for (const address of [domain.memory.size, domain.memory.size - PAGE, -PAGE, 1, Number.NaN]) {
        let iova: number;
        try {
          iova = gpu.map({ address, size: 2 * PAGE, bytes }, 'read-write');
        } catch (error) {
          expect(error).toMatchObject({ name: 'GuestError' });
          continue;
        }
        expect((await gpu.submit({ op: 1, args: [iova, 2 * PAGE] })).status).toBe('failed');
      }
    },
  },
  'memory used after it was freed': {
    ends: 'harmless',
    firmware: 'stream',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      const buffer = domain.memory.allocate(PAGE);
      const iova = gpu.map(buffer, 'read-write');
      domain.memory.free(buffer);
      expect(() => domain.memory.free(buffer)).toThrow(/is not allocated/);
      await gpu.submit({ op: 3, args: [iova, PAGE, 9] });
      await gpu.unmap(iova);
      expect(domain.memory.allocate(PAGE).bytes.every((byte) => byte === 0)).toBe(true);
    },
  },
  'memory taken back under way': {
    ends: 'either',
    firmware: 'stream',
    main: async (domain) => {
      const gpu = domain.coproc('gpu0');
      for (let round = 0; round < 6; round++) {
        const buffer = domain.memory.allocate(32 * PAGE);
        const iova = gpu.map(buffer, 'write');
        const filling = gpu.submit({ op: 3, args: [iova, 32 * PAGE, 1 + round] });
        await domain.sleep(us(1 + 7 * round));
        await gpu.unmap(iova);
        buffer.bytes.fill(0x77);
        await filling;
        expect(buffer.bytes.every((byte) => byte === 0x77)).toBe(true);
        domain.memory.free(buffer);
      }
    },
  },
  'rubbish in the memory of its queues': rubbishInQueues(1),
  'ring index that cannot be': {
    ends: 'failed',
    main: async (domain, rig) => {
      const gpu = domain.coproc('gpu0');
      await works(gpu);
      // Not of the guest's interface: what a guest could do that owned the memory of its ring.
      const own = rig.hypervisor.vcoprocs.find(({ name }) => name.startsWith(`${domain.name}/`));
      const { queues } = present(own, 'the domain has a vcoproc');
      for (;;) {
        Atomics.store(new Int32Array(queues.first.memory.commands), 0, 0x4000_0000);
        gpu.registers.write(0x0c, 1);
        await domain.sleep(us(50));
        const { status } = await Promise.race([
          gpu.submit({ op: 4, args: [1] }),
          domain.sleep(us(200)).then(() => ({ status: 'waits' })),
        ]);
        if (status === 'failed') break;
      }
    },
  },
};
