import { describe, expect, test } from 'vitest';
import { Watch } from '../../../src/runtime/threads/watch.ts';

/** A watch over a clock that each turn of the event loop moves by 100 us. */
function watch(free: () => boolean = () => true) {
  let now = 0;
  let turns = 0;
  const kept = new Watch(
    () => now,
    free,
    () => {
      now += 100_000;
      turns++;
      return Promise.resolve();
    },
  );
  return { kept, turns: () => turns };
}

describe('the thread of the hypervisor, which waits', () => {
  test('goes through its event loop until something came', async () => {
    const { kept, turns } = watch();
    expect(await kept.keep(() => turns() === 3)).toBe(true);
    expect(turns()).toBe(3);
  });

  test('waits for what was asked for not as long, whatever was in vain before, and earns nothing by it', async () => {
    const { kept, turns } = watch();
    for (let vain = 0; vain < 4; vain++) await kept.keep(() => false);
    const before = turns();
    expect(await kept.expect(() => turns() === before + 1)).toBe(true);
    expect(await kept.expect(() => false)).toBe(false);
    expect(turns() - before).toBeLessThan(5);
    const after = turns();
    await kept.keep(() => false);
    expect(turns()).toBe(after);
  });

  test('stops in time', async () => {
    const { kept, turns } = watch();
    expect(await kept.keep(() => false)).toBe(false);
    expect(turns()).toBeGreaterThan(1);
    expect(turns()).toBeLessThan(50);
  });

  test('does nothing of the kind while every core has a coprocessor to run', async () => {
    const { kept, turns } = watch(() => false);
    expect(await kept.keep(() => true)).toBe(false);
    expect(turns()).toBe(0);
  });

  test('gives up once it was in vain, and tries again now and then', async () => {
    const { kept, turns } = watch();
    for (let n = 0; n < 10; n++) await kept.keep(() => false);
    const before = turns();
    let bouts = 0;
    for (let n = 0; n < 160; n++) {
      const seen = turns();
      await kept.keep(() => false);
      if (turns() > seen) bouts++;
    }
    expect([turns() > before, bouts]).toEqual([true, 10]);
    while (!(await kept.keep(() => true)));
    const paid = turns();
    expect(await kept.keep(() => true)).toBe(true);
    expect(turns()).toBe(paid + 1);
  });
});
