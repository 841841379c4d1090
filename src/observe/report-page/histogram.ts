import type { Duration } from '../../base/units.ts';
import { ns, showDuration } from '../../base/units.ts';
import type { Html } from './html.ts';
import { html } from './html.ts';

const BINS = 30;
const WIDTH = 240;
const HEIGHT = 30;

/** How many of the lengths fall where, on a logarithmic scale from the shortest to the longest. */
export function histogram(lengths: readonly Duration[], what: string, colour: string): Html {
  if (lengths.length === 0) return html`<span class="note">none in the trace</span>`;
  const low = lengths.reduce((least, length) => Math.min(least, Math.max(1, length)), Infinity);
  const high = lengths.reduce((most, length) => Math.max(most, length), low);
  const binOf = (length: number): number =>
    high === low
      ? Math.floor(BINS / 2)
      : Math.min(BINS - 1, Math.floor((Math.log(Math.max(low, length) / low) / Math.log(high / low)) * BINS));
  const counts = Array.from({ length: BINS }, () => 0);
  for (const length of lengths) counts[binOf(length)]!++;
  const most = Math.max(...counts);
  const edge = (bin: number): string => showDuration(ns(low * (high / low) ** (bin / BINS)));
  const bars = counts.map((count, bin) => {
    if (count === 0) return '';
    const tall = Math.max(1, (count / most) * HEIGHT);
    return html`<rect
      x="${bin * (WIDTH / BINS)}"
      y="${HEIGHT - tall}"
      width="${WIDTH / BINS - 1}"
      height="${tall}"
      fill="${colour}"
      ><title>${count} from ${edge(bin)} to ${edge(bin + 1)}</title></rect
    >`;
  });
  return html`<svg
    class="histogram"
    viewBox="0 0 ${WIDTH} 46"
    role="img"
    aria-label="${what}: ${lengths.length} from ${showDuration(ns(low))} to ${showDuration(ns(high))}"
  >
    ${bars}
    <line x1="0" x2="${WIDTH}" y1="${HEIGHT + 0.5}" y2="${HEIGHT + 0.5}" />
    <text x="0" y="43">${showDuration(ns(low))}</text>
    <text x="${WIDTH}" y="43" text-anchor="end">${showDuration(ns(high))}</text>
  </svg>`;
}
