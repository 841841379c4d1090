import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus';

/** Seeded chance. The same seed gives the same draws on every machine. */
export interface Random {
  /** A 32-bit signed integer. */
  bits(): number;
  /** An integer in `[0, limit)`; `limit` is 1 to 2^31. */
  below(limit: number): number;
  /** A number in `[0, 1)` with 32 bits of chance. */
  unit(): number;
  /** Chance that is `name`'s own: what it draws depends on the seed and the name, and on nobody else's draws. */
  of(name: string): Random;
}

export function seededRandom(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  const bits = (): number => generator.next();
  const unit = (): number => (bits() >>> 0) / 0x1_0000_0000;
  return {
    bits,
    unit,
    below: (limit) => Math.floor(unit() * limit),
    of: (name) => seededRandom(seedOf(name, seed)),
  };
}

/** FNV-1a, begun at the seed. */
function seedOf(name: string, seed: number): number {
  let hash = seed ^ 0x811c9dc5;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return hash;
}
