import type { Mark, Row, Span, Timeline } from '../timeline.ts';
import { PHASES } from '../timeline.ts';
import { colourOf, FAULT_COLOUR } from './colours.ts';

/** What the page's script draws. Streams are base64 of LEB128 numbers, so that a long trace stays small. */
export interface PageData {
  readonly wall: number;
  readonly phases: readonly string[];
  readonly owners: readonly string[];
  readonly colours: readonly string[];
  readonly faultColour: string;
  readonly rows: readonly {
    readonly name: string;
    readonly kind: 'coproc' | 'vcoproc';
    /** How many spans; each is its length in nanoseconds, then `(owner + 1) * phases + phase`. */
    readonly count: number;
    readonly spans: string;
  }[];
  readonly markKinds: readonly Mark['kind'][];
  readonly texts: readonly string[];
  readonly markCount: number;
  /** Each mark on one row: time since the mark before, kind, row, text. */
  readonly marks: string;
}

const MARK_KINDS: readonly Mark['kind'][] = ['interrupt', 'denied', 'fault'];

export function pageData(timeline: Timeline, vcoprocs: readonly string[]): PageData {
  const owners = numbered([...vcoprocs]);
  const rows = timeline.rows.map((row) => encodeRow(row, owners.number));
  const texts = numbered<string>([]);
  const marks: number[] = [];
  let last = 0;
  for (const mark of timeline.marks) {
    for (const row of mark.rows) {
      marks.push(mark.at - last, MARK_KINDS.indexOf(mark.kind), row, texts.number(mark.text));
      last = mark.at;
    }
  }
  return {
    wall: timeline.wall,
    phases: PHASES,
    owners: owners.all,
    colours: owners.all.map((_, place) => colourOf(place)),
    faultColour: FAULT_COLOUR,
    rows,
    markKinds: MARK_KINDS,
    texts: texts.all,
    markCount: marks.length / 4,
    marks: base64(marks),
  };
}

function encodeRow(
  { name, kind, spans }: Row,
  ownerNumber: (owner: string) => number,
): PageData['rows'][number] {
  const code = ({ owner, phase }: Span): number =>
    (owner === null ? 0 : ownerNumber(owner) + 1) * PHASES.length + PHASES.indexOf(phase);
  const numbers = spans.flatMap((span) => [span.end - span.start, code(span)]);
  return { name, kind, count: spans.length, spans: base64(numbers) };
}

/** Each different item once; `number` says at which place, adding it when it is new. */
function numbered<Item>(all: Item[]) {
  const places = new Map(all.map((item, place) => [item, place]));
  const number = (item: Item): number => {
    const known = places.get(item);
    if (known !== undefined) return known;
    places.set(item, all.length);
    return all.push(item) - 1;
  };
  return { all, number };
}

function base64(numbers: readonly number[]): string {
  const bytes: number[] = [];
  for (const number of numbers) {
    // Divided, not shifted: lengths in nanoseconds have more than 32 bits.
    let rest = number;
    while (rest >= 128) {
      bytes.push((rest % 128) + 128);
      rest = Math.floor(rest / 128);
    }
    bytes.push(rest);
  }
  return Buffer.from(bytes).toString('base64');
}
