import { NO_TIME, type Duration } from '../base/units.ts';
import { GuestError, HIGHEST_PRIORITY, type QueueSettings } from '../contract/guest.ts';

const CAPACITY = 16;
const MOST_CAPACITY = 4096;
const MOST_COUNT = 0xffff;

/** Of the default queue, and of any that asks for nothing else. */
export const DEFAULT_PRIORITY = 8;
/** The hypervisor's own queues come before all others. */
export const OWN_PRIORITY = HIGHEST_PRIORITY + 1;

/** How a queue is served, as far as its owner may say. */
export interface Service {
  readonly priority: number;
  readonly count: number;
  readonly time: Duration;
}

export const DEFAULT_SERVICE: Service = { priority: DEFAULT_PRIORITY, count: 1, time: NO_TIME };

/** Settings of a guest, checked; what they leave open is as in `before`. */
export function serviceOf(settings: QueueSettings, before: Service): Service {
  const { priority = before.priority } = settings;
  if (!isWhole(priority, 0, HIGHEST_PRIORITY))
    throw new GuestError(
      `a queue of priority ${priority}; expected a whole number from 0 to ${HIGHEST_PRIORITY}`,
    );
  const { count, time } = settings.coalesce ?? before;
  if (!isWhole(count, 1, MOST_COUNT))
    throw new GuestError(
      `an interrupt for ${count} completions; expected a whole number from 1 to ${MOST_COUNT}`,
    );
  if (typeof time !== 'number' || !(time >= 0 && time <= Number.MAX_SAFE_INTEGER / 2))
    throw new GuestError(`an interrupt that is ${time} ns late; expected a duration from 0 up`);
  return { priority, count, time: Math.ceil(time) as Duration };
}

export function capacityOf({ capacity = CAPACITY }: QueueSettings): number {
  if (!isWhole(capacity, 1, MOST_CAPACITY) || (capacity & (capacity - 1)) !== 0)
    throw new GuestError(
      `a queue for ${capacity} commands; expected a power of two from 1 to ${MOST_CAPACITY}`,
    );
  return capacity;
}

const isWhole = (value: number, least: number, most: number): boolean =>
  Number.isInteger(value) && value >= least && value <= most;
