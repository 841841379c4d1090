import { afterEach, describe, expect, test, vi } from 'vitest';
import { Doorbell, doorbellBytes } from '../../src/memory/doorbell.ts';
import { explore, protocol, type Protocol } from './doorbell-model.ts';

const bell = (): { memory: SharedArrayBuffer; words: Int32Array; bell: Doorbell } => {
  const memory = new SharedArrayBuffer(doorbellBytes(2));
  return { memory, words: new Int32Array(memory), bell: new Doorbell(memory, 1) };
};

/** Names of the atomic operations that `act` does, in order. */
function atomics(act: () => void): string[] {
  const done: string[] = [];
  for (const name of ['load', 'store', 'exchange', 'notify', 'wait'] as const) {
    const real = Atomics[name] as (...args: unknown[]) => unknown;
    vi.spyOn(Atomics, name).mockImplementation(((...args: unknown[]) => {
      done.push(name === 'store' || name === 'exchange' ? `${name} ${String(args[2])}` : name);
      return real(...args);
    }) as never);
  }
  act();
  vi.restoreAllMocks();
  return done;
}

afterEach(() => vi.restoreAllMocks());

describe('the protocol of the doorbell', () => {
  const sizes = { rings: 3, ringers: 2 };

  test('loses no wake-up in any interleaving of two ringers and a sleeper', () => {
    const { stuck, states } = explore(protocol, sizes);
    expect(stuck).toEqual([]);
    expect(states).toBeGreaterThan(500);
  });

  test('loses none with one ringer that rings more often', () => {
    expect(explore(protocol, { rings: 8, ringers: 1 }).stuck).toEqual([]);
  });

  test.each<[string, Protocol]>([
    [
      'looks for work before it says that it sleeps',
      { ...protocol, sleeper: ['look', 'arm', 'wait', 'disarm'] },
    ],
    ['does not look again before it sleeps', { ...protocol, sleeper: ['arm', 'wait', 'disarm', 'look'] }],
    [
      'rings before the work is published',
      { ...protocol, ringer: ['load', 'exchange', 'notify', 'publish'] },
    ],
    ['notifies without changing the word', { ...protocol, ringer: ['publish', 'load', 'notify'] }],
    [
      'notifies before it changes the word',
      { ...protocol, ringer: ['publish', 'load', 'notify', 'exchange'] },
    ],
    ['does not notify', { ...protocol, ringer: ['publish', 'load', 'exchange'] }],
  ])('would be caught by this search if one %s', (_, broken) => {
    expect(explore(broken, sizes).stuck.length).toBeGreaterThan(0);
  });
});

describe('a doorbell', () => {
  test('takes the steps of the protocol, in its order', () => {
    const { words, bell: it } = bell();
    expect(atomics(() => it.ring())).toEqual(['load']);
    expect(atomics(() => it.arm())).toEqual(['store 1']);
    expect(atomics(() => it.ring())).toEqual(['load', 'exchange 0', 'notify']);
    expect(atomics(() => it.wait(1e6))).toEqual(['wait', 'store 0']);
    it.arm();
    expect(atomics(() => it.disarm())).toEqual(['store 0']);
    expect(words.every((word) => word === 0)).toBe(true);
  });

  test('gives up the notification to the ringer that was first', () => {
    const { memory, words, bell: it } = bell();
    it.arm();
    const { exchange } = Atomics;
    // The other ringer comes between the first one's look and its exchange.
    vi.spyOn(Atomics, 'exchange').mockImplementationOnce(((array: Int32Array, at: number, value: number) => {
      new Doorbell(memory, 1).ring();
      return exchange(array, at, value);
    }) as typeof Atomics.exchange);
    const notify = vi.spyOn(Atomics, 'notify');
    it.ring();
    expect(notify).toHaveBeenCalledTimes(1);
    expect(words[32]).toBe(0);
  });

  test('does not sleep when it was rung between saying so and waiting', async () => {
    const { bell: it } = bell();
    it.arm();
    it.ring();
    it.wait(Infinity);
    it.arm();
    it.ring();
    await it.rung();
  });

  test('wakes who awaits it, and is awake then', async () => {
    const { memory, words, bell: it } = bell();
    it.arm();
    const woken = it.rung();
    expect(words[32]).toBe(1);
    new Doorbell(memory, 1).ring();
    await woken;
    expect(words[32]).toBe(0);
  });

  test('is awake after it was woken for nothing', async () => {
    const { words, bell: it } = bell();
    it.arm();
    const woken = it.rung();
    Atomics.notify(words, 32);
    await woken;
    expect(words[32]).toBe(0);
  });

  test('is awake after a wait that nobody ended', () => {
    const { words, bell: it } = bell();
    it.arm();
    it.wait(0);
    expect(words[32]).toBe(0);
  });

  test('calls who sleeps by other means once for each time that it slept', () => {
    const memory = new SharedArrayBuffer(doorbellBytes(1));
    let woken = 0;
    const it = new Doorbell(memory, 0, () => woken++);
    it.ring();
    expect(woken).toBe(0);
    it.arm();
    it.ring();
    it.ring();
    expect(woken).toBe(1);
    it.arm();
    it.disarm();
    it.ring();
    expect(woken).toBe(1);
  });

  test('only leaves its mark on who looks now and then, and is heard by who sleeps after that', () => {
    const { bell: one } = bell();
    one.watch();
    expect([one.rang, one.asleep]).toEqual([false, false]);
    expect(atomics(() => one.ring())).toEqual(['load', 'exchange 0']);
    expect(one.rang).toBe(true);
    one.watch();
    expect(one.rang).toBe(false);
    one.arm();
    expect(one.asleep).toBe(true);
    expect(atomics(() => one.ring())).toContain('notify');
    expect([one.rang, one.asleep]).toEqual([true, false]);
  });

  test('rings its own side only', () => {
    const { memory, words } = bell();
    const [one, other] = [new Doorbell(memory, 0), new Doorbell(memory, 1)];
    one.arm();
    other.arm();
    one.ring();
    expect([words[0], words[32]]).toEqual([0, 1]);
  });
});
