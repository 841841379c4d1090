import type { Browser, PageCanvas, PageElement, PointerAt } from './dom.ts';
import type { PageData } from './page-data.ts';

/**
 * The page's script: it is written into the page as text, so it may use nothing but its own body and
 * the browser. Draws the timeline and its overview, and answers the pointer and the keys.
 */
export function client(): void {
  const browser = globalThis as unknown as Browser;
  const element = (id: string): PageElement => browser.document.getElementById(id)!;
  const data = JSON.parse(element('timeline-data').textContent!) as PageData;
  const canvas = element('timeline') as PageCanvas;
  const overview = element('overview') as PageCanvas;
  const tooltip = element('tooltip');
  const hair = element('hair');
  const labels = [...browser.document.querySelectorAll('.row-label')];
  const context = canvas.getContext('2d')!;
  const AXIS = 30;
  const GREY = '#7a808c';
  const phaseCount = data.phases.length;

  // ---- the data ------------------------------------------------------------------------------

  const numbersOf = (base64: string): (() => number) => {
    const bytes = Uint8Array.from(atob(base64), (sign) => sign.charCodeAt(0));
    let place = 0;
    return () => {
      let number = 0;
      for (let weight = 1; ; weight *= 128) {
        const byte = bytes[place++]!;
        number += (byte % 128) * weight;
        if (byte < 128) return number;
      }
    };
  };

  interface DrawnRow {
    readonly name: string;
    readonly kind: 'coproc' | 'vcoproc';
    readonly count: number;
    /** Starts of the spans, and at the end the end of the last. */
    readonly starts: Float64Array;
    readonly codes: Uint32Array;
  }
  const rows = data.rows.map(({ name, kind, count, spans }): DrawnRow => {
    const next = numbersOf(spans);
    const starts = new Float64Array(count + 1);
    const codes = new Uint32Array(count);
    for (let span = 0; span < count; span++) {
      starts[span + 1] = starts[span]! + next();
      codes[span] = next();
    }
    return { name, kind, count, starts, codes };
  });

  const marks = rows.map(() => ({ at: [] as number[], kind: [] as number[], text: [] as number[] }));
  const nextMark = numbersOf(data.marks);
  for (let mark = 0, at = 0; mark < data.markCount; mark++) {
    at += nextMark();
    const kind = nextMark();
    const ofRow = marks[nextMark()]!;
    ofRow.at.push(at);
    ofRow.kind.push(kind);
    ofRow.text.push(nextMark());
  }

  /** The last place whose value is not above `value`; 0 when there is none. */
  const lastNotAbove = (sorted: ArrayLike<number>, length: number, value: number): number => {
    let low = 0;
    let high = length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (sorted[middle]! <= value) low = middle;
      else high = middle;
    }
    return low;
  };

  // ---- the looks -----------------------------------------------------------------------------

  const alpha = (colour: string, part: number): string =>
    colour +
    Math.round(part * 255)
      .toString(16)
      .padStart(2, '0');

  /** A tile of `ground` with lines: `/`, `\`, `x` or `-`. */
  const hatched = (ground: string, lines: string, direction: string): CanvasPattern => {
    const size = 8;
    const tile = new OffscreenCanvas(size, size);
    const pen = tile.getContext('2d')!;
    pen.fillStyle = ground;
    pen.fillRect(0, 0, size, size);
    pen.strokeStyle = lines;
    pen.lineWidth = 1.8;
    pen.beginPath();
    for (const shift of [-size, 0, size]) {
      if (direction === '/' || direction === 'x') {
        pen.moveTo(shift - 2, size + 2);
        pen.lineTo(shift + size + 2, -2);
      }
      if (direction === '\\' || direction === 'x') {
        pen.moveTo(shift - 2, -2);
        pen.lineTo(shift + size + 2, size + 2);
      }
    }
    if (direction === '-') {
      pen.moveTo(0, size / 2);
      pen.lineTo(size, size / 2);
    }
    if (direction === '|') {
      pen.moveTo(size / 2, 0);
      pen.lineTo(size / 2, size);
    }
    pen.stroke();
    return context.createPattern(tile, 'repeat')!;
  };

  interface Look {
    /** For what is wide enough to show a hatch. */
    readonly fill: string | CanvasPattern;
    /** For a single column of pixels. */
    readonly plain: string;
  }
  const lookOf = (code: number): Look => {
    const phase = data.phases[code % phaseCount]!;
    const colour = data.colours[Math.floor(code / phaseCount) - 1] ?? GREY;
    const plainly = (text: string): Look => ({ fill: text, plain: text });
    switch (phase) {
      case 'running':
        return plainly(colour);
      case 'saving':
        return { fill: hatched(alpha(colour, 0.3), colour, '/'), plain: alpha(colour, 0.6) };
      case 'loading':
        return { fill: hatched(alpha(colour, 0.3), colour, '\\'), plain: alpha(colour, 0.6) };
      case 'denySwitch':
        return { fill: hatched(colour, '#000000b0', 'x'), plain: '#4a4a4a' };
      case 'faulted':
        return { fill: hatched(data.faultColour, '#ffffffd0', '-'), plain: data.faultColour };
      case 'outOfService':
        return plainly(data.faultColour);
      case 'waiting':
        return plainly(alpha(colour, 0.2));
      case 'isolated':
        return { fill: hatched(alpha(GREY, 0.2), alpha(GREY, 0.9), '|'), plain: alpha(GREY, 0.6) };
      case 'unknown':
        return { fill: hatched(alpha(GREY, 0.08), alpha(GREY, 0.4), '/'), plain: alpha(GREY, 0.25) };
      default:
        return plainly(alpha(GREY, 0.09));
    }
  };
  const looks = new Map<number, Look>();
  const look = (code: number): Look => {
    const known = looks.get(code);
    if (known !== undefined) return known;
    const made = lookOf(code);
    looks.set(code, made);
    return made;
  };

  // ---- the view ------------------------------------------------------------------------------

  const wall = Math.max(1, data.wall);
  const shortest = Math.min(wall, 20);
  let from = 0;
  let to = wall;
  let drawing = false;

  const show = (start: number, length: number): void => {
    const kept = Math.min(wall, Math.max(shortest, length));
    from = Math.min(Math.max(0, start), wall - kept);
    to = from + kept;
    if (drawing) return;
    drawing = true;
    browser.requestAnimationFrame(() => {
      drawing = false;
      draw();
    });
  };
  const zoom = (factor: number, about: number): void => {
    const kept = Math.min(wall, Math.max(shortest, (to - from) * factor));
    show(about - ((about - from) / (to - from)) * kept, kept);
  };
  const pan = (part: number): void => show(from + (to - from) * part, to - from);
  const reset = (): void => show(0, wall);

  const unitOf = (magnitude: number): readonly [number, string, number] => {
    if (magnitude < 1e3) return [1, 'ns', 0];
    if (magnitude < 1e6) return [1e3, 'us', 3];
    return magnitude < 1e9 ? [1e6, 'ms', 6] : [1e9, 's', 9];
  };
  /** To the nanosecond: `12.345678 ms`. */
  const exact = (time: number): string => {
    const [size, name, digits] = unitOf(time);
    const text = (time / size).toFixed(digits);
    return `${digits === 0 ? text : text.replace(/\.?0+$/, '')} ${name}`;
  };

  // ---- drawing -------------------------------------------------------------------------------

  /** Draws the spans of one row between two instants; all lengths are device pixels. */
  const drawRow = (
    pen: OffscreenCanvasRenderingContext2D,
    row: DrawnRow,
    start: number,
    end: number,
    width: number,
    top: number,
    height: number,
  ): void => {
    const scale = width / (end - start);
    const codes: number[] = [];
    const parts: number[] = [];
    let column = -1;
    let pieces = 0;

    // A column of pixels shows what fills most of it; one that many spans fall into shows the share of
    // each as a stack, so that a run of a minute still tells who had how much.
    const many = 6;
    const flush = (): void => {
      if (codes.length === 0) return;
      const order = codes.map((_, place) => place);
      if (pieces < many) {
        const most = order.reduce((best, place) => (parts[place]! > parts[best]! ? place : best));
        pen.fillStyle = look(codes[most]!).plain;
        pen.fillRect(column, top, 1, height);
      } else {
        const total = parts.reduce((a, b) => a + b, 0);
        let bottom = top + height;
        order.sort((a, b) => codes[a]! - codes[b]!);
        for (const place of order) {
          const tall = (parts[place]! / total) * height;
          pen.fillStyle = look(codes[place]!).plain;
          pen.fillRect(column, bottom - tall, 1, tall);
          bottom -= tall;
        }
      }
      codes.length = 0;
      parts.length = 0;
      pieces = 0;
    };
    const add = (x: number, part: number, code: number): void => {
      if (x !== column) flush();
      column = x;
      pieces++;
      const place = codes.indexOf(code);
      if (place >= 0) parts[place] = parts[place]! + part;
      else {
        codes.push(code);
        parts.push(part);
      }
    };

    const { starts, count } = row;
    for (let span = lastNotAbove(starts, count, start); span < count && starts[span]! < end; span++) {
      const left = Math.max(0, (starts[span]! - start) * scale);
      const right = Math.min(width, (starts[span + 1]! - start) * scale);
      const code = row.codes[span]!;
      const last = Math.floor(right);
      const whole = Math.ceil(left);
      if (Math.floor(left) === last) {
        if (right > left) add(last, right - left, code);
        continue;
      }
      if (whole > left) add(whole - 1, whole - left, code);
      flush();
      if (last > whole) {
        pen.fillStyle = look(code).fill;
        pen.fillRect(whole, top, last - whole, height);
      }
      if (right > last) add(last, right - last, code);
    }
    flush();
  };

  const drawMarks = (place: number, ratio: number, width: number, top: number, height: number): void => {
    const { at, kind } = marks[place]!;
    const scale = width / (to - from);
    const apart: Readonly<Record<string, number>> = {
      interrupt: 3 * ratio,
      denied: 8 * ratio,
      fault: 10 * ratio,
    };
    const drawn: Record<string, number> = {};
    let first = lastNotAbove(at, at.length, from);
    while (first < at.length && at[first]! < from) first++;
    let shown = 0;
    for (let mark = first; mark < at.length && at[mark]! <= to; mark++) if (kind[mark] !== 0) shown++;
    // Where there are many, the denials must not bury the row.
    const small = shown > width / (40 * ratio);
    for (let mark = first; mark < at.length && at[mark]! <= to; mark++) {
      const x = Math.round((at[mark]! - from) * scale);
      const name = data.markKinds[kind[mark]!]!;
      if (x - (drawn[name] ?? -width) < apart[name]!) continue;
      drawn[name] = x;
      if (name === 'interrupt') {
        context.fillStyle = GREY;
        context.fillRect(x, top + height, Math.max(1, ratio), 4 * ratio);
        continue;
      }
      const size = (name === 'denied' && small ? 2.5 : 5) * ratio;
      context.fillStyle = name === 'fault' ? data.faultColour : '#ffd60a';
      context.strokeStyle = '#000000';
      context.lineWidth = ratio;
      context.beginPath();
      if (name === 'fault') {
        context.moveTo(x - size, top - size);
        context.lineTo(x + size, top - size);
        context.lineTo(x, top + size);
      } else {
        context.moveTo(x, top - size);
        context.lineTo(x + size * 0.8, top);
        context.lineTo(x, top + size);
        context.lineTo(x - size * 0.8, top);
      }
      context.closePath();
      context.fill();
      context.stroke();
    }
  };

  const drawAxis = (ratio: number, width: number, height: number): void => {
    context.font = `${12 * ratio}px system-ui, sans-serif`;
    context.textAlign = 'center';
    const [unit, name] = unitOf(to);
    const digitsFor = (step: number): number => Math.max(0, Math.ceil(Math.log10(unit / step) - 1e-9));
    const stepFor = (apart: number): number => {
      const rough = ((to - from) * apart) / width;
      const power = 10 ** Math.floor(Math.log10(rough));
      const nice = [1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10;
      return Math.max(1, nice * power);
    };
    const label = (time: number, step: number): string => `${(time / unit).toFixed(digitsFor(step))} ${name}`;
    const guess = stepFor(100 * ratio);
    const step = stepFor(Math.max(100 * ratio, context.measureText(label(to, guess)).width + 24 * ratio));
    for (let tick = Math.ceil(from / step); tick * step <= to; tick++) {
      const x = Math.round(((tick * step - from) / (to - from)) * width);
      context.fillStyle = alpha(GREY, 0.25);
      context.fillRect(x, 0, Math.max(1, Math.round(ratio / 2)), height - AXIS * ratio + 6 * ratio);
      const text = label(tick * step, step);
      const half = context.measureText(text).width / 2;
      context.fillStyle = GREY;
      context.fillText(text, Math.min(Math.max(x, half), width - half), height - 9 * ratio);
    }
  };

  const sized = (target: PageCanvas, height: number): number => {
    const ratio = Math.max(1, browser.devicePixelRatio);
    const width = Math.max(1, Math.round(target.clientWidth * ratio));
    const tall = Math.round(height * ratio);
    if (target.width !== width) target.width = width;
    if (target.height !== tall) target.height = tall;
    target.style['height'] = `${height}px`;
    return ratio;
  };

  const rowsHeight = (): number => {
    const last = labels.at(-1);
    return last === undefined ? 0 : last.offsetTop + last.offsetHeight;
  };
  const PAD = 4;

  const draw = (): void => {
    const ratio = sized(canvas, rowsHeight() + AXIS);
    const { width, height } = canvas;
    context.clearRect(0, 0, width, height);
    drawAxis(ratio, width, height);
    const boxes = labels.map((label) => ({
      top: Math.round((label.offsetTop + PAD) * ratio),
      height: Math.round((label.offsetHeight - 2 * PAD) * ratio),
    }));
    rows.forEach((row, place) => {
      const box = boxes[place]!;
      drawRow(context, row, from, to, width, box.top, box.height);
    });
    boxes.forEach((box, place) => drawMarks(place, ratio, width, box.top, box.height));
    drawOverview();
    canvas.dataset['from'] = String(from);
    canvas.dataset['to'] = String(to);
    element('range').textContent =
      `${exact(Math.round(from))} to ${exact(Math.round(to))}: ${exact(Math.round(to - from))} of ${exact(data.wall)}`;
  };

  let strip: OffscreenCanvas | undefined;
  const drawOverview = (): void => {
    const coprocs = rows.filter((row) => row.kind === 'coproc');
    const each = 14;
    const ratio = sized(overview, Math.max(1, coprocs.length * each));
    const { width, height } = overview;
    if (strip?.width !== width || strip.height !== height) {
      strip = new OffscreenCanvas(width, height);
      const pen = strip.getContext('2d')!;
      coprocs.forEach((row, place) =>
        drawRow(pen, row, 0, wall, width, Math.round(place * each * ratio), Math.round((each - 2) * ratio)),
      );
    }
    const pen = overview.getContext('2d')!;
    pen.clearRect(0, 0, width, height);
    pen.drawImage(strip, 0, 0);
    const left = (from / wall) * width;
    const right = Math.max(left + 3 * ratio, (to / wall) * width);
    pen.fillStyle = alpha(GREY, 0.45);
    pen.fillRect(0, 0, left, height);
    pen.fillRect(right, 0, width - right, height);
    pen.strokeStyle = GREY;
    pen.lineWidth = 2 * ratio;
    pen.strokeRect(left + ratio, ratio, right - left - 2 * ratio, height - 2 * ratio);
  };

  // ---- the pointer and the keys --------------------------------------------------------------

  const timeAt = (event: PointerAt): number => {
    const x = event.clientX - canvas.getBoundingClientRect().left;
    return from + (x / canvas.clientWidth) * (to - from);
  };

  const line = (className: string, text: string): void => {
    const child = browser.document.createElement('div');
    child.className = className;
    child.textContent = text;
    tooltip.append(child);
  };
  const hideTooltip = (): void => {
    tooltip.hidden = true;
    hair.hidden = true;
  };
  const explain = (event: PointerAt): void => {
    const box = canvas.getBoundingClientRect();
    const y = event.clientY - box.top;
    const place = labels.findIndex(
      (label) => y >= label.offsetTop && y < label.offsetTop + label.offsetHeight,
    );
    const row = rows[place];
    const time = timeAt(event);
    hair.hidden = false;
    hair.style['left'] = `${event.clientX - box.left}px`;
    if (row === undefined || row.count === 0) {
      tooltip.hidden = true;
      return;
    }
    const perPixel = (to - from) / canvas.clientWidth;
    const span = lastNotAbove(row.starts, row.count, time);
    const code = row.codes[span]!;
    const start = row.starts[span]!;
    const end = row.starts[span + 1]!;
    const owner = data.owners[Math.floor(code / phaseCount) - 1];
    const whose = row.kind === 'vcoproc' || owner === undefined ? '' : `: ${owner}`;
    tooltip.replaceChildren();
    line('tip-title', row.name);
    line('tip-phase', `${data.phases[code % phaseCount]}${whose}`);
    line('tip-time', `${exact(start)} to ${exact(end)}`);
    line('tip-time', `for ${exact(end - start)}`);
    const first = lastNotAbove(row.starts, row.count, time - perPixel / 2);
    const hidden = lastNotAbove(row.starts, row.count, time + perPixel / 2) - first;
    if (hidden > 2) line('tip-more', `${hidden + 1} spans in this pixel: zoom in`);
    const { at, text, kind } = marks[place]!;
    const near = 5 * perPixel;
    for (
      let mark = lastNotAbove(at, at.length, time - near), shown = 0;
      mark < at.length && at[mark]! <= time + near && shown < 4;
      mark++
    ) {
      if (at[mark]! < time - near) continue;
      line(`tip-${data.markKinds[kind[mark]!]}`, `${exact(at[mark]!)}: ${data.texts[text[mark]!]}`);
      shown++;
    }
    tooltip.hidden = false;
    const x = Math.min(event.clientX + 16, browser.innerWidth - tooltip.offsetWidth - 8);
    tooltip.style['left'] = `${Math.max(8, x)}px`;
    tooltip.style['top'] = `${event.clientY + 18}px`;
  };

  let held: { readonly time: number } | undefined;
  canvas.addEventListener('pointerdown', (event) => {
    held = { time: timeAt(event) };
    canvas.setPointerCapture(event.pointerId);
    canvas.classList.toggle('held', true);
    canvas.focus({ preventScroll: true });
  });
  canvas.addEventListener('pointermove', (event) => {
    if (held !== undefined && event.buttons !== 0) {
      hideTooltip();
      show(from + held.time - timeAt(event), to - from);
    } else explain(event);
  });
  canvas.addEventListener('pointerup', () => {
    held = undefined;
    canvas.classList.toggle('held', false);
  });
  canvas.addEventListener('pointerleave', hideTooltip);
  canvas.addEventListener('dblclick', reset);
  canvas.addEventListener(
    'wheel',
    (event) => {
      event.preventDefault();
      hideTooltip();
      const unit = event.deltaMode === 0 ? 1 : 30;
      if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) pan((event.deltaX * unit) / canvas.clientWidth);
      else zoom(Math.exp(event.deltaY * unit * 0.002), timeAt(event));
    },
    { passive: false },
  );
  const middle = (): number => (from + to) / 2;
  const keys: Readonly<Record<string, () => void>> = {
    ArrowLeft: () => pan(-0.1),
    ArrowRight: () => pan(0.1),
    ArrowUp: () => zoom(0.7, middle()),
    ArrowDown: () => zoom(1 / 0.7, middle()),
    PageUp: () => pan(-0.9),
    PageDown: () => pan(0.9),
    '+': () => zoom(0.7, middle()),
    '=': () => zoom(0.7, middle()),
    '-': () => zoom(1 / 0.7, middle()),
    '0': reset,
    Home: () => show(0, to - from),
    End: () => show(wall, to - from),
  };
  canvas.addEventListener('keydown', (event) => {
    const act = keys[event.key];
    if (act === undefined) return;
    event.preventDefault();
    hideTooltip();
    act();
  });
  element('zoom-in').addEventListener('click', () => zoom(0.5, middle()));
  element('zoom-out').addEventListener('click', () => zoom(2, middle()));
  element('zoom-reset').addEventListener('click', reset);

  const jump = (event: PointerAt): void => {
    if (event.buttons === 0) return;
    const part = (event.clientX - overview.getBoundingClientRect().left) / overview.clientWidth;
    show(part * wall - (to - from) / 2, to - from);
  };
  overview.addEventListener('pointerdown', (event) => {
    overview.setPointerCapture(event.pointerId);
    jump(event);
  });
  overview.addEventListener('pointermove', jump);

  for (const picture of browser.document.querySelectorAll('.picture')) {
    picture.addEventListener('click', () => void picture.classList.toggle('large'));
  }
  browser.addEventListener('resize', draw);
  draw();
}
