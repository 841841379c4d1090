/** One operation of a history: when it began and ended, in any order-preserving unit. */
export interface HistoryEvent<Input, Output> {
  readonly input: Input;
  /** Undefined: it never returned. It may have happened at any time since it began, or not at all. */
  readonly output: Output | undefined;
  readonly invoked: number;
  /** Infinity: never. */
  readonly returned: number;
}

/** An object as one thread would see it. */
export interface SequentialModel<State, Input, Output> {
  readonly initial: State;
  /** The state after an operation, or undefined when the object could not have answered like this. */
  readonly apply: (state: State, input: Input, output: Output | undefined) => State | undefined;
  /** A text that two states share only if they are the same. Default: JSON. */
  readonly key?: (state: State) => string;
  /** Operations on different parts never meet, so each part is checked alone. Default: one part. */
  readonly part?: (input: Input) => string;
}

/**
 * Whether the operations of a history can be put in one order that agrees with time and with the model. Wing and Gong's
 * search with Lowe's memory of (done, state) pairs (Testing for linearizability, 2017), part by part.
 */
export function isLinearizable<State, Input, Output>(
  history: readonly HistoryEvent<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
): boolean {
  const parts = new Map<string, HistoryEvent<Input, Output>[]>();
  for (const event of history) {
    const part = model.part?.(event.input) ?? '';
    parts.set(part, [...(parts.get(part) ?? []), event]);
  }
  return [...parts.values()].every((part) => isPartLinearizable(part, model));
}

/** An invocation or a response, in a list that operations leave while they are put in order. */
interface Entry {
  readonly event: number;
  /** Of an invocation: its response. */
  readonly match: Entry | undefined;
  previous: Entry | undefined;
  next: Entry | undefined;
}

function isPartLinearizable<State, Input, Output>(
  history: readonly HistoryEvent<Input, Output>[],
  { initial, apply, key = (state) => JSON.stringify(state) }: SequentialModel<State, Input, Output>,
): boolean {
  const head = entriesOf(history);
  const done = new Uint32Array(Math.ceil(history.length / 32));
  const seen = new Set<string>();
  const taken: { entry: Entry; state: State }[] = [];
  let open = history.filter(({ returned }) => returned !== Infinity).length;
  let state = initial;
  let entry = head.next;
  while (open > 0) {
    if (entry === undefined) return false;
    if (entry.match !== undefined) {
      const { input, output, returned } = history[entry.event]!;
      const after = apply(state, input, returned === Infinity ? undefined : output);
      done[entry.event >> 5]! ^= 1 << (entry.event & 31);
      const memory = after === undefined ? '' : `${done.join()} ${key(after)}`;
      if (after !== undefined && !seen.has(memory)) {
        seen.add(memory);
        taken.push({ entry, state });
        state = after;
        if (returned !== Infinity) open--;
        unlink(entry);
        entry = head.next;
      } else {
        done[entry.event >> 5]! ^= 1 << (entry.event & 31);
        entry = entry.next;
      }
      continue;
    }
    // A response whose operation has not been put in order: the last choice was wrong.
    const last = taken.pop();
    if (last === undefined) return false;
    state = last.state;
    done[last.entry.event >> 5]! ^= 1 << (last.entry.event & 31);
    if (history[last.entry.event]!.returned !== Infinity) open++;
    relink(last.entry);
    entry = last.entry.next;
  }
  return true;
}

function entriesOf(history: readonly HistoryEvent<unknown, unknown>[]): Entry {
  const moments = history.flatMap((event, index) => {
    const response: Entry = { event: index, match: undefined, previous: undefined, next: undefined };
    const call: Entry = { event: index, match: response, previous: undefined, next: undefined };
    return [
      { at: event.invoked, first: 0, entry: call },
      { at: event.returned, first: 1, entry: response },
    ];
  });
  // Of two moments at once, the invocation is first: the operations overlap.
  moments.sort((a, b) => (a.at === b.at ? a.first - b.first : a.at - b.at));
  const head: Entry = { event: -1, match: undefined, previous: undefined, next: undefined };
  let last = head;
  for (const { entry } of moments) {
    last.next = entry;
    entry.previous = last;
    last = entry;
  }
  return head;
}

function unlink(entry: Entry): void {
  for (const one of [entry, entry.match!]) {
    one.previous!.next = one.next;
    if (one.next !== undefined) one.next.previous = one.previous;
  }
}

function relink(entry: Entry): void {
  for (const one of [entry.match!, entry]) {
    one.previous!.next = one;
    if (one.next !== undefined) one.next.previous = one;
  }
}
