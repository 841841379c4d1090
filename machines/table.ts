import { transition, type AnyStateMachine } from 'xstate';
import { InvariantError } from '../src/base/assert.ts';

/**
 * A statechart compiled to a table: the chart stays the specification, the table is what runs
 * (an interpreted event costs microseconds, a table look-up nanoseconds).
 */
export interface Table<State extends string, Event extends string> {
  readonly initial: State;
  readonly states: readonly State[];
  /** The state after `event`, or `undefined` when the chart does not allow it there. */
  next(state: State, event: Event): State | undefined;
}

/**
 * Compiles a flat machine without context, guards and actions by asking XState itself for every
 * transition. Throws for a machine that has more.
 */
export function compileTable<State extends string, Event extends string>(
  machine: AnyStateMachine,
  states: readonly State[],
): Table<State, Event> {
  const known = new Set<string>(states);
  const names = Object.keys(machine.root.states);
  if (names.length !== known.size || !names.every((name) => known.has(name))) {
    throw new InvariantError(`machine ${machine.id} has the states ${names.join(', ')}`);
  }
  const rows = new Map<State, Map<Event, State>>();
  for (const state of states) {
    const row = new Map<Event, State>();
    const from = machine.resolveState({ value: state, context: {} });
    for (const event of machine.events) {
      if (!from.can({ type: event })) continue;
      const [to, actions] = transition(machine, from, { type: event });
      if (typeof to.value !== 'string' || actions.length > 0) {
        throw new InvariantError(`machine ${machine.id} does more on ${event} than change its state`);
      }
      row.set(event as Event, to.value as State);
    }
    rows.set(state, row);
  }
  const initial = machine.root.initial.target[0]?.key as State;
  return { initial, states, next: (state, event) => rows.get(state)?.get(event) };
}
