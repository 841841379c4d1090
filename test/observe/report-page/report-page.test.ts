import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { encode } from 'fast-png';
import type { Browser, Page } from 'playwright-core';
import { chromium } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ns } from '../../../src/base/units.ts';
import type { TraceEvent } from '../../../src/contract/events.ts';
import { domainId } from '../../../src/contract/names.ts';
import type { ReportPageInput } from '../../../src/observe/report-page/report-page.ts';
import { reportPage } from '../../../src/observe/report-page/report-page.ts';
import { colourOf } from '../../../src/observe/report-page/colours.ts';
import { pngSize } from '../../../src/observe/report-page/picture.ts';
import { timeline } from '../../../src/observe/timeline.ts';
import { syntheticRun } from '../fixtures.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(
  existsSync,
);
if (CHROMIUM === undefined) {
  console.warn(
    'SKIPPED: the report page in a real browser: no chromium in /usr/bin (apt-get install chromium)',
  );
}

const run = syntheticRun();
const png = encode({
  width: 28,
  height: 20,
  data: new Uint8Array(28 * 20 * 3).fill(90),
  channels: 3,
  depth: 8,
});
const pictures = [
  { domain: 'cluster', file: 'frame-0.png', png },
  { domain: 'media', file: 'media/film.png', png },
];

describe('the report page as text', () => {
  test('needs nothing from anywhere else', () => {
    const page = reportPage({ ...run, pictures });
    expect(page).not.toMatch(/\b(?:src|href)="(?!data:|\.\/)/);
    expect(page).not.toMatch(/https?:|@import|url\(/);
  });

  test('shows the verdict, the prediction and every domain, and lists the files that are no pictures', () => {
    const page = reportPage({ ...run, pictures });
    for (const text of [
      '✓ ok',
      'Predicted for the described board',
      '12 of 12 frames bit-identical',
      'href="./cluster/table.txt"',
    ]) {
      expect(page).toContain(text);
    }
    expect(page).not.toContain('href="./cluster/frame-0.png"');
  });

  test('says what went wrong', () => {
    const [first, ...rest] = run.report.domains;
    const crashed = { ...first!, state: 'crashed' as const, reason: 'out of memory' };
    const report = { ...run.report, ok: false, violations: ['gpu0: time'], domains: [crashed, ...rest] };
    const page = reportPage({ ...run, report, pictures: [] });
    for (const text of ['✗ failed', 'A law does not hold: gpu0: time', 'out of memory'])
      expect(page).toContain(text);
  });

  test('stands an empty run and a picture that is none', () => {
    const report = { ...run.report, wall: ns(0), coprocs: [], vcoprocs: [], domains: [] };
    const empty = reportPage({ report, trace: [], pictures: [] });
    expect(empty).toContain('</html>');
    expect(empty).not.toContain('What the domains made');
    expect(pngSize(new Uint8Array(40))).toBeUndefined();
    expect(pngSize(png)).toEqual({ width: 28, height: 20 });
    const page = reportPage({
      ...run,
      pictures: [{ domain: 'cluster', file: 'frame-0.png', png: new Uint8Array(9) }],
    });
    expect(page).toContain('href="./cluster/frame-0.png"');
  });
});

// Needs Debian's chromium.
describe.skipIf(CHROMIUM === undefined)('the report page in a real browser', () => {
  let browser: Browser;
  let folder: string;
  /** One page for all tests that only look and move about. */
  let page: Page;
  let complaints: string[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'covisor-page-'));
    browser = await chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox', '--disable-gpu'] });
    ({ page, complaints } = await open({ ...run, pictures }));
  });
  afterAll(async () => {
    await browser?.close();
    await rm(folder, { recursive: true, force: true });
  });

  let pages = 0;
  async function open(input: ReportPageInput): Promise<{ page: Page; complaints: string[] }> {
    const file = join(folder, `${pages++}.html`);
    await writeFile(file, reportPage(input));
    const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    const complaints: string[] = [];
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(String(error)));
    page.on('request', (request) => {
      if (!request.url().startsWith('data:') && request.url() !== pathToFileURL(file).href) {
        complaints.push(`asked for ${request.url()}`);
      }
    });
    await page.goto(pathToFileURL(file).href);
    return { page, complaints };
  }

  const range = async (page: Page): Promise<[number, number]> =>
    page.evaluate(
      `(({ dataset }) => [Number(dataset.from), Number(dataset.to)])(document.getElementById('timeline'))`,
    );

  const showAll = async (): Promise<void> => {
    await page.mouse.move(0, 0);
    await page.locator('#zoom-reset').click();
    await expect.poll(() => range(page)).toEqual([0, run.report.wall]);
  };

  /** The colours that are drawn for each row and time, as `#rrggbb`. Read from a copy: the page keeps its speed. */
  const drawn = async (
    page: Page,
    spots: readonly (readonly [row: number, time: number])[],
  ): Promise<string[]> =>
    page.evaluate(`(() => {
      const canvas = document.getElementById('timeline');
      const pen = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', { willReadFrequently: true });
      pen.drawImage(canvas, 0, 0);
      const labels = document.querySelectorAll('.row-label');
      const { from, to } = canvas.dataset;
      return ${JSON.stringify(spots)}.map(([row, time]) => {
        const x = Math.floor((time - from) / (to - from) * canvas.width);
        const y = Math.floor((labels[row].offsetTop + labels[row].offsetHeight * 0.6) * canvas.width / canvas.clientWidth);
        const pixel = pen.getImageData(x, y, 1, 1).data;
        return '#' + [...pixel.slice(0, 3)].map((part) => part.toString(16).padStart(2, '0')).join('');
      });
    })()`);
  const middle = ({ start, end }: { start: number; end: number }): number => (start + end) / 2;

  test('draws each owner in its colour at the time when it had the coprocessor, without a complaint', async () => {
    await showAll();
    const { rows } = timeline(run.report, run.trace);
    const owners = run.report.vcoprocs.map(({ id }) => id);
    const spots = rows.flatMap((row, place) => {
      const running = row.spans.filter(({ phase }) => phase === 'running');
      return [running[3]!, running.at(-2)!].map(
        (span) => [place, middle(span), colourOf(owners.indexOf(span.owner!))] as const,
      );
    });
    expect(
      await drawn(
        page,
        spots.map(([place, time]) => [place, time]),
      ),
    ).toEqual(spots.map(([, , colour]) => colour));
    expect(complaints).toEqual([]);
  });

  test('zooms about the pointer with the wheel, moves with a drag, and shows all at a double click', async () => {
    await showAll();
    const box = (await page.locator('#timeline').boundingBox())!;
    const wall = run.report.wall;
    const pointer = Math.round(box.x + box.width / 4);
    const part = (pointer - box.x) / box.width;
    const pixel = wall / box.width;
    await page.mouse.move(pointer, box.y + 30);
    await page.mouse.wheel(0, -600);
    await expect.poll(() => range(page)).not.toEqual([0, wall]);
    const [from, to] = await range(page);
    expect(to - from).toBeLessThan(wall / 2);
    expect(Math.abs(from + (to - from) * part - wall * part)).toBeLessThan(pixel);

    await page.mouse.down();
    await page.mouse.move(pointer + 100, box.y + 30, { steps: 4 });
    await page.mouse.up();
    const moved = from - (100 / box.width) * (to - from);
    await expect.poll(async () => Math.abs((await range(page))[0] - moved)).toBeLessThan(pixel);

    await page.mouse.dblclick(pointer, box.y + 30);
    await expect.poll(() => range(page)).toEqual([0, wall]);
  });

  test('answers the keys', async () => {
    await showAll();
    await page.locator('#timeline').focus();
    const length = async (): Promise<number> => {
      const [from, to] = await range(page);
      return Math.round((to - from) / 1e3);
    };
    await page.keyboard.press('+');
    await expect.poll(length).toBe(Math.round((run.report.wall * 0.7) / 1e3));
    const [from] = await range(page);
    await page.keyboard.press('ArrowRight');
    await expect.poll(async () => (await range(page))[0]).toBeGreaterThan(from);
    await page.keyboard.press('-');
    await page.keyboard.press('0');
    await expect.poll(() => range(page)).toEqual([0, run.report.wall]);
  });

  test('says to the nanosecond what is below the pointer', async () => {
    await showAll();
    const box = (await page.locator('#timeline').boundingBox())!;
    const span = timeline(run.report, run.trace).rows[0]!.spans.find(({ phase }) => phase === 'running')!;
    expect(await page.locator('#tooltip').isVisible()).toBe(false);
    await page.mouse.move(box.x + (box.width * (span.start + span.end)) / 2 / run.report.wall, box.y + 20);
    const tip = await page.locator('#tooltip').innerText();
    const exact = (time: number): string => `${(time / 1e6).toFixed(6).replace(/\.?0+$/, '')} ms`;
    expect(tip).toContain(`gpu0\nrunning: ${span.owner}\n`);
    expect(tip).toContain(
      `${span.start < 1e6 ? `${span.start / 1e3} us` : exact(span.start)} to ${exact(span.end)}`,
    );
    await page.mouse.move(box.x + 5, box.y + box.height + 200);
    await expect.poll(() => page.locator('#tooltip').isVisible()).toBe(false);
  });

  test('shows the pictures that the domains made, and enlarges one at a click', async () => {
    await showAll();
    const sizes = await page.evaluate(
      `[...document.images].map((image) => [image.complete, image.naturalWidth, image.naturalHeight])`,
    );
    expect(sizes).toEqual([
      [true, 28, 20],
      [true, 28, 20],
    ]);
    const width = async (): Promise<number> => (await page.locator('.picture').first().boundingBox())!.width;
    const before = await width();
    await page.locator('.picture').first().click();
    expect(await width()).toBeGreaterThan(before * 2);
  });

  test('lets hostile names, reasons and files do nothing but be read', async () => {
    const evil = `</script><script>globalThis.hacked = 1</script><img src=x onerror="globalThis.hacked = 1">"'\u2028`;
    const hostile = syntheticRun({ shared: { [`gpu${evil}`]: [`a${evil}`, 'b'] }, slices: 60 });
    const report = {
      ...hostile.report,
      model: evil,
      system: evil,
      violations: [evil],
      ok: false,
      domains: hostile.report.domains.map((domain) => ({
        ...domain,
        name: domainId(domain.name),
        state: 'crashed' as const,
        reason: evil,
        results: [{ what: evil, ok: false, detail: evil }],
        files: [`${evil}/\ud800`, 'javascript:globalThis.hacked=1'],
      })),
    };
    const trace = hostile.trace.map((event): TraceEvent =>
      event.kind === 'fault' ? { ...event, what: evil } : event,
    );
    const { page, complaints } = await open({
      report,
      trace,
      losses: [evil],
      pictures: [{ domain: report.domains[0]!.name, file: evil, png }],
    });
    const box = (await page.locator('#timeline').boundingBox())!;
    for (let x = 10; x < box.width; x += 50) await page.mouse.move(box.x + x, box.y + 25);
    expect(await page.evaluate('globalThis.hacked')).toBeUndefined();
    expect(await page.locator('img').count()).toBe(1);
    expect(await page.locator('script').count()).toBe(2);
    expect(await page.locator('h1').innerText()).toContain(
      '</script><script>globalThis.hacked = 1</script><img',
    );
    expect(complaints).toEqual([]);
    await page.close();
  });

  test('draws 200,000 events, whole and zoomed in far', async () => {
    const long = syntheticRun({ slices: 6500, commandsPerSlice: 4 });
    expect(long.trace.length).toBeGreaterThan(200_000);
    const { page, complaints } = await open({ ...long, pictures: [] });
    const { rows } = timeline(long.report, long.trace);
    const colours = long.report.vcoprocs.map((_, place) => colourOf(place));
    expect(colours.slice(0, 2)).toContain((await drawn(page, [[0, long.report.wall / 2]]))[0]);

    const box = (await page.locator('#timeline').boundingBox())!;
    await page.mouse.move(box.x + box.width / 2, box.y + 30);
    for (let turn = 0; turn < 8; turn++) await page.mouse.wheel(0, -500);
    await expect
      .poll(async () => ((spot) => spot[1] - spot[0])(await range(page)))
      .toBeLessThan(long.report.wall / 1000);
    const [from, to] = await range(page);
    const inside = rows[0]!.spans.filter(
      ({ start, end, phase }) => phase === 'running' && start > from && end < to,
    );
    expect(inside.length).toBeGreaterThan(0);
    const colourOfSpan = ({ owner }: { owner: string | null }) =>
      colours[long.report.vcoprocs.findIndex(({ id }) => id === owner)];
    expect(
      await drawn(
        page,
        inside.map((span) => [0, middle(span)]),
      ),
    ).toEqual(inside.map(colourOfSpan));
    expect(complaints).toEqual([]);
    await page.close();
  });
});
