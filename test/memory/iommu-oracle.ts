import { PAGE_BYTES } from '../../src/memory/guest-ram.ts';
import { RIGHT } from '../../src/memory/page-table.ts';

export const RAM_PAGES = 640;
export const RAM_BYTES = RAM_PAGES * PAGE_BYTES;

interface Page {
  readonly frame: number;
  readonly rights: number;
}

/** What an IOMMU should do: a page at a time, from the bookkeeping of the test alone. */
export class Oracle {
  readonly pages = new Map<number, Page>();
  readonly ram = new Uint8Array(RAM_BYTES);
  /** Pages that were unmapped and whose translations may still be in use. */
  readonly stale = new Set<number>();

  /** The first address in the range that cannot be reached. */
  firstBad(iova: number, size: number, right: number): number | undefined {
    for (let at = iova; at < iova + size; at++) {
      const page = this.pages.get(Math.floor(at / PAGE_BYTES));
      if (page === undefined || (page.rights & right) === 0 || page.frame >= RAM_PAGES) return at;
      at += PAGE_BYTES - (at % PAGE_BYTES) - 1;
    }
    return undefined;
  }

  touchesStale(iova: number, size: number): boolean {
    for (let at = iova; at < iova + size; at += PAGE_BYTES - (at % PAGE_BYTES))
      if (this.stale.has(Math.floor(at / PAGE_BYTES))) return true;
    return false;
  }

  copy(iova: number, local: Uint8Array, right: number): void {
    for (let done = 0; done < local.length;) {
      const at = iova + done;
      const run = Math.min(PAGE_BYTES - (at % PAGE_BYTES), local.length - done);
      const from = this.pages.get(Math.floor(at / PAGE_BYTES))!.frame * PAGE_BYTES + (at % PAGE_BYTES);
      if (right === RIGHT.write) this.ram.set(local.subarray(done, done + run), from);
      else local.set(this.ram.subarray(from, from + run), done);
      done += run;
    }
  }
}

/** Longest run of pages that no mapping, no guard page and nothing unreclaimed has. */
export function freeRun(
  mapped: readonly { iova: number; pages: number }[],
  unmapped: readonly { iova: number; bytes: number }[],
): number {
  const [begin, end] = [512, 512 + 512 * (2 * Math.ceil(RAM_BYTES / 2 ** 21) + 2)];
  const used = [...mapped, ...unmapped.map(({ iova, bytes }) => ({ iova, pages: bytes / PAGE_BYTES }))]
    .map(({ iova, pages }) => ({ first: iova / PAGE_BYTES, last: iova / PAGE_BYTES + pages + 1 }))
    .sort((a, b) => a.first - b.first);
  let longest = 0;
  let at = begin;
  for (const { first, last } of [...used, { first: end, last: end }]) {
    longest = Math.max(longest, first - at);
    at = last;
  }
  return longest;
}
