import type { Duration } from '../../base/units.ts';
import { showDuration } from '../../base/units.ts';
import type { TraceEvent } from '../../contract/events.ts';
import type { RunReport, Spread, VcoprocReport } from '../../contract/report.ts';
import { percent } from '../summary.ts';
import { waits } from '../timeline.ts';
import { SWITCH_COLOUR } from './colours.ts';
import { histogram } from './histogram.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import type { Colours } from './parts.ts';
import { check, named, num, table } from './parts.ts';

/** What switching cost and how long each waited. */
export function switchSection(report: RunReport, trace: readonly TraceEvent[], colours: Colours): Html {
  const costs = new Map<string, Duration[]>(report.coprocs.map(({ id }) => [id, []]));
  for (const event of trace) if (event.kind === 'switch') costs.get(event.coproc)?.push(event.cost);
  const waited = waits(trace);
  const spread = ({ count, p50, p99, max }: Spread): Html =>
    html`${num(count)}${[p50, p99, max].map((length) => num(count === 0 ? '-' : showDuration(length)))}`;
  const heads = [['count'], ['median'], ['p99'], ['longest'], 'how many of which length'] as const;
  return html`<section>
    <h2>Switch cost and waiting</h2>
    <h3>What a world switch cost</h3>
    ${table(
      ['coprocessor', 'scheduler', ['slice'], ['denied'], ['resets'], ['IOTLB hits'], ...heads],
      report.coprocs.map(
        (coproc) =>
          html`<tr>
            <td class="name"><b>${coproc.id}</b></td>
            <td>${coproc.scheduler}</td>
            ${num(showDuration(coproc.timeslice))}${num(coproc.denials)}${num(coproc.resets)}
            ${num(percent(coproc.iotlb.hits, coproc.iotlb.hits + coproc.iotlb.misses))}${spread(coproc.switchCost)}
            <td>${histogram(costs.get(coproc.id) ?? [], `switch cost of ${coproc.id}`, SWITCH_COLOUR)}</td>
          </tr>`,
      ),
    )}
    <h3>How long each waited for its coprocessor</h3>
    ${table(
      ['vcoproc', ['time'], ['share'], ['slices'], ['overrun'], ...heads],
      report.vcoprocs.map(
        (vcoproc) =>
          html`<tr>
            ${named(vcoproc.id, colours)}${num(showDuration(vcoproc.time))}${num(shareOf(vcoproc, report))}${num(vcoproc.slices)}${num(showDuration(vcoproc.overrun))}${spread(vcoproc.wait)}
            <td>
              ${histogram(waited.get(vcoproc.id) ?? [], `waits of ${vcoproc.id}`, colours.get(vcoproc.id) ?? SWITCH_COLOUR)}
            </td>
          </tr>`,
      ),
    )}
  </section>`;
}

function shareOf({ coproc, time }: VcoprocReport, { coprocs }: RunReport): string {
  const host = coprocs.find(({ id }) => id === coproc);
  return host === undefined ? '-' : percent(time, host.wall);
}

/** Commands and interrupts, with the sums that must hold. */
export function countsSection({ vcoprocs }: RunReport, colours: Colours): Html {
  return html`<section>
    <h2>Commands and interrupts</h2>
    ${table(
      [
        'vcoproc',
        ...[
          'submitted',
          '= ok',
          '+ failed',
          '+ cancelled',
          '',
          'raised',
          '= delivered',
          '+ pending',
          '+ dropped',
          '',
        ].map((head) => [head] as const),
      ],
      vcoprocs.map(
        ({ id, commands: c, interrupts: i }) =>
          html`<tr>
            ${named(id, colours)}${[c.submitted, c.ok, c.failed, c.cancelled].map(num)}
            <td>${check(c.submitted === c.ok + c.failed + c.cancelled)}</td>
            ${[i.raised, i.delivered, i.pending, i.dropped].map(num)}
            <td>${check(i.raised === i.delivered + i.pending + i.dropped)}</td>
          </tr>`,
      ),
    )}
  </section>`;
}

/** Which firmware ran where. */
export function firmwareSection({ vcoprocs, coprocs }: RunReport, colours: Colours): Html {
  const platform = new Map(coprocs.map((coproc) => [coproc.id, coproc.platform]));
  return html`<section>
    <h2>Firmware</h2>
    ${table(
      ['vcoproc', 'state', 'platform', 'firmware', 'SHA-256'],
      vcoprocs.map(
        ({ id, state, coproc, firmware, sha256 }) =>
          html`<tr>
            ${named(id, colours)}
            <td>${state}</td>
            <td>${platform.get(coproc) ?? '-'}</td>
            <td>${firmware}</td>
            <td class="hash" title="${sha256}">${sha256.slice(0, 16)}…</td>
          </tr>`,
      ),
    )}
  </section>`;
}
