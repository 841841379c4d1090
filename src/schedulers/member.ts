/**
 * A vcoproc as its scheduling algorithm knows it: a number from 1 up, which another has when it is gone. What is kept
 * of each stands in arrays by this number: of 100,000 objects, each that a decision looks at is several cache misses.
 */
export type Member = number;

/** Nobody's number: where what is kept of each stands in arrays, what is known of all together may stand here. */
export const NOBODY: Member = 0;
