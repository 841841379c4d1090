import type { Answer, Result } from './race.ts';
import { ratio } from './table.ts';

const WIDTH = 960;
const LEFT = 430;
const ROW = 24;
const TOP = 48;

const escape = (text: string): string =>
  text.replace(/[&<>"]/g, (sign) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[sign]!);

/** All ratios with a goal as bars on a logarithmic scale, the goal being the line in the middle: an SVG picture. */
export function picture(results: readonly Result[]): string {
  const rows = results.flatMap((result) =>
    result.answers
      .filter((answer) => answer.goal !== undefined)
      .map((answer) => ({ title: result.title, answer })),
  );
  const height = TOP + rows.length * ROW + 24;
  const middle = (LEFT + WIDTH - 90) / 2;
  const body = rows.map(({ title, answer }, at) => row(title, answer, TOP + at * ROW, middle)).join('\n');
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
<text x="16" y="22" font-size="15" font-weight="600">Measured ratio against its goal (line), logarithmic; whiskers: least to most</text>
${body}
<line x1="${middle}" x2="${middle}" y1="${TOP - 8}" y2="${height - 20}" stroke="#222" stroke-dasharray="4 3"/>
</svg>
`;
}

function row(title: string, answer: Answer, y: number, middle: number): string {
  const goal = answer.goal ?? 1;
  const reach = WIDTH - 90 - middle;
  // A factor of four fills half the picture.
  const x = (value: number): number =>
    middle + Math.max(-1, Math.min(1, Math.log(Math.max(value / goal, 1e-6)) / Math.log(4))) * reach;
  const end = x(answer.ratio.median);
  const colour = answer.holds === true ? '#2b8a3e' : '#c92a2a';
  const centre = y + ROW / 2;
  return `<text x="${LEFT - 10}" y="${centre + 4}" text-anchor="end">${escape(`${title}: ${answer.of} / ${answer.to}`)}</text>
<rect x="${Math.min(middle, end).toFixed(1)}" y="${y + 4}" width="${Math.max(1, Math.abs(end - middle)).toFixed(1)}" height="${ROW - 8}" fill="${colour}" opacity="0.8"/>
<line x1="${x(answer.ratio.least).toFixed(1)}" x2="${x(answer.ratio.most).toFixed(1)}" y1="${centre}" y2="${centre}" stroke="#222"/>
<text x="${WIDTH - 80}" y="${centre + 4}">${ratio(answer.ratio.median)}</text>`;
}
