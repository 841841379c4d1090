import { expect, it } from 'vitest';
import { ms, us, type Duration } from '../../src/base/units.ts';
import type { GuestDomain } from '../../src/contract/guest.ts';
import type { Runtime } from '../../src/contract/port.ts';
import { coproc, withRig } from '../rig.ts';

const DENY_UNTIL_DONE = 5;
const COUNT = 4;

/** A busy domain whose firmware leaves between commands only, and one that wants the coprocessor now and then. */
const busy = (kind: Runtime['kind'], retry: number, steps: number) =>
  withRig(
    kind,
    {
      coprocs: [
        coproc('gpu0', {
          clock: 100_000_000,
          timeslice: ms(1),
          stopDeadline: ms(kind === 'threads' ? 100 : 6),
        }),
      ],
    },
    async (rig) => {
      let over = false;
      const waits: number[] = [];
      await rig.domain('busy', { gpu0: 'spin' }, async (domain) => {
        const gpu = domain.coproc('gpu0');
        const lane = async (): Promise<void> => {
          while (!over) await gpu.submit({ op: DENY_UNTIL_DONE, args: [retry, steps] });
        };
        await Promise.all([lane(), lane(), lane()]);
      });
      await rig.domain('other', { gpu0: 'spin' }, async (domain) => {
        for (let turn = 0; turn < 12; turn++) {
          await domain.sleep(us(700 + 37 * turn));
          const asked = domain.now();
          const { status } = await domain.coproc('gpu0').submit({ op: COUNT, args: [3] });
          expect(status).toBe('ok');
          waits.push(domain.now() - asked);
        }
        over = true;
      });
      const { coprocs, vcoprocs } = await rig.run();
      return {
        denials: coprocs[0]!.denials,
        resets: coprocs[0]!.vcoprocResets + coprocs[0]!.resets,
        waits,
        vcoprocs,
      };
    },
  );

it('who denies while a command runs leaves when it ends, however many more wait', async () => {
  for (const retry of [7, 50, 333])
    for (const steps of [600, 1700, 4001]) {
      const { denials, resets, waits } = await busy('simulated', retry, steps);
      expect([denials > 0, resets]).toEqual([true, 0]);
      // A slice, the command that has begun by then, two switches and a retry.
      const command = us(steps * 0.34 + 10);
      expect(Math.max(...waits)).toBeLessThan(ms(1) + command + us(100));
    }
});

it('so it is on threads', async () => {
  const { denials, resets } = await busy('threads', 50, 400_000);
  expect([denials > 0, resets]).toEqual([true, 0]);
});

it('who denied goes on when nobody wants the coprocessor any more', async () => {
  // Asked again before its command is through, and after.
  for (const [retry, moment] of [300, 2000].flatMap((retry) =>
    Array.from({ length: 17 }, (_, at) => [retry, 1000 + 53 * at] as const),
  ))
    await withRig(
      'simulated',
      { coprocs: [coproc('gpu0', { clock: 100_000_000, timeslice: ms(1), stopDeadline: ms(6) })] },
      async (rig) => {
        let ended: number | undefined;
        await rig.domain('busy', { gpu0: 'spin' }, async (domain) => {
          const gpu = domain.coproc('gpu0');
          const args = [retry, 1700];
          const commands = Array.from({ length: 8 }, () => gpu.submit({ op: DENY_UNTIL_DONE, args }));
          if ((await Promise.all(commands)).every(({ status }) => status === 'ok')) ended = domain.now();
        });
        await rig.domain('other', { gpu0: 'spin' }, async (domain) => {
          await domain.sleep(us(900));
          await domain.coproc('gpu0').submit({ op: COUNT, args: [3] });
        });
        await rig.run(async () => {
          await rig.after(us(moment));
          await rig.hypervisor.destroyDomain(rig.domains[1]!);
        });
        // It waits for nothing but a switch or two.
        expect(ended).toBeLessThan(us(8 * 590 + 150));
      },
    );
});

/** Always three commands out, as long as `on` says. Says how they ended. */
const flood =
  (
    on: (domain: GuestDomain) => boolean,
    command: { op: number; args: readonly number[] },
    ends = new Set<string>(),
  ) =>
  async (domain: GuestDomain): Promise<void> => {
    const lane = async (): Promise<void> => {
      while (on(domain)) {
        const { status, reason } = await domain.coproc('gpu0').submit(command);
        ends.add(reason ?? status);
        if (status !== 'ok') return;
      }
    };
    await Promise.all([lane(), lane(), lane()]);
  };

it.each([700, 5_900, 50_000])(
  'who denied waits while it is asked whether it is alive, and longer than it may deny: %d us',
  async (retry) => {
    await withRig(
      'simulated',
      { coprocs: [coproc('gpu0', { clock: 100_000_000, timeslice: ms(1), stopDeadline: ms(6) })] },
      async (rig) => {
        const ends = new Set<string>();
        let over = false;
        let longest = 0;
        await rig.domain(
          'busy',
          { gpu0: 'spin' },
          flood(() => !over, { op: DENY_UNTIL_DONE, args: [retry, 600] }, ends),
        );
        await rig.domain('other', { gpu0: 'spin' }, async (domain) => {
          while (domain.now() < ms(200)) {
            await domain.sleep(us(737));
            const asked = domain.now();
            await domain.coproc('gpu0').submit({ op: COUNT, args: [3] });
            longest = Math.max(longest, domain.now() - asked);
          }
          over = true;
        });
        const { coprocs } = await rig.run();
        expect([[...ends], coprocs[0]!.vcoprocResets]).toEqual([['ok'], 0]);
        expect(longest).toBeLessThan(ms(1) + us(205 + 150));
      },
    );
  },
);

/** A coprocessor that `priority` has, for slices of this length. */
const prioritised = (timeslice: Duration) => ({
  coprocs: [
    coproc('gpu0', {
      clock: 100_000_000,
      timeslice,
      stopDeadline: ms(6),
      scheduler: { name: 'priority', parameters: {} },
    }),
  ],
});

it('who denied keeps its place: nobody less urgent comes when the one it denied is gone', async () => {
  await withRig('simulated', prioritised(ms(20)), async (rig) => {
    let ended: number | undefined;
    const submitting =
      (after: number, op: number, args: readonly number[], many = 1) =>
      async (domain: GuestDomain): Promise<void> => {
        await domain.sleep(us(after));
        const commands = Array.from({ length: many }, () => domain.coproc('gpu0').submit({ op, args }));
        await Promise.all(commands);
        if (domain.name === ('high' as never)) ended = domain.now();
      };
    const at = (priority: number) => ({ parameters: { priority } });
    await rig.domain('high', { gpu0: 'spin' }, submitting(0, DENY_UNTIL_DONE, [2000, 1700], 8), at(20));
    await rig.domain('low', { gpu0: 'spin' }, submitting(100, COUNT, [300_000]), at(1));
    await rig.domain('top', { gpu0: 'spin' }, submitting(900, COUNT, [3]), at(31));
    await rig.run(async () => {
      await rig.after(us(1000));
      await rig.hypervisor.destroyDomain(rig.domains[2]!);
    });
    expect(ended).toBeLessThan(us(8 * 590 + 150));
  });
});

it('who denied keeps the rest of its slice: it has as much as one like it that leaves at once', async () => {
  await withRig('simulated', prioritised(ms(4)), async (rig) => {
    const on = (domain: GuestDomain): boolean => domain.now() < ms(100);
    const at = (priority: number) => ({ parameters: { priority } });
    await rig.domain(
      'polite',
      { gpu0: 'spin' },
      flood(on, { op: DENY_UNTIL_DONE, args: [300, 600] }),
      at(10),
    );
    await rig.domain('plain', { gpu0: 'spin' }, flood(on, { op: COUNT, args: [600] }), at(10));
    await rig.domain(
      'urgent',
      { gpu0: 'spin' },
      async (domain) => {
        while (on(domain)) {
          await domain.sleep(us(1300));
          await domain.coproc('gpu0').submit({ op: COUNT, args: [30] });
        }
      },
      at(30),
    );
    const { vcoprocs } = await rig.run();
    const [polite, plain] = [vcoprocs[0]!.time, vcoprocs[1]!.time];
    expect(polite / plain).toBeGreaterThan(0.9);
    expect(polite / plain).toBeLessThan(1.1);
  });
});
