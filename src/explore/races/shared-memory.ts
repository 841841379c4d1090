/** A view or a buffer with its place in the address space of one program; -1: memory that no other thread has. */
interface Placed {
  $base?: number;
}

const ALIGNMENT = 8;
/** The first bytes belong to nobody: what has no address, such as a mark in a history, stands there. */
const FIRST_ADDRESS = 64;

type View = ArrayBufferView & { readonly length: number; readonly BYTES_PER_ELEMENT: number };
type ViewConstructor = new (buffer: SharedArrayBuffer, offset?: number, length?: number) => View;

/**
 * All shared memory of a program under check, in one flat address space. The n-th buffer of a size that a
 * run asks for is the same in each run, zeroed: runs are many and short, and allocation would be most of their time.
 */
export class SharedMemory {
  #next = FIRST_ADDRESS;
  readonly #pool = new Map<number, { buffers: SharedArrayBuffer[]; used: number }>();
  readonly #whole = new WeakMap<SharedArrayBuffer, Map<ViewConstructor, View>>();
  #lastSize = -1;
  #lastPool: { buffers: SharedArrayBuffer[]; used: number } = { buffers: [], used: 0 };

  /** Bytes of the address space in use. */
  get end(): number {
    return this.#next;
  }

  /** A new run: all buffers are free again. */
  begin(): void {
    for (const pool of this.#pool.values()) pool.used = 0;
  }

  allocate(size: number): SharedArrayBuffer {
    let pool = this.#lastSize === size ? this.#lastPool : this.#pool.get(size);
    if (pool === undefined) this.#pool.set(size, (pool = { buffers: [], used: 0 }));
    this.#lastSize = size;
    this.#lastPool = pool;
    let buffer = pool.buffers[pool.used];
    if (buffer === undefined) {
      pool.buffers.push((buffer = new SharedArrayBuffer(size)));
      this.#place(buffer);
      new Uint8Array(buffer).fill(0);
    } else (this.view(Uint8Array as unknown as ViewConstructor, buffer) as unknown as Uint8Array).fill(0);
    pool.used++;
    return buffer;
  }

  /** `new kind(buffer, offset, length)`; a view of the whole buffer is made once. */
  view(kind: ViewConstructor, buffer: SharedArrayBuffer, offset?: number, length?: number): View {
    if (offset !== undefined || length !== undefined) return this.#tagged(new kind(buffer, offset, length));
    let views = this.#whole.get(buffer);
    if (views === undefined) this.#whole.set(buffer, (views = new Map()));
    let view = views.get(kind);
    if (view === undefined) views.set(kind, (view = this.#tagged(new kind(buffer))));
    return view;
  }

  /** Address of the first byte of a view, or -1 when it is not a view of shared memory. */
  baseOf(value: unknown): number {
    const known = (value as Placed | undefined | null)?.$base;
    if (known !== undefined) return known;
    if (!ArrayBuffer.isView(value)) return -1;
    return (this.#tagged(value) as Placed).$base!;
  }

  #tagged<T extends ArrayBufferView>(view: T): T {
    const { buffer } = view;
    (view as Placed).$base = buffer instanceof SharedArrayBuffer ? this.#place(buffer) + view.byteOffset : -1;
    return view;
  }

  #place(buffer: SharedArrayBuffer & Placed): number {
    if (buffer.$base === undefined) {
      buffer.$base = this.#next;
      this.#next += Math.ceil((buffer.byteLength + 1) / ALIGNMENT) * ALIGNMENT;
    }
    return buffer.$base;
  }
}
