import { GuestRam } from '../../src/memory/guest-ram.ts';
import { Iommu, reach } from '../../src/memory/iommu.ts';
import { AddressSpace, RIGHT } from '../../src/memory/page-table.ts';
import type { Bench } from '../harness/bench.ts';
import { native, nativeLimits } from '../harness/native.ts';

const PAGES = 64;

/** Calls `copy` with ever other pages for so long. Says how many nanoseconds one call takes. */
function time(milliseconds: number, copy: (page: number) => void): number {
  const start = performance.now();
  let count = 0;
  while (performance.now() - start < milliseconds) for (let k = 0; k < 256; k++) copy(count++ % PAGES);
  return ((performance.now() - start) * 1e6) / count;
}

/** DMA through the IOMMU, every page's translation in the cache, against the same copy without any check. */
export const dmaBench: Bench = {
  name: 'dma',
  what: 'copies between guest memory and local memory, IOTLB warm',
  async *races({ milliseconds }) {
    for (const bytes of [256, 4096, 65536]) {
      const ram = new GuestRam(PAGES * Math.max(bytes, 4096));
      const space = new AddressSpace(ram.size);
      const iova = space.map(0, ram.size, RIGHT.read | RIGHT.write)!;
      const iommu = new Iommu();
      iommu.enter(reach(space.memory, ram.memory));
      const whole = new Uint8Array(new WebAssembly.Memory({ initial: 16, maximum: 16, shared: true }).buffer);
      const guest = new Uint8Array(ram.memory);
      const local = (page: number): Uint8Array =>
        whole.subarray((page & 7) * bytes, ((page & 7) + 1) * bytes);
      const each = Math.max(bytes, 4096);
      await Promise.resolve();
      yield {
        title: `DMA in, ${bytes} bytes`,
        unit: 'ns',
        contestants: [
          {
            name: 'DMA',
            sample: () =>
              time(milliseconds, (page) => {
                if (iommu.read(iova + page * each, local(page)) !== undefined) throw new Error('a fault');
              }),
          },
          {
            name: 'unchecked copy',
            sample: () =>
              time(milliseconds, (page) => local(page).set(guest.subarray(page * each, page * each + bytes))),
          },
          ...(nativeLimits()
            ? [{ name: 'C memcpy', sample: () => native('memcpy', bytes, milliseconds)['p50']! }]
            : []),
        ],
        questions: [
          { of: 'DMA', to: 'unchecked copy', goal: bytes === 4096 ? 0.8 : undefined },
          { of: 'DMA', to: 'C memcpy', goal: undefined },
        ],
      };
    }
  },
};
