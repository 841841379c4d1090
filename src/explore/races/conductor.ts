import { KIND, RefusedError, type Kind, type Site } from './operation.ts';
import { SharedMemory } from './shared-memory.ts';
import { WaitPromise, type Coroutine, type Thread } from './thread.ts';

/** What a rewritten function yields: it is about to do the operation in the registers, … */
export const STEP = 0;
/** … or it calls the generator in `callee`. */
export const CALL = 1;
/** … or it awaits the promise in `awaited`, which is pending. */
export const AWAIT = 2;

type Call = (...args: unknown[]) => unknown;
/** A function of a checked module: itself for setup, and as a generator for threads. */
export type Rewritten = Call & { $g?: (...args: never[]) => Coroutine; $a?: (...args: never[]) => Coroutine };

type Numbers = Int32Array;

/**
 * What rewritten code talks to, as `$`: it puts the operation that it is about to do into the registers
 * below, then yields. Everything here is on the hot path of every step.
 */
export class Conductor {
  readonly memory = new SharedMemory();
  readonly sites: Site[] = [];
  /** The thread that runs, or undefined during setup and checks. */
  thread: Thread | undefined;
  /** Where code was met that cannot be checked. It may have caught the error: the engine looks here. */
  refused: RefusedError | undefined;
  callee: Coroutine | undefined;
  /** Marks given out in this run. */
  stamps = 0;

  begin(): void {
    this.memory.begin();
    this.stamps = 0;
    this.thread = undefined;
  }

  refuse(site: number, reason: string): never {
    const { file, line } = this.sites[site]!;
    this.refused ??= new RefusedError(file, line, reason);
    throw this.refused;
  }

  // ---- called by rewritten threads

  /** About to touch element `index` of `view`. Says false when no other thread can see it. */
  at(view: unknown, index: unknown, site: number, kind: Kind): boolean {
    const base = (view as { $base?: number }).$base ?? this.memory.baseOf(view);
    if (base < 0) return false;
    const place = typeof index === 'number' ? index : Number(index);
    const { length, BYTES_PER_ELEMENT } = view as Numbers;
    if (place >>> 0 !== place || place >= length) return false;
    const thread = this.thread!;
    thread.view = view as ArrayBufferView;
    thread.address = base + place * BYTES_PER_ELEMENT;
    thread.bytes = BYTES_PER_ELEMENT;
    thread.site = site;
    thread.kind = kind;
    return true;
  }

  /** About to wait; the value of the `yield` that follows is what Atomics.wait returns. */
  wait(
    view: unknown,
    index: unknown,
    expected: number | bigint,
    limit: unknown,
    site: number,
    kind: Kind,
  ): void {
    if (!this.at(view, index, site, kind))
      this.refuse(site, 'waits on memory that is not shared; it would throw');
    const milliseconds = limit === undefined ? Infinity : Number(limit);
    this.thread!.expected = expected;
    this.thread!.limit = Number.isNaN(milliseconds) ? Infinity : Math.max(0, milliseconds);
  }

  /** About to compare and exchange. */
  compare(view: unknown, index: unknown, expected: number | bigint, site: number): boolean {
    this.thread!.expected = expected;
    return this.at(view, index, site, KIND.compareExchange);
  }

  notify(view: unknown, index: unknown, count: unknown, site: number): boolean {
    if (!this.at(view, index, site, KIND.notify)) return false;
    this.thread!.limit = count === undefined ? Infinity : Math.max(0, Number(count));
    return true;
  }

  pause(site: number): void {
    this.#nowhere(site, KIND.pause, 0);
  }

  stamp(site: number): void {
    this.#nowhere(site, KIND.stamp, 1);
  }

  #nowhere(site: number, kind: Kind, bytes: number): void {
    const thread = this.thread!;
    thread.view = undefined;
    thread.address = 0;
    thread.bytes = bytes;
    thread.site = site;
    thread.kind = kind;
  }

  /** Whether an awaited value is still to come; what it is worth otherwise stays with the caller. */
  pending(value: unknown, site: number): boolean {
    if (value instanceof WaitPromise) {
      this.thread!.awaited = value;
      this.thread!.site = site;
      return value.settled === undefined;
    }
    if (typeof (value as { then?: unknown } | undefined | null)?.then === 'function')
      this.refuse(site, 'awaits a promise that is not of Atomics.waitAsync; nothing here could resolve it');
    return false;
  }

  worth(value: unknown): unknown {
    return value instanceof WaitPromise ? value.settled : value;
  }

  /** A call of a method that, on a shared view, touches many bytes at once: the steps of it, or undefined. */
  bulk(view: unknown, name: string, args: readonly unknown[], site: number): Coroutine | undefined {
    const target = ArrayBuffer.isView(view) ? this.memory.baseOf(view) : -1;
    const source = name === 'set' && ArrayBuffer.isView(args[0]) ? this.memory.baseOf(args[0]) : -1;
    if (target < 0 && source < 0) return undefined;
    if (view instanceof DataView) return this.#dataView(view, target, name, args, site);
    return this.#bulk(view as Numbers, target, name, args, site);
  }

  /** Where code cannot be stopped between two accesses: a shared view stops it here, with its place. */
  alone<T>(value: T, site: number): T {
    if (this.thread !== undefined && ArrayBuffer.isView(value) && this.memory.baseOf(value) >= 0) {
      this.refuse(
        site,
        `touches shared memory in ${this.sites[site]!.inside}, where a thread cannot be stopped; ` +
          'move it into a named function or method that the thread calls itself',
      );
    }
    return value;
  }

  /** The first form of an async function, which a thread must not enter: what comes after its awaits would be lost. */
  unawaited(site: number): boolean {
    if (this.thread === undefined) return false;
    const { file, line } = this.sites[site]!;
    this.refused ??= new RefusedError(file, line, 'calls an async function without awaiting it at once');
    return true;
  }

  /** Gives a function its second form. */
  dual(plain: Rewritten, threaded: (...args: never[]) => Coroutine, isAsync: boolean): Rewritten {
    if (isAsync) plain.$a = threaded;
    else plain.$g = threaded;
    return plain;
  }

  /** `new SharedArrayBuffer`, a view, or anything else. */
  create(kind: new (...args: unknown[]) => object, args: readonly unknown[], site: number): object {
    const [first, second, third] = args as [unknown, number | undefined, number | undefined];
    if ((kind as unknown) === SharedArrayBuffer) return this.memory.allocate(Number(first));
    if (first instanceof SharedArrayBuffer && (kind === DataView || VIEWS.has(kind)))
      return this.memory.view(kind as never, first, second, third);
    if (VIEWS.has(kind)) this.alone(first, site);
    return new kind(...args);
  }

  // ---- many bytes at once

  #range(
    view: ArrayBufferView,
    address: number,
    bytes: number,
    site: number,
    kind: Kind = KIND.read,
  ): boolean {
    if (bytes <= 0) return false;
    const thread = this.thread!;
    thread.view = view;
    thread.address = address;
    thread.bytes = bytes;
    thread.site = site;
    thread.kind = kind;
    return true;
  }

  *#bulk(view: Numbers, base: number, name: string, args: readonly unknown[], site: number): Coroutine {
    const size = view.BYTES_PER_ELEMENT;
    const method = (view as unknown as Record<string, Call>)[name]!;
    const write = KIND.write;
    if (name === 'set') {
      const [from, offset = 0] = args as [ArrayLike<number>, number | undefined];
      const source = ArrayBuffer.isView(from) ? this.memory.baseOf(from) : -1;
      let values = from;
      if (source >= 0) {
        const other = from as Numbers;
        if (this.#range(other, source, other.byteLength, site)) yield STEP;
        values = other.slice();
      }
      if (base >= 0 && this.#range(view, base + offset * size, values.length * size, site, write)) yield STEP;
      view.set(values, offset);
      return undefined;
    }
    const index = (value: unknown, otherwise: number): number => {
      const place = value === undefined ? otherwise : Math.trunc(Number(value)) || 0;
      return Math.min(view.length, Math.max(0, place < 0 ? view.length + place : place));
    };
    if (name === 'fill' || name === 'slice') {
      const [first, last] = name === 'fill' ? args.slice(1) : args;
      const from = index(first, 0);
      const bytes = (index(last, view.length) - from) * size;
      if (this.#range(view, base + from * size, bytes, site, name === 'fill' ? write : KIND.read)) yield STEP;
    } else if (name === 'copyWithin') {
      const to = index(args[0], 0);
      const from = index(args[1], 0);
      const bytes = Math.min(index(args[2], view.length) - from, view.length - to) * size;
      if (this.#range(view, base + from * size, bytes, site)) yield STEP;
      const values = view.slice(from, from + bytes / size);
      if (this.#range(view, base + to * size, bytes, site, write)) yield STEP;
      view.set(values, to);
      return view;
    } else if (name === 'at') {
      const place = Math.trunc(Number(args[0])) || 0;
      const from = place < 0 ? view.length + place : place;
      if (from >= 0 && from < view.length && this.#range(view, base + from * size, size, site)) yield STEP;
    } else if (READS_ALL.has(name)) {
      if (this.#range(view, base, view.byteLength, site)) yield STEP;
    } else this.refuse(site, `calls ${name}() on shared memory; write the loop out`);
    return method.apply(view, args as unknown[]);
  }

  *#dataView(view: DataView, base: number, name: string, args: readonly unknown[], site: number): Coroutine {
    const width = /^([gs])et\D+(\d+)$/.exec(name);
    if (width === null) this.refuse(site, `calls ${name}() on shared memory`);
    const bytes = Number(width![2]) / 8;
    const offset = Number(args[0]);
    const inside = offset >= 0 && offset + bytes <= view.byteLength;
    if (inside && this.#range(view, base + offset, bytes, site, width![1] === 's' ? KIND.write : KIND.read))
      yield STEP;
    return (view as unknown as Record<string, Call>)[name]!.apply(view, args as unknown[]);
  }
}

const VIEWS: ReadonlySet<unknown> = new Set([
  Int8Array,
  Uint8Array,
  Uint8ClampedArray,
  Int16Array,
  Uint16Array,
  Int32Array,
  Uint32Array,
  Float32Array,
  Float64Array,
  BigInt64Array,
  BigUint64Array,
]);
const READS_ALL: ReadonlySet<string> = new Set(['indexOf', 'lastIndexOf', 'includes', 'join', 'toString']);
/** Methods of views that touch their bytes; `subarray` does not. */
export const BULK_METHODS: ReadonlySet<string> = new Set([
  ...READS_ALL,
  ...['set', 'fill', 'slice', 'copyWithin', 'at', 'sort', 'reverse', 'toSorted', 'toReversed', 'with'],
  ...[
    'map',
    'forEach',
    'filter',
    'find',
    'findIndex',
    'findLast',
    'findLastIndex',
    'some',
    'every',
    'reduce',
  ],
  ...['reduceRight', 'entries', 'values', 'keys', 'toLocaleString'],
  ...[
    'Int8',
    'Uint8',
    'Int16',
    'Uint16',
    'Int32',
    'Uint32',
    'Float32',
    'Float64',
    'BigInt64',
    'BigUint64',
  ].flatMap((name) => [`get${name}`, `set${name}`]),
]);
