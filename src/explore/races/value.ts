import type { Thread } from './thread.ts';

/** What an element of a view holds; undefined where that cannot be said. */
export type Value = number | bigint | undefined;

/** The value before and after a step, for reports. */
export interface Traced {
  readonly before: Value;
  after: Value;
}

/** Whether the word that a thread is about to touch holds what it expects. */
export function matches({ view, address, expected }: Thread): boolean {
  const words = view as Int32Array | Uint32Array;
  const at = (address - (words as { $base?: number }).$base!) / words.BYTES_PER_ELEMENT;
  if (words.BYTES_PER_ELEMENT === 4 && words instanceof Int32Array)
    return Atomics.load(words, at) === (Number(expected) | 0);
  const worth = new (words.constructor as Uint32ArrayConstructor)(1);
  worth[0] = expected as number;
  return Atomics.load(words, at) === worth[0];
}

/** What a view holds at an address. */
export function valueAt(view: ArrayBufferView | undefined, address: number): Value {
  if (view === undefined || address === 0 || view instanceof DataView) return undefined;
  const words = view as Int32Array & { $base?: number };
  return words[(address - words.$base!) / words.BYTES_PER_ELEMENT];
}
