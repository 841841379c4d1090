import { showDuration } from '../../base/units.ts';
import type { RunReport } from '../../contract/report.ts';
import { PREDICTION_RESTS_ON, showBandwidth, showClock, showRate } from '../prediction.ts';
import { percent } from '../summary.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import type { Colours } from './parts.ts';
import { named, num, table } from './parts.ts';

/** What a simulated run says of the described board, and the figures that it rests on. */
export function predictionSection({ prediction, coprocs, vcoprocs }: RunReport, colours: Colours): Html {
  if (prediction === undefined) return html``;
  const { board, work } = prediction;
  const share = (id: string, part: 'running' | 'switching'): string => {
    const coproc = coprocs.find((candidate) => candidate.id === id);
    return coproc === undefined ? '-' : percent(coproc[part], coproc.wall);
  };
  const overrun = new Map<string, string>(vcoprocs.map(({ id, overrun }) => [id, showDuration(overrun)]));
  return html`<section>
    <h2>Predicted for the described board</h2>
    <p class="note">Nothing here was measured on a board. ${PREDICTION_RESTS_ON.join(' ')}</p>
    <h3>What the device tree says, and what comes of it</h3>
    ${table(
      [
        'coprocessor',
        ['clock'],
        ['switch bandwidth'],
        ['DMA bandwidth'],
        ['interrupt latency'],
        ['used'],
        ['switching'],
      ],
      board.map(
        ({ coproc, clock, switchBandwidth, dmaBandwidth, interruptLatency }) =>
          html`<tr>
            <td class="name"><b>${coproc}</b></td>
            ${[showClock(clock), showBandwidth(switchBandwidth), showBandwidth(dmaBandwidth), showDuration(interruptLatency), share(coproc, 'running'), share(coproc, 'switching')].map(num)}
          </tr>`,
      ),
    )}
    <h3>What each would get done</h3>
    ${table(
      ['vcoproc', ['commands/s'], ['latency, median'], ['p99'], ['longest'], ['overrun']],
      work.map(
        ({ vcoproc, perSecond, latency }) =>
          html`<tr>
            ${named(vcoproc, colours)}${[showRate(perSecond), ...[latency.p50, latency.p99, latency.max].map((length) => (latency.count === 0 ? '-' : showDuration(length))), overrun.get(vcoproc) ?? '-'].map(num)}
          </tr>`,
      ),
    )}
  </section>`;
}
