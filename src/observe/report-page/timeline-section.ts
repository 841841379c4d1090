import type { Timeline } from '../timeline.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';
import type { Colours } from './parts.ts';
import { swatch } from './parts.ts';

/** The canvases that the script draws on, with their labels, controls and legend. */
export function timelineSection({ rows }: Timeline, colours: Colours): Html {
  const labels = rows.map(
    ({ kind, name }) =>
      html`<div class="row-label ${kind}" title="${name}">
        ${kind === 'vcoproc' ? swatch(colours.get(name)) : ''}<span>${name}</span>
      </div>`,
  );
  return html`<section>
    <div class="tools">
      <h2>Who had each coprocessor</h2>
      <span id="range"></span> <button id="zoom-in" title="Zoom in (+)" aria-label="Zoom in">+</button
      ><button id="zoom-out" title="Zoom out (-)" aria-label="Zoom out">−</button
      ><button id="zoom-reset" title="Show all (0)">all</button>
    </div>
    <div class="timeline">
      <div class="overview-label">whole run</div>
      <canvas id="overview" aria-hidden="true"></canvas>
      <div class="rows">${labels}</div>
      <div class="drawing">
        <canvas
          id="timeline"
          tabindex="0"
          role="img"
          aria-label="Timeline. Arrow keys move and zoom, + and - zoom, 0 shows all; the tables below hold the figures."
        ></canvas>
        <div id="hair" hidden></div>
      </div>
    </div>
    <div id="tooltip" role="tooltip" hidden></div>
    <ul class="legend">
      ${LEGEND}
    </ul>
    <p class="note">
      Wheel zooms, drag moves, double click shows all. Where many spans fall into one pixel, it shows their
      shares as a stack.
    </p>
  </section>`;
}

const LEGEND = (
  [
    ['#7a808c', 'running'],
    ['repeating-linear-gradient(45deg, #7a808c 0 3px, #7a808c50 3px 6px)', 'loading'],
    ['repeating-linear-gradient(135deg, #7a808c 0 3px, #7a808c50 3px 6px)', 'saving'],
    [
      'repeating-linear-gradient(135deg, #000a 0 2px, #0000 2px 6px), repeating-linear-gradient(45deg, #000a 0 2px, #0000 2px 6px), #7a808c',
      'denySwitch',
    ],
    ['#7a808c33', 'waiting'],
    ['#7a808c17', 'idle, sleeping'],
    ['repeating-linear-gradient(0deg, #c1121f 0 5px, #fff 5px 7px)', 'faulted'],
    ['#c1121f', 'out of service'],
    ['repeating-linear-gradient(90deg, #7a808c33 0 4px, #7a808c 4px 6px)', 'isolated'],
  ] as const
)
  .map(([background, name]) => html`<li><i style="background:${background}"></i>${name}</li>`)
  .concat(
    html`<li><span class="bad-text">▼</span> fault</li>`,
    html`<li>◆ denied</li>`,
    html`<li>╷ interrupt</li>`,
  );
