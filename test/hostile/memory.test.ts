import { describe, expect, it } from 'vitest';
import { us } from '../../src/base/units.ts';
import type { Completion, GuestCoproc, GuestDomain, MappingRights } from '../../src/contract/guest.ts';
import { RUNTIMES, withRig } from '../rig.ts';
import { blamed, firmwareText, ownFirmware, reasonOf, streaming, vcoprocOf } from './support.ts';

const PAGE = 4096;

/** op 1 (iova, bytes): reads guest memory. op 2: writes it. op 3: fetches from it. Says itself that all is well, whatever came of it. */
const dma = ownFirmware({
  dma: firmwareText({
    start: `(if (i32.eq (i32.load (i32.const 1028)) (i32.const 1))
        (then (i32.store (i32.const 1088) (call $dma_in (i32.const 4096) (call $arg (i32.const 0)) (call $arg (i32.const 1)))))
        (else (if (i32.eq (i32.load (i32.const 1028)) (i32.const 3))
          (then (i32.store (i32.const 1088) (call $dma_fetch (i32.const 4096) (call $arg (i32.const 0)) (call $arg (i32.const 1)))))
          (else (i32.store (i32.const 1088) (call $dma_out (call $arg (i32.const 0)) (i32.const 4096) (call $arg (i32.const 1))))))))
      (i32.store (i32.const 1092) (i32.load (i32.const 4096)))
      (i32.const 1)`,
  }),
});
const READ = 1;
const WRITE = 2;
const FETCH = 3;
const SAYS: Readonly<Record<number, RegExp>> = {
  [READ]: /IOMMU fault: read at 0x/,
  [WRITE]: /IOMMU fault: write at 0x/,
  [FETCH]: /IOMMU fault: execute at 0x/,
};

interface Case {
  readonly what: string;
  readonly op: number;
  readonly rights: MappingRights;
  /** The address and length of the access, from the mapping's first address and its size. */
  readonly at: (iova: number, size: number) => readonly [number, number];
}

const CASES: readonly Case[] = [
  { what: 'reads at zero', op: READ, rights: 'read-write', at: () => [0, 4] },
  { what: 'writes at zero', op: WRITE, rights: 'read-write', at: () => [0, 4] },
  { what: 'reads the byte before', op: READ, rights: 'read-write', at: (iova) => [iova - 1, 1] },
  { what: 'reads the byte behind', op: READ, rights: 'read-write', at: (iova, size) => [iova + size, 1] },
  { what: 'writes the byte behind', op: WRITE, rights: 'read-write', at: (iova, size) => [iova + size, 1] },
  { what: 'reads over the end', op: READ, rights: 'read-write', at: (iova, size) => [iova + size - 8, 16] },
  { what: 'writes over the end', op: WRITE, rights: 'read-write', at: (iova, size) => [iova + size - 8, 16] },
  { what: 'writes over the beginning', op: WRITE, rights: 'read-write', at: (iova) => [iova - 8, 16] },
  { what: 'reads without the right', op: READ, rights: 'write', at: (iova) => [iova, 64] },
  { what: 'writes without the right', op: WRITE, rights: 'read', at: (iova) => [iova, 64] },
  { what: 'fetches data', op: FETCH, rights: 'read-write', at: (iova) => [iova, 64] },
  { what: 'fetches over the end', op: FETCH, rights: 'execute', at: (iova, size) => [iova + size - 8, 16] },
  { what: 'reads a program', op: READ, rights: 'execute', at: (iova) => [iova, 64] },
  { what: 'changes a program', op: WRITE, rights: 'read-execute', at: (iova) => [iova, 64] },
  { what: 'reads the last byte', op: READ, rights: 'read-write', at: () => [0xffff_ffff, 1] },
  { what: 'wraps a read around', op: READ, rights: 'read-write', at: () => [0xffff_fff0, 32] },
  { what: 'wraps a write around', op: WRITE, rights: 'read-write', at: () => [0xffff_fff0, 32] },
  { what: 'reads half way up', op: READ, rights: 'read-write', at: () => [0x8000_0000, 64] },
];

const submit = (gpu: GuestCoproc, op: number, [at, length]: readonly [number, number]): Promise<Completion> =>
  gpu.submit({ op, args: [at | 0, length] });

describe.each(RUNTIMES)('DMA outside of what is mapped, %s', (kind) => {
  it('is recorded with the access, the address and the queue of the command, and the IOTLB counts what it did', async () => {
    await withRig(kind, { firmware: dma }, async (rig) => {
      await rig.domain('outside', { gpu0: 'dma' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const queues = [gpu.createQueue(), gpu.createQueue()];
        const iova = gpu.map(domain.memory.allocate(PAGE), 'read');
        for (let round = 0; round < 3; round++) await submit(gpu, READ, [iova, PAGE]);
        await queues[1]!.submit({ op: WRITE, args: [iova | 0, PAGE] });
        await queues[0]!.submit({ op: READ, args: [0x7000_0000, 1] });
        await gpu.submit({ op: FETCH, args: [iova | 0, 8] });
      });
      const report = await rig.run();
      expect(rig.trace.flatMap((event) => (event.kind === 'fault' ? [event.dma] : []))).toEqual([
        { access: 'write', iova: expect.any(Number) as number, queue: 2 },
        { access: 'read', iova: 0x7000_0000, queue: 1 },
        { access: 'execute', iova: expect.any(Number) as number, queue: 0 },
      ]);
      const [{ iotlb }] = report.coprocs as [(typeof report.coprocs)[0]];
      // One walk for the page and one for where nothing is, unless the context left in between.
      expect(iotlb.misses).toBeGreaterThanOrEqual(2);
      expect(iotlb.hits + iotlb.misses).toBe(6);
    });
  });

  it('fails its command with the address, moves not a byte and costs nobody else anything', async () => {
    await withRig(kind, { firmware: dma }, async (rig) => {
      await rig.domain('streams', { gpu0: 'stream' }, streaming(10));
      await rig.domain('outside', { gpu0: 'dma' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        for (const { what, op, rights, at } of CASES) {
          const before = domain.memory.allocate(PAGE);
          const buffer = domain.memory.allocate(2 * PAGE);
          const behind = domain.memory.allocate(PAGE);
          for (const { bytes } of [before, buffer, behind]) bytes.fill(0x5a);
          const iova = gpu.map(buffer, rights);
          const { status, reason, results } = await submit(gpu, op, at(iova, 2 * PAGE));
          expect([what, status, results[0]]).toEqual([what, 'failed', 1]);
          expect(reason).toMatch(SAYS[op]!);
          for (const { bytes } of [before, buffer, behind])
            expect([what, bytes.every((byte) => byte === 0x5a)]).toEqual([what, true]);
          await gpu.unmap(iova);
          for (const memory of [before, buffer, behind]) domain.memory.free(memory);
        }
        // It is not isolated for it: the next command works.
        const buffer = domain.memory.allocate(PAGE);
        const iova = gpu.map(buffer, 'read');
        expect(await submit(gpu, READ, [iova, PAGE])).toMatchObject({ status: 'ok' });
      });
      const report = await rig.run();
      expect([reasonOf(report, 'outside'), reasonOf(report, 'streams')]).toEqual([null, null]);
      expect(blamed(rig)).toEqual(['outside/gpu0']);
      expect(vcoprocOf(report, 'outside/gpu0').faults).toHaveLength(CASES.length);
      expect(report.coprocs[0]?.resets).toBe(0);
    });
  });

  it('is no fault where a program is fetched from what may be executed, and the guest is told of no right that there is not', async () => {
    await withRig(kind, { firmware: dma }, async (rig) => {
      await rig.domain('program', { gpu0: 'dma' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const buffer = domain.memory.allocate(PAGE);
        new DataView(buffer.bytes.buffer, buffer.bytes.byteOffset).setInt32(0, 0x1234_5678, true);
        for (const rights of ['execute', 'read-execute'] as const) {
          const iova = gpu.map(buffer, rights);
          const { status, results } = await submit(gpu, FETCH, [iova, PAGE]);
          expect([status, results[0], results[1]]).toEqual(['ok', 0, 0x1234_5678]);
          await gpu.unmap(iova);
        }
        for (const rights of ['executes', 'constructor', undefined])
          expect(() => gpu.map(buffer, rights as MappingRights)).toThrow(/^rights \w+; .*read-execute/);
      });
      expect(reasonOf(await rig.run(), 'program')).toBeNull();
    });
  });

  it('never reaches what another domain mapped at the same address', async () => {
    await withRig(kind, { firmware: dma }, async (rig) => {
      const addresses: number[] = [];
      const main =
        (fill: number) =>
        async (domain: GuestDomain): Promise<void> => {
          const gpu = domain.coproc('gpu0');
          const buffer = domain.memory.allocate(PAGE);
          buffer.bytes.fill(fill);
          const iova = gpu.map(buffer, 'read-write');
          addresses.push(iova);
          for (let round = 0; round < 20; round++) {
            await submit(gpu, READ, [iova, PAGE]);
            await submit(gpu, WRITE, [iova, PAGE]);
            expect(buffer.bytes.every((byte) => byte === fill)).toBe(true);
          }
        };
      await rig.domain('a', { gpu0: 'dma' }, main(0xaa));
      await rig.domain('b', { gpu0: 'dma' }, main(0xbb));
      const report = await rig.run();
      expect(addresses[0]).toBe(addresses[1]);
      expect([reasonOf(report, 'a'), reasonOf(report, 'b')]).toEqual([null, null]);
    });
  });

  it('ends with unmap: what resolves it comes after the last access, even in the middle of a command', async () => {
    await withRig(kind, {}, async (rig) => {
      await rig.domain('streams', { gpu0: 'stream' }, streaming(10));
      await rig.domain('unmaps', { gpu0: 'stream' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        for (let round = 0; round < 10; round++) {
          const buffer = domain.memory.allocate(64 * PAGE);
          const iova = gpu.map(buffer, 'write');
          const filling = gpu.submit({ op: 3, args: [iova, 64 * PAGE, 1 + round] });
          await domain.sleep(us(1 + 7 * round));
          await gpu.unmap(iova);
          buffer.bytes.fill(0x77);
          const { status, reason } = await filling;
          if (status !== 'ok') expect(reason).toMatch(/IOMMU fault: write at 0x/);
          expect(buffer.bytes.every((byte) => byte === 0x77)).toBe(true);
          domain.memory.free(buffer);
        }
      });
      const report = await rig.run();
      expect([reasonOf(report, 'unmaps'), reasonOf(report, 'streams')]).toEqual([null, null]);
      expect(vcoprocOf(report, 'streams/gpu0').faults).toEqual([]);
    });
  });

  it('finds fresh memory zeroed, whoever wrote to it through a mapping that was never taken back', async () => {
    await withRig(kind, { firmware: dma }, async (rig) => {
      await rig.domain('after-free', { gpu0: 'dma' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const buffer = domain.memory.allocate(PAGE);
        buffer.bytes.fill(0xee);
        const iova = gpu.map(buffer, 'read-write');
        domain.memory.free(buffer);
        expect(() => domain.memory.free(buffer)).toThrow(/is not allocated/);
        // The mapping is its own affair: it reaches its own memory and nobody else's.
        expect(await submit(gpu, WRITE, [iova, PAGE])).toMatchObject({ status: 'ok' });
        await gpu.unmap(iova);
        const again = domain.memory.allocate(PAGE);
        expect(again.bytes.every((byte) => byte === 0)).toBe(true);
        await expect(gpu.unmap(iova)).rejects.toThrow(/nothing is mapped/);
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(5));
      const report = await rig.run();
      expect([reasonOf(report, 'after-free'), reasonOf(report, 'streams')]).toEqual([null, null]);
    });
  });

  it('takes forged buffers without reaching beyond the guest’s own memory', async () => {
    await withRig(kind, { firmware: dma }, async (rig) => {
      await rig.domain('forger', { gpu0: 'dma' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const { bytes } = domain.memory.allocate(PAGE);
        const ram = domain.memory.size;
        const forged = [
          { address: ram, size: PAGE },
          { address: ram - PAGE, size: 2 * PAGE },
          { address: 0x7fff_f000, size: PAGE },
          { address: -PAGE, size: PAGE },
          { address: 1, size: PAGE },
          { address: 0, size: -PAGE },
          { address: Number.NaN, size: PAGE },
          { address: 0, size: Number.NaN },
          { address: 0, size: 2 ** 40 },
        ];
        for (const { address, size } of forged) {
          let iova: number;
          try {
            iova = gpu.map({ address, size, bytes }, 'read-write');
          } catch (error) {
            expect(error).toMatchObject({ name: 'GuestError' });
            continue;
          }
          const { status } = await submit(gpu, READ, [iova, size]);
          expect([address, size, status]).toEqual([address, size, 'failed']);
        }
      });
      await rig.domain('streams', { gpu0: 'stream' }, streaming(5));
      const report = await rig.run();
      expect([reasonOf(report, 'forger'), reasonOf(report, 'streams')]).toEqual([null, null]);
    });
  });
});
