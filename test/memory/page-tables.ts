import { PAGE_BYTES } from '../../src/memory/guest-ram.ts';
import { RIGHT } from '../../src/memory/page-table.ts';

// The layout as the table in shared memory has it, written down a second time: 64 words of header, a root of 2048
// entries, then tables of 512. Bit 0 of an entry: valid; bits 1 and 2: rights; bit 3 of a root entry: a block.
export const ROOT = 64;
export const TABLES = ROOT + 2048;

/** A page table that maps `[page, frame]` pairs with all rights, without an address space that would refuse some. */
export function handMade(pages: readonly (readonly [number, number])[]): SharedArrayBuffer {
  const blocks = [...new Set(pages.map(([page]) => page >>> 9))];
  const memory = new SharedArrayBuffer((TABLES + blocks.length * 512) * 4);
  const words = new Int32Array(memory);
  blocks.forEach((block, table) => (words[ROOT + block] = (table << 12) | 1));
  for (const [page, frame] of pages)
    words[TABLES + blocks.indexOf(page >>> 9) * 512 + (page & 511)] =
      (frame << 12) | RIGHT.read | RIGHT.write | 1;
  return memory;
}

/** Where the byte at `iova` lies in a memory of `ramPages`, or `undefined` when it cannot be reached. */
export function decode(table: Int32Array, iova: number, right: number, ramPages: number): number | undefined {
  const page = Math.floor(iova / PAGE_BYTES);
  const root = table[ROOT + (page >> 9)]!;
  if ((root & 1) === 0) return undefined;
  const at = TABLES + (root >>> 12) * 512 + (page % 512);
  const isBlock = (root & 8) !== 0;
  const entry = isBlock ? root : (table[at] ?? 0);
  if ((entry & 1) === 0 || (entry & right) === 0) return undefined;
  // A frame number has 20 bits, whatever is added to it.
  const frame = ((entry >>> 12) + (isBlock ? page % 512 : 0)) % 2 ** 20;
  return frame < ramPages ? frame * PAGE_BYTES + (iova % PAGE_BYTES) : undefined;
}
