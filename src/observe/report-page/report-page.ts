import { createHash } from 'node:crypto';
import type { Instant } from '../../base/units.ts';
import { showDuration } from '../../base/units.ts';
import type { TraceEvent } from '../../contract/events.ts';
import type { RunReport } from '../../contract/report.ts';
import { blame } from '../blame.ts';
import { verdict } from '../summary.ts';
import { timeline } from '../timeline.ts';
import { client } from './client.ts';
import { colourOf } from './colours.ts';
import { countsSection, firmwareSection, switchSection } from './figures-sections.ts';
import type { Html } from './html.ts';
import { html, jsonForScript, trusted } from './html.ts';
import { pageData } from './page-data.ts';
import type { Picture } from './picture.ts';
import { picturesSection, resultsSection } from './results-sections.ts';
import { predictionSection } from './prediction-section.ts';
import { sharesSection } from './shares-section.ts';
import { STYLE } from './style.ts';
import { timelineSection } from './timeline-section.ts';

export interface ReportPageInput {
  readonly report: RunReport;
  readonly trace: readonly TraceEvent[];
  readonly pictures: readonly Picture[];
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
        <title>${report.ok ? 'ok' : 'FAILED'}: ${report.model}</title>
        <style>
          ${trusted(STYLE)}
        </style>
      </head>
      <body>
        <main>
          ${headline(input)} ${alarms(report)} ${timelineSection(lines, colours)}
          ${predictionSection(report, colours)} ${sharesSection(report, colours)}
          ${switchSection(report, trace, colours)} ${countsSection(report, colours)} ${resultsSection(report)}
          ${picturesSection(report, input.pictures)} ${firmwareSection(report, colours)}
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

function headline({ report, losses = [] }: ReportPageInput): Html {
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
    ...report.coprocs.flatMap(({ id, faults }) =>
      faults.map((fault) => html`<li><b>${id}</b>: ${fault}</li>`),
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
