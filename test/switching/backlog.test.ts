import { expect, it } from 'vitest';
import { ms, us } from '../../src/base/units.ts';
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
