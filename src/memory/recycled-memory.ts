import type { MemorySource } from '../contract/port.ts';
import { clear } from './clear.ts';

const PAGE = 65536;

/** Memory that is made when it is asked for, and left to the garbage collector. */
export const freshMemory: MemorySource = {
  shared: (bytes) => new SharedArrayBuffer(bytes),
  local: (pages) => new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true }),
};

/**
 * Memory that many short runs use one after the other: to make it, and to touch it for the first time, takes longer
 * than to zero it. Each run has a lease; what it was given is free again when that ends, and nobody may use it then.
 */
export class RecycledMemory {
  readonly #shared = new Map<number, SharedArrayBuffer[]>();
  readonly #local = new Map<number, WebAssembly.Memory[]>();

  lease(): MemorySource & { end(): void } {
    const shared: SharedArrayBuffer[] = [];
    const local: WebAssembly.Memory[] = [];
    return {
      shared: (bytes) => {
        const buffer = kept(this.#shared, bytes).pop() ?? freshMemory.shared(bytes);
        shared.push(buffer);
        return buffer;
      },
      local: (pages) => {
        const memory = kept(this.#local, pages).pop() ?? freshMemory.local(pages);
        local.push(memory);
        return memory;
      },
      end: () => {
        for (const buffer of shared.splice(0)) {
          clear(new Uint8Array(buffer));
          kept(this.#shared, buffer.byteLength).push(buffer);
        }
        for (const memory of local.splice(0)) {
          clear(new Uint8Array(memory.buffer));
          kept(this.#local, memory.buffer.byteLength / PAGE).push(memory);
        }
      },
    };
  }
}

function kept<T>(pool: Map<number, T[]>, size: number): T[] {
  let free = pool.get(size);
  if (free === undefined) pool.set(size, (free = []));
  return free;
}
