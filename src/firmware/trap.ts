/** Wrong use of the coprocessor by a firmware, thrown through the firmware that did it. */
export class FirmwareTrap extends Error {
  override readonly name = 'FirmwareTrap';
}

/** What V8 says when WebAssembly traps (its `message-template.h`, several versions), and what we call it. */
const TRAPS: readonly (readonly [RegExp, string])[] = [
  [/^unreachable$/, 'unreachable executed'],
  [/memory access out of bounds/, 'memory access out of bounds'],
  [/data segment.* out of bounds/, 'data segment outside of local memory'],
  [
    /Instance\(\): table index|(table initializer|element segment).* out of bounds/,
    'element segment outside of its table',
  ],
  [/^(divide|remainder) by zero$/, 'integer divide by zero'],
  [/^divide result unrepresentable$/, 'integer overflow in a division'],
  [/^float unrepresentable in integer range$/, 'float does not fit an integer'],
  [/^table (index is|access) out of bounds$/, 'indirect call outside of its table'],
  [/signature mismatch/, 'indirect call of a function of another type'],
  [/unaligned accesses/, 'atomic access is not aligned'],
];

/**
 * The reason of a trap, in one line. Anything that is not the doing of the firmware is a defect in
 * Covisor, and is thrown again.
 */
export function classifyTrap(error: unknown): string {
  if (error instanceof FirmwareTrap) return error.message;
  if (error instanceof WebAssembly.RuntimeError) {
    const known = TRAPS.find(([said]) => said.test(error.message));
    return known === undefined ? error.message.replace(/\s+/g, ' ') : known[1];
  }
  // The engine's word for a stack that is full.
  if (error instanceof RangeError && error.message === 'Maximum call stack size exceeded')
    return 'stack overflow';
  throw error;
}
