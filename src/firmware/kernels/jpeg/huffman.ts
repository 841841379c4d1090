// Huffman tables (T.81 Annex C and F.2.2.3): nine bits by table, longer codes by comparison.

import { DAMAGED } from './errors';
import { dropBits, needBits, peekBits, segmentByte, warn } from './input';

const LOOK_BITS: i32 = 9;
// One table: 512 entries `length << 8 | symbol`, then by code length the greatest code and what turns a
// code into an index of the symbols, then the symbols.
const GREATEST: usize = 1024;
const INDEX: usize = GREATEST + 17 * 4;
const SYMBOLS: usize = INDEX + 17 * 4;
const DEFINED: usize = SYMBOLS + 256;
const TABLE_BYTES: i32 = 1424;

const tables: usize = memory.data(11392, 8);
const counts: usize = memory.data(17, 1);

export function forgetTables(): void {
  for (let index = 0; index < 8; index++) store<u8>(tables + index * TABLE_BYTES, 0, DEFINED);
}

/** The table of class 0 (DC) or 1 (AC) and identifier 0 to 3; 0 when it was never defined. */
export function tableOf(kind: i32, id: i32): usize {
  const table = tables + (kind * 4 + id) * TABLE_BYTES;
  return load<u8>(table, DEFINED) != 0 ? table : 0;
}

/** Reads one table of a DHT segment. Returns 0 or an error. */
export function defineTable(): i32 {
  const selector = segmentByte();
  const kind = selector >> 4;
  const id = selector & 15;
  if (kind > 1 || id > 3) return DAMAGED;
  let total = 0;
  for (let bits = 1; bits <= 16; bits++) {
    const codes = segmentByte();
    store<u8>(counts + bits, codes);
    total += codes;
  }
  if (total > 256) return DAMAGED;
  const table = tables + (kind * 4 + id) * TABLE_BYTES;
  store<u8>(table, 0, DEFINED);
  for (let index = 0; index < total; index++) {
    const symbol = segmentByte();
    // A DC symbol is a number of bits; 16 exists in lossless coding only.
    if (kind == 0 && symbol > 15) return DAMAGED;
    store<u8>(table + index, symbol, SYMBOLS);
  }
  memory.fill(table, 0, GREATEST);
  let code = 0;
  let index = 0;
  for (let bits = 1; bits <= 16; bits++) {
    const codes = <i32>load<u8>(counts + bits);
    if (code + codes > 1 << bits) return DAMAGED;
    store<i32>(table + (bits << 2), index - code, INDEX);
    for (let each = 0; each < codes; each++, code++, index++) {
      if (bits <= LOOK_BITS) shorten(table, code, bits, load<u8>(table + index, SYMBOLS));
    }
    store<i32>(table + (bits << 2), codes > 0 ? code - 1 : -1, GREATEST);
    code <<= 1;
  }
  store<u8>(table, 1, DEFINED);
  return 0;
}

/** Enters a short code under every nine bits that begin with it. */
function shorten(table: usize, code: i32, bits: i32, symbol: i32): void {
  const first = code << (LOOK_BITS - bits);
  const last = first + (1 << (LOOK_BITS - bits));
  for (let look = first; look < last; look++) store<u16>(table + (look << 1), (bits << 8) | symbol);
}

/** Decodes one symbol. At least 16 bits of the buffer are valid behind it. */
@inline
export function decodeSymbol(table: usize): i32 {
  needBits();
  const entry = <i32>load<u16>(table + (peekBits(LOOK_BITS) << 1));
  if (entry == 0) return decodeLong(table);
  dropBits(entry >> 8);
  return entry & 255;
}

function decodeLong(table: usize): i32 {
  for (let bits = LOOK_BITS + 1; bits <= 16; bits++) {
    const code = peekBits(bits);
    if (code <= load<i32>(table + (bits << 2), GREATEST)) {
      dropBits(bits);
      return load<u8>(table + ((code + load<i32>(table + (bits << 2), INDEX)) & 255), SYMBOLS);
    }
  }
  // No such code: like libjpeg, call it zero and go on.
  warn();
  dropBits(16);
  return 0;
}
