import type { Duration } from '../../base/units.ts';
import { ns, showDuration } from '../../base/units.ts';
import type { CoprocReport, RunReport } from '../../contract/report.ts';
import { percent } from '../summary.ts';
import { inkOn, SWITCH_COLOUR } from './colours.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import type { Colours } from './parts.ts';
import { check, swatch } from './parts.ts';

/** Where the time of each coprocessor went: one stacked bar each, and the sum that must be exact. */
export function sharesSection(report: RunReport, colours: Colours): Html {
  const bars = report.coprocs.map((coproc) => {
    const own = report.vcoprocs.filter((vcoproc) => vcoproc.coproc === coproc.id);
    const known = own.reduce((total, { time }) => total + time, 0);
    const piece = (part: Duration, title: string, look: string, kind = ''): Html => {
      const share = percent(part, coproc.wall);
      const wide = part > 0.07 * coproc.wall;
      return html`<div
        class="${kind}"
        style="width:${(100 * part) / Math.max(1, coproc.wall)}%;${look}"
        title="${title}: ${showDuration(part)}, ${share}"
      >
        ${wide ? share : ''}
      </div>`;
    };
    const look = (colour: string): string => `background:${colour};color:${inkOn(colour)}`;
    return html`<b>${coproc.id}</b>
      <div class="bar">
        ${own.map(({ id, time }) =>
          piece(time, id, look(colours.get(id) ?? SWITCH_COLOUR)),
        )}${piece(ns(Math.max(0, coproc.running - known)), 'running', 'background:#bbb')}${piece(coproc.switching, 'switching', '', 'switching')}${piece(
          coproc.faulted,
          'faulted',
          '',
          'faulted',
        )}${piece(coproc.idle, 'idle', 'color:inherit')}
      </div>
      <div class="sum">${timeSum(coproc)}</div>`;
  });
  return html`<section>
    <h2>Shares of the time</h2>
    <div class="shares">${bars}</div>
    <ul class="legend">
      ${report.vcoprocs.map(({ id }) => html`<li>${swatch(colours.get(id))}${id}</li>`)}
      <li>
        <i
          class="switching"
          style="background:repeating-linear-gradient(135deg, #6b7280 0 4px, #9aa1ad 4px 8px)"
        ></i
        >switching
      </li>
      <li><i style="background:var(--line)"></i>idle</li>
    </ul>
  </section>`;
}

function timeSum({ running, switching, idle, faulted, wall }: CoprocReport): Html {
  const parts = `${showDuration(running)} running + ${showDuration(switching)} switching + ${showDuration(idle)} idle + ${showDuration(faulted)} faulted`;
  return html`${parts} = ${showDuration(wall)} wall ${check(running + switching + idle + faulted === wall)}`;
}
