import { expect, it } from 'vitest';
import { START, after, ms, us, type Instant } from '../../src/base/units.ts';
import { coproc, withRig } from '../rig.ts';

const SIZE = 65_536;

it('whoever came while it was not heard yet that another was back from idle keeps its slice', async () => {
  const gpu = coproc('gpu0', {
    compatible: 'covisor,media-dsp',
    timeslice: ms(50),
    // So late that all of a switch is told in one go; and a command takes 11 ms.
    costs: { switchBandwidth: 4e9, dmaBandwidth: 1e7, interruptLatency: us(500) },
  });
  await withRig('simulated', { coprocs: [gpu] }, async (rig) => {
    const { timeline } = rig.runtime;
    const at = (moment: Instant): Promise<void> =>
      new Promise((resolve) => void timeline.at(moment, resolve));
    const filling = (name: string, moments: readonly Instant[]) =>
      rig.domain(name, { gpu0: 'stream' }, async (domain) => {
        const share = domain.coproc('gpu0');
        const args = [share.map(domain.memory.allocate(SIZE), 'write'), SIZE, 7];
        for (const moment of moments) {
          await at(moment);
          await share.submit({ op: 3, args });
        }
      });
    // The context of the one stayed when it had nothing to do, and is at work again when the other comes.
    const back = after(START, ms(200));
    await filling('stayed', [START, back]);
    await filling('came', [after(back, us(100))]);
    await rig.run();
    const switches = rig.trace.filter(({ kind, at: when }) => kind === 'switch' && when >= back);
    // To the one that came, back to the one that stayed for the rest of its command, and out at the end.
    expect(switches).toHaveLength(3);
  });
});
