import { describe, expect, test } from 'vitest';
import { START, after, between, ms, type Instant } from '../../src/base/units.ts';
import { coprocId, domainId, vcoprocId } from '../../src/contract/names.ts';
import { Debts } from '../../src/hypervisor/debts.ts';
import { SimulatedRuntime } from '../../src/runtime/simulated/runtime.ts';

const GUILTY = vcoprocId(domainId('a'), coprocId('gpu0'));
const OTHER = vcoprocId(domainId('b'), coprocId('gpu0'));

/** Does things at moments, in milliseconds, and says when each name is paid. */
async function paidAt(
  steps: Readonly<Record<number, (debts: Debts) => void>>,
  names = [GUILTY],
): Promise<readonly number[]> {
  const runtime = new SimulatedRuntime(1);
  const { timeline } = runtime;
  const debts = new Debts(timeline);
  const at = (moment: Instant): Promise<void> => new Promise((resolve) => void timeline.at(moment, resolve));
  const found = new Map<string, number>();
  const run = async (): Promise<void> => {
    const waits: Promise<void>[] = [];
    for (const [moment, step] of Object.entries(steps)) {
      await at(after(START, ms(Number(moment))));
      step(debts);
      // Whoever comes back asks at once.
      for (const name of names)
        if (!found.has(name) && debts.owes(name)) {
          found.set(name, NaN);
          waits.push(debts.paid(name).then(() => void found.set(name, between(START, timeline.now()) / 1e6)));
        }
    }
    await Promise.all(waits);
  };
  await runtime.drive(run());
  await runtime.close();
  return names.map((name) => found.get(name) ?? 0);
}

describe('what a fault took from those who waited', () => {
  test('keeps whoever was at fault away for as long, from each of them', async () => {
    expect(await paidAt({ 10: (debts) => debts.owe(GUILTY, ms(200), 1) })).toEqual([210]);
    expect(await paidAt({ 10: (debts) => debts.owe(GUILTY, ms(200), 3) })).toEqual([610]);
    expect(await paidAt({ 10: (debts) => debts.owe(GUILTY, ms(200), 0) })).toEqual([0]);
  });

  test('is paid by nobody while the coprocessor is down, and the outage is owed by whose fault it is', async () => {
    const steps = {
      0: (debts: Debts) => debts.owe(OTHER, ms(100), 1),
      40: (debts: Debts) => debts.down(),
      50: (debts: Debts) => {
        debts.blame(GUILTY);
        debts.owe(GUILTY, ms(200), 1);
      },
      // Longer than either debt.
      400: (debts: Debts) => debts.up(1),
    };
    // 60 left of 100 from 400 on; 200 and the outage since the fault, 350.
    expect(await paidAt(steps, [GUILTY, OTHER])).toEqual([950, 460]);
  });

  test('is owed by each who was at fault for its own part of the outage', async () => {
    const steps = {
      0: (debts: Debts) => {
        debts.down();
        debts.blame(GUILTY);
      },
      1000: (debts: Debts) => debts.blame(OTHER),
      1010: (debts: Debts) => debts.up(1),
    };
    expect(await paidAt(steps, [GUILTY, OTHER])).toEqual([2010, 1020]);
  });

  test('ends when the coprocessor never comes back, so that whoever waits hears of that', async () => {
    const steps = {
      0: (debts: Debts) => debts.down(),
      10: (debts: Debts) => debts.owe(GUILTY, ms(50), 1),
      90: (debts: Debts) => debts.up(0),
    };
    expect(await paidAt(steps)).toEqual([140]);
  });

  test('counts from the fault, whatever was paid before', async () => {
    const steps = {
      0: (debts: Debts) => debts.owe(OTHER, ms(10), 1),
      500: (debts: Debts) => debts.owe(GUILTY, ms(20), 1),
    };
    expect(await paidAt(steps, [GUILTY, OTHER])).toEqual([520, 10]);
  });
});
