import { between, sum, NO_TIME, type Duration, type Instant } from '../base/units.ts';
import type { CoprocState } from '../contract/states.ts';

const BUCKETS = ['running', 'switching', 'idle', 'faulted'] as const;
type Bucket = (typeof BUCKETS)[number];

const bucketOf = {
  idle: 'idle',
  loading: 'switching',
  running: 'running',
  saving: 'switching',
  denySwitch: 'running',
  faulted: 'faulted',
  outOfService: 'faulted',
} as const satisfies Record<CoprocState, Bucket>;

/**
 * Where one coprocessor's time went, and that of one that it continues. Each entry closes the interval of the one
 * before it, so the buckets add up to the wall time whatever happens.
 */
export class Account {
  readonly #start: Instant;
  #since: Instant;
  #state: CoprocState = 'idle';
  readonly #time: Record<Bucket, Duration> = {
    running: NO_TIME,
    switching: NO_TIME,
    idle: NO_TIME,
    faulted: NO_TIME,
  };

  constructor(start: Instant, before?: Readonly<Record<Bucket, Duration>>) {
    const spent = before === undefined ? 0 : before.running + before.switching + before.idle + before.faulted;
    this.#start = (start - spent) as Instant;
    this.#since = start;
    if (before !== undefined) for (const bucket of BUCKETS) this.#time[bucket] = before[bucket];
  }

  get state(): CoprocState {
    return this.#state;
  }

  /** The latest instant that is accounted for. */
  get until(): Instant {
    return this.#since;
  }

  /**
   * The coprocessor is in `state` since `at`. Returns how long it had been running until then, which
   * is the time of whoever had it. An `at` before the last entry counts as that.
   */
  enter(state: CoprocState, at: Instant): Duration {
    const end = at < this.#since ? this.#since : at;
    const bucket = bucketOf[this.#state];
    const length = between(this.#since, end);
    this.#time[bucket] = sum(this.#time[bucket], length);
    this.#since = end;
    this.#state = state;
    return bucket === 'running' ? length : NO_TIME;
  }

  get running(): Duration {
    return this.#time.running;
  }

  /** Wall time that no bucket has: none, ever. */
  get missing(): Duration {
    const { running, switching, idle, faulted } = this.#time;
    return (this.#since - this.#start - running - switching - idle - faulted) as Duration;
  }

  get totals(): Readonly<Record<Bucket, Duration>> & { readonly wall: Duration } {
    return { ...this.#time, wall: between(this.#start, this.#since) };
  }
}
