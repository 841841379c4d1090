export const PAGE_BYTES = 4096;

/** A page that is worth keeping. */
export interface LivePage {
  /** Byte offset, a multiple of {@link PAGE_BYTES}. */
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** Copies of the pages that are not all zero, ascending, at most so many; and how many more there are. */
export function livePages(
  memory: Uint8Array,
  most = Infinity,
): { readonly pages: LivePage[]; readonly leftOut: number } {
  const pages: LivePage[] = [];
  let leftOut = 0;
  for (let at = 0; at < memory.length; at += PAGE_BYTES) {
    const page = memory.subarray(at, at + PAGE_BYTES);
    if (isZero(page)) continue;
    if (pages.length < most) pages.push({ at, bytes: new Uint8Array(page) });
    else leftOut++;
  }
  return { pages, leftOut };
}

/** Writes pages back into memory that is all zero. */
export function putPages(memory: Uint8Array, pages: readonly LivePage[]): void {
  for (const { at, bytes } of pages) memory.set(bytes, at);
}

function isZero(page: Uint8Array): boolean {
  const wide = new BigUint64Array(page.buffer, page.byteOffset, page.length >> 3);
  for (let place = 0; place < wide.length; place++) if (wide[place] !== 0n) return false;
  return true;
}
