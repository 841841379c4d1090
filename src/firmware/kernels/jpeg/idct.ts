// The accurate integer inverse DCT: Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms
// with 11 multiplications" (ICASSP 1989), columns then rows, with the scaling and rounding of libjpeg's
// "islow" (13-bit constants, two extra bits between the passes), so that results agree to the bit.

const CONSTANT_BITS: i32 = 13;
const BETWEEN_BITS: i32 = 2;
const COLUMN_SHIFT: i32 = CONSTANT_BITS - BETWEEN_BITS;
const ROW_SHIFT: i32 = CONSTANT_BITS + BETWEEN_BITS + 3;

const C0_298631336: i32 = 2446;
const C0_390180644: i32 = 3196;
const C0_541196100: i32 = 4433;
const C0_765366865: i32 = 6270;
const C0_899976223: i32 = 7373;
const C1_175875602: i32 = 9633;
const C1_501321110: i32 = 12299;
const C1_847759065: i32 = 15137;
const C1_961570560: i32 = 16069;
const C2_053119869: i32 = 16819;
const C2_562915447: i32 = 20995;
const C3_072711026: i32 = 25172;

const between: usize = memory.data(256, 16);

// What one 1-D transform hands back: output n is even n + odd n, output 7 - n is even n - odd n.
let even0: i32 = 0;
let even1: i32 = 0;
let even2: i32 = 0;
let even3: i32 = 0;
let odd0: i32 = 0;
let odd1: i32 = 0;
let odd2: i32 = 0;
let odd3: i32 = 0;

@inline
function transform(x0: i32, x1: i32, x2: i32, x3: i32, x4: i32, x5: i32, x6: i32, x7: i32): void {
  const rotate = (x2 + x6) * C0_541196100;
  const low = rotate - x6 * C1_847759065;
  const high = rotate + x2 * C0_765366865;
  const sum = (x0 + x4) << CONSTANT_BITS;
  const difference = (x0 - x4) << CONSTANT_BITS;
  even0 = sum + high;
  even3 = sum - high;
  even1 = difference + low;
  even2 = difference - low;

  const z5 = (x7 + x3 + x5 + x1) * C1_175875602;
  const z1 = (x7 + x1) * -C0_899976223;
  const z2 = (x5 + x3) * -C2_562915447;
  const z3 = (x7 + x3) * -C1_961570560 + z5;
  const z4 = (x5 + x1) * -C0_390180644 + z5;
  odd3 = x7 * C0_298631336 + z1 + z3;
  odd2 = x5 * C2_053119869 + z2 + z4;
  odd1 = x3 * C3_072711026 + z2 + z3;
  odd0 = x1 * C1_501321110 + z1 + z4;
}

@inline
function sample(value: i32): i32 {
  const level = value + 128;
  return level < 0 ? 0 : level > 255 ? 255 : level;
}

@inline
function coefficient(block: usize, quantizer: usize, index: usize): i32 {
  return <i32>load<i16>(block + (index << 1)) * <i32>load<u16>(quantizer + (index << 1));
}

/** Dequantizes and transforms `block` (64 16-bit words) into 8 rows of 8 samples, `stride` apart. */
export function inverse(block: usize, quantizer: usize, to: usize, stride: i32): void {
  for (let column: usize = 0; column < 8; column++) {
    const dc = coefficient(block, quantizer, column);
    const work = between + (column << 2);
    const x1 = <i32>load<i16>(block + (column << 1), 16);
    const x2 = <i32>load<i16>(block + (column << 1), 32);
    const x3 = <i32>load<i16>(block + (column << 1), 48);
    const x4 = <i32>load<i16>(block + (column << 1), 64);
    const x5 = <i32>load<i16>(block + (column << 1), 80);
    const x6 = <i32>load<i16>(block + (column << 1), 96);
    const x7 = <i32>load<i16>(block + (column << 1), 112);
    if ((x1 | x2 | x3 | x4 | x5 | x6 | x7) == 0) {
      const flat = dc << BETWEEN_BITS;
      store<i32>(work, flat);
      store<i32>(work, flat, 32);
      store<i32>(work, flat, 64);
      store<i32>(work, flat, 96);
      store<i32>(work, flat, 128);
      store<i32>(work, flat, 160);
      store<i32>(work, flat, 192);
      store<i32>(work, flat, 224);
      continue;
    }
    const steps = quantizer + (column << 1);
    transform(
      dc,
      x1 * load<u16>(steps, 16),
      x2 * load<u16>(steps, 32),
      x3 * load<u16>(steps, 48),
      x4 * load<u16>(steps, 64),
      x5 * load<u16>(steps, 80),
      x6 * load<u16>(steps, 96),
      x7 * load<u16>(steps, 112),
    );
    const half = 1 << (COLUMN_SHIFT - 1);
    store<i32>(work, (even0 + odd0 + half) >> COLUMN_SHIFT);
    store<i32>(work, (even0 - odd0 + half) >> COLUMN_SHIFT, 224);
    store<i32>(work, (even1 + odd1 + half) >> COLUMN_SHIFT, 32);
    store<i32>(work, (even1 - odd1 + half) >> COLUMN_SHIFT, 192);
    store<i32>(work, (even2 + odd2 + half) >> COLUMN_SHIFT, 64);
    store<i32>(work, (even2 - odd2 + half) >> COLUMN_SHIFT, 160);
    store<i32>(work, (even3 + odd3 + half) >> COLUMN_SHIFT, 96);
    store<i32>(work, (even3 - odd3 + half) >> COLUMN_SHIFT, 128);
  }
  for (let row: usize = 0; row < 8; row++, to += stride) {
    const work = between + (row << 5);
    transform(
      load<i32>(work),
      load<i32>(work, 4),
      load<i32>(work, 8),
      load<i32>(work, 12),
      load<i32>(work, 16),
      load<i32>(work, 20),
      load<i32>(work, 24),
      load<i32>(work, 28),
    );
    const half = 1 << (ROW_SHIFT - 1);
    store<u8>(to, sample((even0 + odd0 + half) >> ROW_SHIFT));
    store<u8>(to, sample((even0 - odd0 + half) >> ROW_SHIFT), 7);
    store<u8>(to, sample((even1 + odd1 + half) >> ROW_SHIFT), 1);
    store<u8>(to, sample((even1 - odd1 + half) >> ROW_SHIFT), 6);
    store<u8>(to, sample((even2 + odd2 + half) >> ROW_SHIFT), 2);
    store<u8>(to, sample((even2 - odd2 + half) >> ROW_SHIFT), 5);
    store<u8>(to, sample((even3 + odd3 + half) >> ROW_SHIFT), 3);
    store<u8>(to, sample((even3 - odd3 + half) >> ROW_SHIFT), 4);
  }
}

/** A block whose only coefficient is the first: one level, rounded as the full transform would. */
export function inverseFlat(block: usize, quantizer: usize, to: usize, stride: i32): void {
  const level = sample((coefficient(block, quantizer, 0) + 4) >> 3);
  const eight = (<u64>level) * 0x0101010101010101;
  for (let row = 0; row < 8; row++, to += stride) store<u64>(to, eight);
}
