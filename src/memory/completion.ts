/** What a completion descriptor says of its command: word 1. Word 0 is the sequence number, 8 to 15 the results. */
export const COMPLETED = {
  ok: 1,
  /** Word 2: the firmware's error code. */
  failed: 2,
  /** Word 2: which of `ACCESSES`; word 3: the address. */
  dmaFault: 3,
} as const;
