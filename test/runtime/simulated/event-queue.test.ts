import fc from 'fast-check';
import { expect, test } from 'vitest';
import { NEVER, type Instant } from '../../../src/base/units.ts';
import { EventQueue } from '../../../src/runtime/simulated/event-queue.ts';

/** From a nanosecond to a hundred days ahead, and often none at all. */
const ahead = fc.oneof(
  fc.constantFrom(0, 0, 1, 63, 64, 4095, 4096, 2 ** 30 - 1, 2 ** 30),
  fc.integer({ min: 0, max: 5000 }),
  fc.integer({ min: 0, max: 16 }).map((decade) => 10 ** decade),
);
const action = fc.oneof(
  { weight: 4, arbitrary: ahead.map((by) => ({ do: 'add' as const, by })) },
  { weight: 3, arbitrary: fc.constant({ do: 'take' as const }) },
  { weight: 1, arbitrary: fc.nat(20).map((which) => ({ do: 'cancel' as const, which })) },
);

interface Entry {
  readonly at: number;
  readonly id: number;
  readonly ticket: number;
  state: 'pending' | 'over';
}

/** Plays actions on a queue and on a list, with `tie` for both. */
function play(
  actions: readonly (typeof action extends fc.Arbitrary<infer T> ? T : never)[],
  tie?: number,
): void {
  const asked: number[] = [];
  const expected: number[] = [];
  const queue = new EventQueue(tie === undefined ? undefined : (count) => (asked.push(count), tie % count));
  const entries: Entry[] = [];
  let now = 0;
  let happened = -1;
  for (const one of actions) {
    if (one.do === 'add') {
      const at = Math.min(now + one.by, NEVER);
      const id = entries.length;
      entries.push({ at, id, ticket: queue.add(at as Instant, () => (happened = id)), state: 'pending' });
    } else if (one.do === 'cancel') {
      const entry = entries[one.which % (entries.length || 1)];
      if (entry === undefined) continue;
      queue.cancel(entry.ticket);
      entry.state = 'over';
    } else {
      const pending = entries.filter(({ state }) => state === 'pending');
      const at = Math.min(...pending.map((entry) => entry.at));
      const tied = pending.filter((entry) => entry.at === at);
      if (tie !== undefined && tied.length > 1) expected.push(tied.length);
      const next = tied[tie === undefined ? 0 : tie % tied.length];
      happened = -1;
      queue.take()?.();
      expect(happened).toBe(next?.id ?? -1);
      if (next === undefined) continue;
      expect(queue.at).toBe(next.at);
      now = next.at;
      next.state = 'over';
    }
  }
  expect(asked).toEqual(expected);
}

const actions = fc.array(action, { maxLength: 300, size: 'max' });

test('what is next is the earliest; of one instant, who came first', () => {
  fc.assert(fc.property(actions, (all) => play(all)));
});

test('of one instant it is who is wanted, asked once with the number of those that were not cancelled', () => {
  fc.assert(fc.property(actions, fc.nat(7), (all, tie) => play(all, tie)));
});

test('a ticket of what has happened cancels nobody who came to its place', () => {
  const queue = new EventQueue();
  const old = queue.add(1 as Instant, () => {});
  queue.take();
  let happened = false;
  queue.add(2 as Instant, () => (happened = true));
  queue.cancel(old);
  queue.take()?.();
  expect(happened).toBe(true);
});

test('counts what is pending', () => {
  const queue = new EventQueue();
  for (let at = 0; at < 1000; at++) queue.add(((at * 7919) % 1000) as Instant, () => {});
  expect(queue.size).toBe(1000);
  let last = -1;
  while (queue.take() !== undefined) {
    expect(queue.at).toBeGreaterThanOrEqual(last);
    last = queue.at;
  }
  expect(queue.size).toBe(0);
});
