import type { TraceEvent } from '../contract/events.ts';
import { hashText, mix } from './decisions.ts';

const texts = new Map<string, number>();

/** A number that says whether two runs had the same events. */
export class Fingerprint {
  #hash = 0;
  #events = 0;

  add(event: TraceEvent): void {
    this.#events++;
    // An event is a plain object: all of its keys are its own.
    for (const key in event) this.#hash = mix(this.#hash, wordOf(event[key as keyof TraceEvent]));
  }

  get events(): number {
    return this.#events;
  }

  get hash(): number {
    return this.#hash;
  }
}

function wordOf(value: string | number | boolean | null): number {
  if (typeof value === 'number') return (value | 0) ^ Math.floor(value / 2 ** 32);
  if (typeof value !== 'string') return value === null ? 3 : value ? 2 : 1;
  let hash = texts.get(value);
  if (hash === undefined) {
    // Log lines are as many as guests like.
    if (texts.size > 10_000) texts.clear();
    hash = hashText(value);
    texts.set(value, hash);
  }
  return hash;
}
