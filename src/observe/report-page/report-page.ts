import { createHash } from 'node:crypto';
import type { Duration, Instant } from '../../base/units.ts';
import { ns, showDuration } from '../../base/units.ts';
import type { TraceEvent } from '../../contract/events.ts';
import type { CoprocReport, RunReport, Spread, VcoprocReport } from '../../contract/report.ts';
import { blame } from '../blame.ts';
import { percent, verdict } from '../summary.ts';
import type { Timeline } from '../timeline.ts';
import { timeline, waits } from '../timeline.ts';
import { client } from './client.ts';
import { colourOf, inkOn, SWITCH_COLOUR } from './colours.ts';
import { histogram } from './histogram.ts';
import type { Html } from './html.ts';
import { html, jsonForScript, trusted } from './html.ts';
import { pageData } from './page-data.ts';
import type { Picture } from './picture.ts';
import { pngSize } from './picture.ts';
import { STYLE } from './style.ts';

export interface ReportPageInput {
  readonly report: RunReport;
  readonly trace: readonly TraceEvent[];
  readonly pictures: readonly Picture[];
  /** What is expected of real silicon, in a line or a few. */
  readonly prediction?: string;
  /** From here on the trace was not kept. */
  readonly traceEndsAt?: Instant;
  /** What is missing from the trace, in words. */
  readonly losses?: readonly string[];
}

/**
 * A run as one HTML page that needs nothing but itself. Every name, reason and detail in it may come
 * from a guest: all of them are escaped, and the page's policy lets no script run but its own.
 */
export function reportPage(input: ReportPageInput): string {
  const { report, trace } = input;
  const colours = new Map<string, string>(report.vcoprocs.map(({ id }, place) => [id, colourOf(place)]));
  const lines = timeline(report, trace, input.traceEndsAt);
  // tsx and esbuild name functions through a helper that would not be there on the page.
  const script = `(() => { const __name = (named) => named; (${client.toString()})(); })();`;
  const allowed = createHash('sha256').update(script).digest('base64');
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${allowed}'; base-uri 'none'; form-action 'none'`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${policy}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${report.ok ? 'ok' : 'FAILED'}: ${report.system}</title>
        <style>
          ${trusted(STYLE)}
        </style>
      </head>
      <body>
        <main>
          ${headline(input)} ${alarms(report)} ${timelineSection(lines, colours)}
          ${sharesSection(report, colours)} ${switchSection(report, trace, colours)}
          ${countsSection(report, colours)} ${resultsSection(report)} ${picturesSection(input)}
          ${partsSection(report, colours)}
          <footer>Made by Covisor. All times are from the start of the run.</footer>
        </main>
        <script type="application/json" id="timeline-data">
          ${jsonForScript(
            pageData(
              lines,
              report.vcoprocs.map(({ id }) => id),
            ),
          )}
        </script>
        ${trusted(`<script>${script}</script>`)}
      </body>
    </html> `;
  return page.html;
}

type Colours = ReadonlyMap<string, string>;

const num = (value: string | number): Html => html`<td class="num">${value}</td>`;
const swatch = (colour: string | undefined): Html =>
  html`<span class="swatch" style="background:${colour ?? SWITCH_COLOUR}"></span>`;
const named = (id: string, colours: Colours): Html =>
  html`<td class="name">${swatch(colours.get(id))}${id}</td>`;

function table(heads: readonly (string | readonly [string])[], rows: readonly Html[]): Html {
  const cells = heads.map((head) =>
    typeof head === 'string' ? html`<th>${head}</th>` : html`<th class="num">${head[0]}</th>`,
  );
  return html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${cells}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}

function headline({ report, prediction, losses = [] }: ReportPageInput): Html {
  const { ok } = report;
  return html`<header>
      <span class="badge ${ok ? 'ok' : 'bad'}">${ok ? '✓ ok' : '✗ failed'}</span>
      <h1>${report.model}</h1>
    </header>
    <p class="verdict">${verdict(report)}</p>
    <p class="facts">
      ${report.system} · ${report.runtime} runtime · seed ${report.seed} · ran for
      ${showDuration(report.wall)}
    </p>
    ${prediction === undefined ? '' : html`<p class="facts">${prediction}</p>`}
    ${losses.map((loss) => html`<p class="note">${loss}</p>`)}`;
}

function alarms(report: RunReport): Html {
  const lines = [
    ...report.violations.map((law) => html`<li>A law does not hold: ${law}</li>`),
    ...report.domains
      .filter(({ state }) => state !== 'finished')
      .map(
        ({ name, state, reason }) =>
          html`<li><b>${name}</b> is ${state}${reason === null ? '' : `: ${reason}`}</li>`,
      ),
    ...blame(report.vcoprocs).map(
      ({ vcoproc, fault, times }) =>
        html`<li><b>${vcoproc}</b> is to blame: ${fault}${times === 1 ? '' : ` (${times} times)`}</li>`,
    ),
  ];
  return lines.length === 0
    ? html``
    : html`<section class="${report.ok ? 'faults' : 'alarm'}">
        <h2>${report.ok ? 'Faults, contained' : 'What went wrong'}</h2>
        <ul>
          ${lines}
        </ul>
      </section>`;
}

function timelineSection({ rows }: Timeline, colours: Colours): Html {
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
    ['repeating-linear-gradient(90deg, #7a808c33 0 4px, #7a808c 4px 6px)', 'isolated'],
  ] as const
)
  .map(([background, name]) => html`<li><i style="background:${background}"></i>${name}</li>`)
  .concat(
    html`<li><span class="bad-text">▼</span> fault</li>`,
    html`<li>◆ denied</li>`,
    html`<li>╷ interrupt</li>`,
  );

function sharesSection(report: RunReport, colours: Colours): Html {
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

const check = (holds: boolean): Html =>
  holds
    ? html`<span class="ok-text" title="holds exactly">✓</span>`
    : html`<span class="bad-text">✗ does not add up</span>`;

function switchSection(report: RunReport, trace: readonly TraceEvent[], colours: Colours): Html {
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
      ['coprocessor', 'scheduler', ['slice'], ['denied'], ['resets'], ...heads],
      report.coprocs.map(
        (coproc) =>
          html`<tr>
            <td class="name"><b>${coproc.id}</b></td>
            <td>${coproc.scheduler}</td>
            ${num(showDuration(coproc.timeslice))}${num(coproc.denials)}${num(coproc.resets)}${spread(coproc.switchCost)}
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

function countsSection({ vcoprocs }: RunReport, colours: Colours): Html {
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

function resultsSection({ domains }: RunReport): Html {
  const mark = (ok: boolean): Html =>
    ok ? html`<td class="ok-text">✓ ok</td>` : html`<td class="bad-text">✗ wrong</td>`;
  const rows = domains.flatMap(({ name, state, results }) =>
    results.length === 0
      ? [
          html`<tr>
            <td class="name">${name}</td>
            <td>${state}</td>
            <td></td>
            <td class="text note">nothing was checked</td>
            <td></td>
          </tr>`,
        ]
      : results.map(
          ({ what, ok, detail }) =>
            html`<tr>
              <td class="name">${name}</td>
              <td>${state}</td>
              ${mark(ok)}
              <td class="text">${what}</td>
              <td class="text">${detail}</td>
            </tr>`,
        ),
  );
  return html`<section>
    <h2>Results, checked against a reference</h2>
    ${table(['domain', 'state', 'verdict', 'what', 'detail'], rows)}
  </section>`;
}

function picturesSection({ report, pictures }: ReportPageInput): Html {
  const parts = report.domains.map(({ name, files }) => {
    const own = pictures.filter(({ domain }) => domain === name);
    const shown = own.filter(({ png }) => pngSize(png) !== undefined);
    const paths = new Set(shown.flatMap(({ file }) => [file, `${name}/${file}`]));
    const others = files.filter((file) => !paths.has(file));
    if (shown.length + others.length === 0) return html``;
    return html`<h3>${name}</h3>
      ${shown.length === 0 ? '' : html`<div class="gallery">${shown.map(figure)}</div>`}${
        others.length === 0
          ? ''
          : html`<ul class="files">
              ${others.map((file) => html`<li>${fileLink(file)}</li>`)}
            </ul>`
      }`;
  });
  return html`<section class="pictures">
    <h2>What the domains made</h2>
    ${parts}
  </section>`;
}

function figure({ file, png }: Picture): Html {
  const { width, height } = pngSize(png)!;
  const data = Buffer.from(png.buffer, png.byteOffset, png.byteLength).toString('base64');
  const small = width < 400 ? 'small' : '';
  return html`<figure>
    <button class="picture" title="Enlarge">
      <img
        class="${small}"
        src="data:image/png;base64,${data}"
        width="${width}"
        height="${height}"
        alt="${file}"
      />
    </button>
    <figcaption>${file} · ${width} × ${height}</figcaption>
  </figure>`;
}

/** Relative to the page, which stands in the output folder; `./` keeps a name from being read as a scheme. */
function fileLink(file: string): Html {
  return html`<a href="./${file.toWellFormed().split('/').map(encodeURIComponent).join('/')}">${file}</a>`;
}

function partsSection({ vcoprocs, coprocs }: RunReport, colours: Colours): Html {
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
