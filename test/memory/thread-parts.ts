/** Rounds of two players that wake each other. */
export const ROUNDS = 50_000;

export type ThreadData =
  | { readonly part: 'player'; readonly bells: SharedArrayBuffer; readonly side: number }
  | {
      readonly part: 'producer' | 'consumer';
      readonly ring: SharedArrayBuffer;
      /** 0: the consumer's, 1: the producer's. */
      readonly bells: SharedArrayBuffer;
      readonly count: number;
      readonly seed: number;
    };

export interface Taken {
  readonly count: number;
  /** Descriptors that were not the one expected, in any of their words. */
  readonly wrong: number;
  readonly first: string | undefined;
  /** How often this side waited for its doorbell. */
  readonly slept: number;
}

/** Word `word` of descriptor `index`. */
export const expected = (index: number, word: number): number =>
  word === 0 ? index : Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(word, 0x85ebca6b);

/** Whose turn it is in a game of two: even numbers side 0, odd ones side 1. It stands behind the doorbells. */
export const turn = (bells: SharedArrayBuffer): Int32Array => new Int32Array(bells, bells.byteLength - 4, 1);
