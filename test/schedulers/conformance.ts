import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NO_TIME, START, after, ms, us, type Duration, type Instant } from '../../src/base/units.ts';
import { coprocId, domainId, vcoprocId, type VcoprocId } from '../../src/contract/names.ts';
import type { Scheduler, SchedulerFactory, SchedulerParameters } from '../../src/contract/scheduler.ts';

const SLICE = ms(1);
const NAMES = ['a', 'b', 'c', 'd'].map((name) => vcoprocId(domainId(name), coprocId('gpu0')));

/** A test that does not hold for an algorithm, and why it need not. */
interface Exception {
  readonly test: string;
  readonly because: string;
}

interface Turn {
  readonly do: 'turn';
  readonly outcome: 'ran' | 'denied' | 'failed';
  readonly share: number;
}

type Step = { readonly do: 'admit' | 'remove' | 'wake' | 'sleep'; readonly who: VcoprocId } | Turn;

const who = fc.constantFrom(...NAMES);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constantFrom('admit' as const, 'remove' as const, 'wake' as const, 'sleep' as const),
    who,
  }),
  fc.record({
    do: fc.constant('turn' as const),
    outcome: fc.constantFrom('ran' as const, 'ran' as const, 'denied' as const, 'failed' as const),
    share: fc.double({ min: 0, max: 1.5, noNaN: true }),
  }),
);

/** What every scheduling algorithm owes its coprocessor, whatever its idea of fair is. */
export function schedulerConformance(
  name: string,
  factory: SchedulerFactory,
  {
    except = [],
    own = {},
    parametersOf = () => ({}),
  }: {
    except?: readonly Exception[];
    /** Of the algorithm itself: `scheduler-NAME` of a system file. */
    own?: SchedulerParameters;
    parametersOf?: (who: VcoprocId) => SchedulerParameters;
  } = {},
): void {
  const check = (test: string, run: () => void): void => {
    const exception = except.find((known) => known.test === test);
    if (exception === undefined) it(test, run);
    else it.skip(`${test} (not here: ${exception.because})`, run);
  };
  const create = (): Scheduler => {
    const created = factory({ timeslice: SLICE, parameters: own });
    if ('kind' in created) throw new Error(created.reason);
    return created;
  };

  describe(`${name} keeps a scheduler's promises`, () => {
    check('chooses nobody who sleeps, was removed or was never admitted', () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 80, size: 'max' }), (steps) => {
          const scheduler = create();
          const admitted = new Set<VcoprocId>();
          const awake = new Set<VcoprocId>();
          let now: Instant = START;
          const turn = (act: Turn): void => {
            const decision = scheduler.pick(now);
            if (decision.kind === 'idle') {
              if (decision.until === undefined) expect(awake.size).toBe(0);
              else expect(decision.until).toBeGreaterThan(now);
              return;
            }
            expect(awake.has(decision.vcoproc)).toBe(true);
            expect(decision.slice).toBeGreaterThan(0);
            const ran =
              act.outcome === 'ran' ? (Math.round(decision.slice * act.share) as Duration) : NO_TIME;
            now = after(now, ran);
            const overrun = Math.max(0, ran - decision.slice) as Duration;
            scheduler.settle({ ...decision, outcome: act.outcome, ran, overrun, switching: NO_TIME, now });
          };
          for (const act of steps) {
            now = after(now, us(10));
            if (act.do === 'turn') turn(act);
            else if (act.do === 'admit') {
              if (admitted.has(act.who)) continue;
              if (scheduler.admit(act.who, parametersOf(act.who)).kind === 'admitted') admitted.add(act.who);
            } else if (act.do === 'remove') {
              scheduler.remove(act.who);
              admitted.delete(act.who);
              awake.delete(act.who);
            } else if (act.do === 'wake') {
              if (!admitted.has(act.who)) continue;
              scheduler.wake(act.who, now);
              // Twice is once.
              scheduler.wake(act.who, now);
              awake.add(act.who);
            } else {
              scheduler.sleep(act.who, now);
              scheduler.sleep(act.who, now);
              awake.delete(act.who);
            }
          }
        }),
        { numRuns: 200 },
      );
    });

    check('starves nobody: whoever stays awake is chosen within its bound', () => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: NAMES.length }),
          fc.integer({ min: 1, max: 40 }),
          (count, rounds) => {
            const scheduler = create();
            const members = NAMES.slice(0, count).filter(
              (member) => scheduler.admit(member, parametersOf(member)).kind === 'admitted',
            );
            let now: Instant = START;
            const chosen = new Map<VcoprocId, Instant>(members.map((member) => [member, now]));
            for (const member of members) scheduler.wake(member, now);
            for (let round = 0; round < rounds; round++) {
              const decision = scheduler.pick(now);
              if (decision.kind === 'idle') {
                now = decision.until ?? now;
                continue;
              }
              chosen.set(decision.vcoproc, now);
              now = after(now, decision.slice);
              const { slice: ran } = decision;
              scheduler.settle({
                ...decision,
                outcome: 'ran',
                ran,
                overrun: NO_TIME,
                switching: NO_TIME,
                now,
              });
              chosen.set(decision.vcoproc, now);
              for (const member of members) {
                const bound = scheduler.bound(member, NO_TIME);
                if (bound !== undefined) expect(now - chosen.get(member)!).toBeLessThanOrEqual(bound);
              }
            }
          },
        ),
        { numRuns: 100 },
      );
    });

    check('charges nobody for a denied decision: the next one is the same', () => {
      const scheduler = create();
      for (const member of NAMES.slice(0, 2)) scheduler.admit(member, parametersOf(member));
      for (const member of NAMES.slice(0, 2)) scheduler.wake(member, START);
      const first = scheduler.pick(START);
      for (let denial = 0; denial < 5; denial++) {
        const again = denial === 0 ? first : scheduler.pick(START);
        expect(again).toEqual(first);
        if (again.kind === 'idle') return;
        const nothing = { ran: NO_TIME, overrun: NO_TIME, switching: NO_TIME, now: START };
        scheduler.settle({ vcoproc: again.vcoproc, outcome: 'denied', ...nothing });
      }
    });

    check('takes a settlement, a sleep or a removal of somebody who is gone', () => {
      const scheduler = create();
      scheduler.admit(NAMES[0]!, parametersOf(NAMES[0]!));
      scheduler.wake(NAMES[0]!, START);
      const decision = scheduler.pick(START);
      if (decision.kind === 'idle') return;
      scheduler.remove(NAMES[0]!);
      const now = after(START, us(5));
      scheduler.settle({
        ...decision,
        outcome: 'failed',
        ran: us(5),
        overrun: NO_TIME,
        switching: NO_TIME,
        now,
      });
      scheduler.sleep(NAMES[0]!, now);
      scheduler.remove(NAMES[0]!);
      expect(scheduler.pick(now)).toEqual({ kind: 'idle' });
    });
  });
}
