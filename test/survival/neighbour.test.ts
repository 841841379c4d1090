import { describe, expect, it } from 'vitest';
import { ms, seconds, us } from '../../src/base/units.ts';
import { coprocId } from '../../src/contract/names.ts';
import { firmwareText, forEver, ownFirmware } from '../hostile/support.ts';
import { coproc, withRig, type Rig } from '../rig.ts';

/** What a tenant does over and over, with one command. `healthy` only works, as long as it is let. */
const WAYS = {
  healthy: firmwareText({
    step: '(local $n i32) (local.set $n (i32.const 2000)) (loop $on (br_if $on (local.tee $n (i32.sub (local.get $n) (i32.const 1))))) (i32.const 0)',
  }),
  trap: firmwareText({ step: '(unreachable)' }),
  hang: firmwareText({ step: '(loop $for_ever (br $for_ever)) (i32.const 1)' }),
  'storm of refused DMA': firmwareText({
    step: forEver('(drop (call $dma_in (i32.const 2048) (i32.const 0) (i32.const 64)))'),
  }),
  'storm of interrupts': firmwareText({ step: forEver('(call $irq (i32.const 2))') }),
} as const;
type Way = keyof typeof WAYS;

/** How a tenant comes back: a new vcoproc; a new domain. */
const RETURNS = ['attaches', 'is created'] as const;
type Return = (typeof RETURNS)[number];

const firmware = ownFirmware(Object.fromEntries(Object.entries(WAYS)));
const LENGTH = ms(120);

/** Steps of work that a neighbour does in a while beside a tenant that behaves like this. */
async function beside(way: Way, returns: Return): Promise<{ steps: number; tries: number }> {
  const gpu = coproc('gpu0', {
    clock: 20_000_000,
    stopDeadline: ms(2),
    resetDeadline: ms(1),
    recovery: { onFault: 'isolate', restarts: { most: 10, within: seconds(10) } },
  });
  let steps = 0;
  let tries = 0;
  await withRig('simulated', { firmware, coprocs: [gpu] }, async (rig) => {
    let over = false;
    await rig.domain('neighbour', { gpu0: 'spin' }, async (domain) => {
      const share = domain.coproc('gpu0');
      const end = domain.now() + LENGTH;
      // Several at once, so that it always has something to do.
      const works = async (): Promise<void> => {
        while (domain.now() < end) {
          expect((await share.submit({ op: 4, args: [20] })).status).toBe('ok');
          if (domain.now() < end) steps += 20;
        }
      };
      await Promise.all([works(), works(), works(), works()]);
      over = true;
    });
    const tenant = (): ReturnType<Rig['domain']> =>
      rig.domain('tenant', { gpu0: way }, async (domain) => {
        while (!over) {
          const first = domain.coproc('gpu0').submit({ op: 1 });
          tries++;
          const { status } = await Promise.race([first, rig.after(ms(50)).then(() => ({ status: 'waits' }))]);
          if (status === 'waits') continue;
          if (returns === 'is created') return;
          await domain.sleep(us(1));
          const own = rig.hypervisor.domain('tenant')!;
          await rig.hypervisor.detach(own, coprocId('gpu0'));
          rig.hypervisor.forget(own);
          const again = await rig.hypervisor.attach(own, coprocId('gpu0'), way, {});
          if (again.kind === 'failed') await domain.sleep(us(10));
        }
      });
    const first = await tenant();
    await rig.run(async () => {
      if (first.kind === 'failed') throw new Error(first.reason);
      for (let own = first.value; returns === 'is created' && !over;) {
        await own.ended;
        await rig.hypervisor.destroyDomain(own);
        rig.hypervisor.forget(own);
        const next = await tenant();
        if (next.kind === 'failed') throw new Error(next.reason);
        own = next.value;
        void rig.hypervisor.runDomain(own);
      }
    });
  });
  return { steps, tries };
}

const healthy = (await beside('healthy', 'attaches')).steps;

describe('a neighbour of a tenant that crashes over and over', () => {
  const ways = Object.keys(WAYS).filter((way) => way !== 'healthy') as Way[];
  it.each(ways.flatMap((way) => RETURNS.map((returns) => [way, returns] as const)))(
    'by %s, and then %s: has at least 90 % of what it has beside a healthy one',
    async (way, returns) => {
      const { steps, tries } = await beside(way, returns);
      expect(tries).toBeGreaterThan(3);
      expect(steps / healthy).toBeGreaterThanOrEqual(0.9);
    },
  );
});
