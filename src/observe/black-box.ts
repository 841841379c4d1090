import type { TraceEvent, TraceSink } from '../contract/events.ts';
import { coprocOf, type CoprocId } from '../contract/names.ts';

export interface BlackBox {
  readonly sink: TraceSink;
  /** The last events of a coprocessor and of its vcoprocs, newest last. */
  of(coproc: CoprocId): TraceEvent[];
}

/** Remembers the last `length` events of each coprocessor, for the day when it crashes. */
export function blackBox(length: number): BlackBox {
  const lasts = new Map<string, TraceEvent[]>();
  /** Where the next event goes: the oldest one makes room. */
  const places = new Map<TraceEvent[], number>();
  const coprocs = new Map<string, string>();
  const placeOf = (event: TraceEvent): string | undefined => {
    if ('coproc' in event) return event.coproc;
    if (!('vcoproc' in event)) return undefined;
    let coproc = coprocs.get(event.vcoproc);
    if (coproc === undefined) {
      coproc = coprocOf(event.vcoproc);
      coprocs.set(event.vcoproc, coproc);
    }
    return coproc;
  };
  return {
    sink(event) {
      const coproc = placeOf(event);
      if (coproc === undefined) return;
      let last = lasts.get(coproc);
      if (last === undefined) lasts.set(coproc, (last = []));
      const place = places.get(last) ?? 0;
      last[place] = event;
      places.set(last, (place + 1) % length);
    },
    of(coproc) {
      const last = lasts.get(coproc) ?? [];
      const place = last.length < length ? 0 : (places.get(last) ?? 0);
      return [...last.slice(place), ...last.slice(0, place)];
    },
  };
}
