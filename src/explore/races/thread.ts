import { KIND, type Kind } from './operation.ts';

export type Coroutine = Generator<number, unknown, unknown>;

/** What Atomics.waitAsync promises, in a checked thread. */
export class WaitPromise {
  settled: 'ok' | 'timed-out' | undefined;
}

/** One access that a thread watches while it spins. */
export interface Watched {
  readonly address: number;
  readonly bytes: number;
  /** The step that read it. */
  readonly step: number;
}

/** One thread of a run, and the operation that it is about to do. Reused by every run. */
export class Thread {
  readonly index: number;
  kind: Kind = KIND.read;
  site = 0;
  address = 0;
  bytes = 0;
  /** What the operation goes through. */
  view: ArrayBufferView | undefined;
  /** Of a wait and a compareExchange: the value. */
  expected: number | bigint = 0;
  /** Of a wait: milliseconds; of a notify: how many. */
  limit: number = Infinity;
  awaited: WaitPromise | undefined;
  /** Generators, the outermost function first. */
  readonly stack: Coroutine[] = [];
  depth = 0;
  /** What it has read since it last paused. */
  watched: Watched[] = [];

  constructor(index: number) {
    this.index = index;
  }
}

/** One step of the run at hand. Reused by every run. */
export class Step {
  thread = 0;
  kind: Kind = KIND.read;
  site = 0;
  address = 0;
  bytes = 0;
  /** A compareExchange that found another value, and wrote nothing. */
  failed = false;
}
