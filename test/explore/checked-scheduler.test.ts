import { describe, expect, it } from 'vitest';
import { START, after, ms, us, type Duration, type Instant } from '../../src/base/units.ts';
import type { VcoprocId } from '../../src/contract/names.ts';
import type { Decision, Scheduler, Settled } from '../../src/contract/scheduler.ts';
import { checkedScheduler } from '../../src/explore/checked-scheduler.ts';

const [a, b] = ['a/gpu0', 'b/gpu0'] as VcoprocId[] as [VcoprocId, VcoprocId];
const BOUND = ms(1);
const at = (time: Duration): Instant => after(START, time);

/** A scheduler that decides as it is told, and promises that nobody waits longer than {@link BOUND} and what is late. */
function scripted(excused = false): { scheduler: Scheduler; next(decision: Decision): void } {
  let next: Decision = { kind: 'idle' };
  const scheduler = checkedScheduler(
    {
      name: 'scripted',
      admit: () => ({ kind: 'admitted' }),
      change: () => ({ kind: 'admitted' }),
      retime() {},
      bound: (_vcoproc, late) => (BOUND + late) as Duration,
      remove() {},
      wake: () => true,
      sleep() {},
      pick: () => next,
      settle() {},
    },
    () => excused,
  );
  scheduler.admit(a, {});
  scheduler.admit(b, {});
  return { scheduler, next: (decision) => (next = decision) };
}

const run = (vcoproc: VcoprocId, slice = us(100)): Decision => ({ kind: 'run', vcoproc, slice });
const settled = (vcoproc: VcoprocId, now: Instant, more: Partial<Settled> = {}): Settled => ({
  vcoproc,
  outcome: 'ran',
  ran: us(100),
  overrun: us(0),
  switching: us(0),
  now,
  ...more,
});

describe('a scheduler is found out that', () => {
  it.each([
    ['picks who is not there', run('c/gpu0' as VcoprocId), 'c/gpu0 is picked and not admitted'],
    ['picks who sleeps', run(b), 'b/gpu0 is picked and asleep'],
    ['gives no time', run(a, us(0)), 'a/gpu0 is given 0 ns'],
    ['drops a wake', { kind: 'idle' } as const, 'nobody is picked, and a/gpu0 woke'],
  ])('%s', (_what, decision, says) => {
    const { scheduler, next } = scripted();
    scheduler.wake(a, START);
    next(decision);
    expect(() => scheduler.pick(at(us(1)))).toThrow(says);
  });
});

describe('its user is found out that', () => {
  it('settles what was not picked, settles twice, or with a time below nothing', () => {
    const { scheduler, next } = scripted();
    scheduler.wake(a, START);
    expect(() => scheduler.settle(settled(a, at(us(1))))).toThrow('settled and was not picked');
    next(run(a));
    scheduler.pick(START);
    expect(() => scheduler.settle(settled(a, at(us(1)), { ran: -1 as Duration }))).toThrow('is negative');
    expect(() => scheduler.settle(settled(a, at(us(1))))).toThrow('settled and was not picked');
  });

  it('picks three times and settles nothing, or wakes who is not there', () => {
    const { scheduler, next } = scripted();
    scheduler.wake(a, START);
    next(run(a));
    scheduler.pick(START);
    scheduler.pick(START);
    expect(() => scheduler.pick(START)).toThrow('picked and not settled');
    expect(() => scheduler.wake('c/gpu0' as VcoprocId, START)).toThrow('wakes and is not admitted');
  });

  it('saves it while somebody is awake', () => {
    const { scheduler } = scripted();
    scheduler.wake(a, START);
    expect(() => scheduler.save?.()).toThrow('a/gpu0 is not at rest');
    scheduler.sleep(a, START);
    expect(() => scheduler.save?.()).not.toThrow();
  });
});

describe('who wakes waits no longer than its scheduler promised:', () => {
  const waiting = (length: Duration, excused = false) => {
    const { scheduler, next } = scripted(excused);
    scheduler.wake(a, START);
    next(run(a));
    return () => scheduler.pick(at(length));
  };

  it('the bound, a slice and a moment', () => {
    expect(waiting(us(1140))).not.toThrow();
    expect(waiting(us(1160))).toThrow('a/gpu0 waited 1160000 ns, promised were 1150000');
    expect(waiting(us(1160), true)).not.toThrow();
  });

  /** Slot after slot of 100 us is another's or nobody's, and ends so late; then it is chosen, behind so many. */
  const behind = (others: Decision['kind'], late: number, slots: number) => {
    const { scheduler, next } = scripted();
    scheduler.wake(a, START);
    scheduler.wake(b, START);
    for (let slot = 0; slot < slots; slot++) {
      const now = us(slot * (100 + late));
      next(others === 'run' ? run(b) : { kind: 'idle', until: after(at(now), us(100)) });
      scheduler.pick(at(now));
      if (others === 'run') scheduler.settle(settled(b, at(us((slot + 1) * (100 + late)))));
    }
    next(run(a));
    return () => scheduler.pick(at(us(slots * (100 + late))));
  };

  it.each(['run', 'idle'] as const)(
    'nor what the latest end of a slot makes of it, where others %s',
    (others) => {
      expect(behind(others, 0, 11)).not.toThrow();
      expect(behind(others, 0, 12)).toThrow('a/gpu0 waited 1200000 ns, promised were 1150000');
      // It makes a bound of this scheduler longer, and may come once more.
      expect(behind(others, 50, 8)).not.toThrow();
      expect(behind(others, 50, 9)).toThrow('a/gpu0 waited 1350000 ns, promised were 1250000');
    },
  );

  it('unless it owes for what it stayed too long', () => {
    const { scheduler, next } = scripted();
    scheduler.wake(a, START);
    next(run(a));
    scheduler.pick(START);
    scheduler.settle(settled(a, at(us(100)), { overrun: us(100) }));
    next({ kind: 'idle', until: at(ms(2)) });
    scheduler.pick(at(us(100)));
    next(run(a));
    expect(() => scheduler.pick(at(ms(2)))).not.toThrow();
  });
});
