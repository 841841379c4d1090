import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Seeded chance. The same seed gives the same draws on every machine. */
export interface Random {
  /** A 32-bit signed integer. */
  bits(): number;
  /** An integer in `[0, limit)`; `limit` is 1 to 2^31. */
  below(limit: number): number;
  /** A number in `[0, 1)` with 32 bits of chance. */
  unit(): number;
}

export function seededRandom(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  const bits = (): number => generator.next();
  const unit = (): number => (bits() >>> 0) / 0x1_0000_0000;
  return { bits, unit, below: (limit) => Math.floor(unit() * limit) };
}
