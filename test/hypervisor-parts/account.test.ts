import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { instant } from '../../src/base/units.ts';
import { COPROC_STATES, type CoprocState } from '../../src/contract/states.ts';
import { Account } from '../../src/hypervisor/account.ts';

const entries = fc.array(
  fc.tuple(
    fc.constantFrom(...COPROC_STATES),
    fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 2 ** 52 })),
  ),
);
const starts = fc.integer({ min: 0, max: 60 });

const had: readonly CoprocState[] = ['running', 'denySwitch'];

describe('an account', () => {
  test('adds up to the wall time exactly, whatever is entered when, back in time too', () => {
    fc.assert(
      fc.property(starts, entries, (start, script) => {
        const account = new Account(instant(start));
        let latest = start;
        for (const [state, at] of script) {
          account.enter(state, instant(at));
          latest = Math.max(latest, at);
          expect(account.state).toBe(state);
          expect(account.until).toBe(latest);
          const { running, switching, idle, faulted, wall } = account.totals;
          expect(wall).toBe(latest - start);
          expect(running + switching + idle + faulted).toBe(wall);
          expect(Math.min(running, switching, idle, faulted)).toBeGreaterThanOrEqual(0);
        }
      }),
    );
  });

  test('tells each entry how long somebody had had the coprocessor, all of it once', () => {
    fc.assert(
      fc.property(starts, entries, (start, script) => {
        const account = new Account(instant(start));
        let before: CoprocState = 'idle';
        let told = 0;
        for (const [state, at] of script) {
          const ran = account.enter(state, instant(at));
          if (!had.includes(before)) expect(ran).toBe(0);
          told += ran;
          before = state;
        }
        expect(told).toBe(account.totals.running);
      }),
    );
  });

  test('is idle from its start, and counts each state where it belongs', () => {
    const account = new Account(instant(100));
    expect(account.totals).toEqual({ running: 0, switching: 0, idle: 0, faulted: 0, wall: 0 });
    const script: readonly [CoprocState, number][] = [
      ['loading', 101],
      ['running', 103],
      ['denySwitch', 107],
      ['saving', 115],
      ['faulted', 131],
      ['idle', 163],
      ['idle', 227],
    ];
    const ran = script.map(([state, at]) => account.enter(state, instant(at)));
    expect(ran).toEqual([0, 0, 4, 8, 0, 0, 0]);
    expect(account.totals).toEqual({ running: 12, switching: 18, idle: 65, faulted: 32, wall: 127 });
  });

  test('takes an entry from before the last one as if it came with that one', () => {
    const account = new Account(instant(10));
    account.enter('running', instant(20));
    expect(account.enter('saving', instant(5))).toBe(0);
    expect(account.enter('idle', instant(30))).toBe(0);
    expect(account.totals).toMatchObject({ running: 0, switching: 10, idle: 10, wall: 20 });
  });
});
