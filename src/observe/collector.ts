import type { TraceEvent, TraceSink } from '../contract/events.ts';
import type { Instant } from '../base/units.ts';
import { instant } from '../base/units.ts';
import { tape, TRACE_KEYS } from './trace-tape.ts';
import type { TraceKey } from './trace-tape.ts';

export interface CollectorLimits {
  /** Events kept at most. */
  readonly events: number;
  /** Characters kept at most of names, reasons and log lines; each different text counts once. */
  readonly text: number;
}

/** About 100 MB at most. */
export const DEFAULT_LIMITS: CollectorLimits = { events: 2_000_000, text: 8_000_000 };

export interface TraceCollector {
  readonly sink: TraceSink;
  /** The events that were kept, in the order in which they came. */
  events(): TraceEvent[];
  /** The kept events as JSON lines: the same events give the same bytes. */
  tape(): string;
  /** What was not kept, in words; empty when everything was. */
  losses(): readonly string[];
  /** The first instant from which on nothing was kept any more, if there is one. */
  endsAt(): Instant | undefined;
}

/** What goes first when the trace grows over its limit: there is most of it, and the report has its sums. */
const DETAIL: ReadonlySet<TraceEvent['kind']> = new Set(['submit', 'complete', 'interrupt']);
const KINDS = Object.keys(TRACE_KEYS) as TraceEvent['kind'][];
const TEXT_KEYS: ReadonlySet<TraceKey> = new Set<TraceKey>([
  'coproc',
  'vcoproc',
  'domain',
  'state',
  'reason',
  'from',
  'to',
  'status',
  'what',
  'line',
  'file',
]);
const NO_TEXT = '(text not kept)';
const NULL = -1;

/**
 * Keeps a run's trace within a bound. Over the limit it first lets go of all submits, completions and
 * interrupts; if that is not enough it keeps the beginning and says where it ends.
 */
export function traceCollector(limits: CollectorLimits = DEFAULT_LIMITS): TraceCollector {
  const texts = internedTexts(limits.text);
  let records = wordList();
  let kept = 0;
  let keepsDetail = true;
  let lostDetail = 0;
  let lostRest = 0;
  let end: Instant | undefined;

  const append = (event: TraceEvent): void => {
    kept++;
    records.push(event.at);
    records.push(KINDS.indexOf(event.kind));
    const fields = event as unknown as Readonly<Record<TraceKey, string | number | boolean | null>>;
    for (const key of TRACE_KEYS[event.kind]) {
      const value = fields[key];
      records.push(value === null ? NULL : typeof value === 'string' ? texts.index(value) : Number(value));
    }
  };

  const dropDetail = (): void => {
    const all = records;
    const total = kept;
    records = wordList();
    kept = 0;
    keepsDetail = false;
    for (const event of decode(all, texts.at)) if (!DETAIL.has(event.kind)) append(event);
    lostDetail += total - kept;
  };

  const sink: TraceSink = (event) => {
    if (!keepsDetail && DETAIL.has(event.kind)) {
      lostDetail++;
      return;
    }
    if (kept >= limits.events && keepsDetail) dropDetail();
    if (DETAIL.has(event.kind) && !keepsDetail) {
      lostDetail++;
    } else if (kept >= limits.events) {
      end ??= instant(event.at);
      lostRest++;
    } else {
      append(event);
    }
  };

  const losses = (): string[] => {
    const words: string[] = [];
    if (lostDetail > 0) words.push(`${lostDetail} submits, completions and interrupts were not kept`);
    if (lostRest > 0) words.push(`${lostRest} events from ${end} ns on were not kept`);
    if (texts.lost() > 0) words.push(`the text of ${texts.lost()} events was not kept`);
    return words.map((what) => `trace over its limit: ${what}`);
  };

  return {
    sink,
    events: () => [...decode(records, texts.at)],
    tape: () => tape(decode(records, texts.at)),
    losses,
    endsAt: () => end,
  };
}

function* decode(records: WordList, text: (index: number) => string): Generator<TraceEvent> {
  let word = 0;
  while (word < records.length) {
    const at = records.at(word++);
    const kind = KINDS[records.at(word++)]!;
    const event: Record<string, unknown> = { at, kind };
    for (const key of TRACE_KEYS[kind]) {
      const value = records.at(word++);
      if (TEXT_KEYS.has(key)) event[key] = value === NULL ? null : text(value);
      else event[key] = key === 'reset' ? value === 1 : value;
    }
    yield event as unknown as TraceEvent;
  }
}

interface WordList {
  readonly length: number;
  at(index: number): number;
  push(value: number): void;
}

/** A list of numbers, 8 bytes each, that grows without copying. */
function wordList(): WordList {
  const chunkWords = 1 << 16;
  const chunks: Float64Array[] = [];
  let length = 0;
  return {
    get length() {
      return length;
    },
    at: (index) => chunks[Math.floor(index / chunkWords)]![index % chunkWords]!,
    push: (value) => {
      if (length % chunkWords === 0) chunks.push(new Float64Array(chunkWords));
      chunks[chunks.length - 1]![length % chunkWords] = value;
      length++;
    },
  };
}

/** Each text once, by number; past `limit` characters, new texts become {@link NO_TEXT}. */
function internedTexts(limit: number) {
  const texts = [NO_TEXT];
  const indexes = new Map<string, number>([[NO_TEXT, 0]]);
  let characters = 0;
  let lost = 0;
  return {
    lost: () => lost,
    at: (index: number): string => texts[index]!,
    index: (text: string): number => {
      const known = indexes.get(text);
      if (known !== undefined) return known;
      if (characters + text.length > limit) {
        lost++;
        return 0;
      }
      characters += text.length;
      indexes.set(text, texts.length);
      texts.push(text);
      return texts.length - 1;
    },
  };
}
