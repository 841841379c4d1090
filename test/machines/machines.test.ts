import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActor, createMachine, type AnyStateMachine } from 'xstate';
import { getShortestPaths, getSimplePaths } from 'xstate/graph';
import { coprocessorMachine } from '../../machines/coprocessor.ts';
import { domainMachine } from '../../machines/domain.ts';
import { compileTable, type Table } from '../../machines/table.ts';
import { vcoprocMachine } from '../../machines/vcoproc.ts';
import { COPROC_STATES, DOMAIN_STATES, VCOPROC_STATES } from '../../src/contract/states.ts';

interface Chart {
  readonly name: string;
  readonly machine: AnyStateMachine;
  readonly table: Table<string, string>;
  readonly events: readonly string[];
  /** Length up to which every sequence of events is tried. */
  readonly length: number;
}

const chart = (name: string, machine: AnyStateMachine, states: readonly string[], length: number): Chart => ({
  name,
  machine,
  table: compileTable<string, string>(machine, states),
  events: [...machine.events],
  length,
});

const CHARTS = [
  chart('coprocessor', coprocessorMachine, COPROC_STATES, 5),
  chart('vcoproc', vcoprocMachine, VCOPROC_STATES, 4),
  chart('domain', domainMachine, DOMAIN_STATES, 5),
];

/** Sends events to the chart's own actor; an event that is not allowed leaves it where it is. */
function walk(machine: AnyStateMachine, events: readonly string[]): string[] {
  const actor = createActor(machine).start();
  const states = events.map((type) => {
    if (actor.getSnapshot().status === 'active') actor.send({ type });
    return String(actor.getSnapshot().value);
  });
  actor.stop();
  return states;
}

function look(table: Table<string, string>, events: readonly string[]): string[] {
  let state = table.initial;
  return events.map((event) => (state = table.next(state, event) ?? state));
}

describe.each(CHARTS)('the statechart of a $name', ({ machine, table, events, length }) => {
  it('reaches each of its states, and the table walks every shortest path as the chart does', () => {
    const paths = getShortestPaths(machine);
    expect(new Set(paths.map(({ state }) => String(state.value)))).toEqual(new Set(table.states));
    for (const path of paths) {
      const types = path.steps.map(({ event }) => event.type).filter((type) => events.includes(type));
      expect([types, look(table, types).at(-1) ?? table.initial]).toEqual([types, path.state.value]);
    }
  });

  it('has every transition of every simple path in its table, and the table has no other', () => {
    const walked = new Set<string>();
    for (const path of getSimplePaths(machine)) {
      let from = table.initial;
      for (const { event, state } of path.steps) {
        const to = String(state.value);
        if (!events.includes(event.type)) continue;
        expect([from, event.type, table.next(from, event.type)]).toEqual([from, event.type, to]);
        walked.add(`${from} ${event.type} ${to}`);
        from = to;
      }
    }
    const known = table.states.flatMap((from) =>
      events.flatMap((event) => {
        const to = table.next(from, event);
        return to === undefined ? [] : [`${from} ${event} ${to}`];
      }),
    );
    // A transition to the state itself, or back along the only way, is on no simple path: one step more walks it.
    for (const path of getShortestPaths(machine)) {
      const from = String(path.state.value);
      const way = path.steps.map(({ event }) => event.type).filter((type) => events.includes(type));
      for (const event of events) {
        const to = walk(machine, [...way, event]).at(-1)!;
        expect([from, event, table.next(from, event) ?? from]).toEqual([from, event, to]);
        if (path.state.can({ type: event })) walked.add(`${from} ${event} ${to}`);
      }
    }
    expect([...walked].sort()).toEqual(known.sort());
  });

  it(`goes where its actor goes on every sequence of up to ${length} events that the chart allows`, () => {
    let sequences = 0;
    const visit = (prefix: readonly string[]): void => {
      for (const event of events) {
        const sequence = [...prefix, event];
        const states = look(table, prefix);
        const before = states.at(-1) ?? table.initial;
        if (table.next(before, event) === undefined) continue;
        sequences++;
        if (sequence.length < length) visit(sequence);
        else if (walk(machine, sequence).join() !== look(table, sequence).join())
          expect(look(table, sequence)).toEqual(walk(machine, sequence));
      }
    };
    visit([]);
    expect(sequences).toBeGreaterThan(20);
  });

  it('goes where its actor goes on any sequence, allowed or not', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...events), { maxLength: 60 }), (sequence) => {
        expect(look(table, sequence)).toEqual(walk(machine, sequence));
      }),
      { numRuns: 100 },
    );
  });

  it('is plain data that a statechart viewer can open', () => {
    const definition = JSON.parse(JSON.stringify(machine.config)) as Parameters<typeof createMachine>[0];
    expect(definition).toEqual(machine.config);
    const reopened = compileTable<string, string>(createMachine(definition) as AnyStateMachine, table.states);
    for (const state of table.states)
      for (const event of events) expect(reopened.next(state, event)).toBe(table.next(state, event));
  });
});

describe('a vcoproc', () => {
  const { table } = CHARTS[1]!;
  const ends = new Set(['gone']);

  it('answers a wake in every state that can still run, and never by sleeping on', () => {
    for (const state of table.states.filter((name) => !ends.has(name)))
      expect(table.next(state, 'WAKE')).toBeDefined();
    expect(table.next('sleeping', 'WAKE')).toBe('waiting');
  });

  it('that is isolated never gets the coprocessor again, whatever comes', () => {
    const reachable = new Set<string>(['isolated']);
    for (const state of reachable)
      for (const event of CHARTS[1]!.events) {
        const next = table.next(state, event);
        if (next !== undefined) reachable.add(next);
      }
    expect([...reachable].sort()).toEqual(['gone', 'isolated']);
  });
});

describe('compiling a chart', () => {
  it('refuses a machine that does more than change its state', () => {
    const acting = createMachine({
      initial: 'a',
      states: { a: { on: { GO: { target: 'b', actions: () => {} } } }, b: {} },
    });
    expect(() => compileTable(acting, ['a', 'b'])).toThrow(/does more on GO/);
  });

  it('refuses a machine whose states are not those of the contract', () => {
    expect(() => compileTable(domainMachine, ['created', 'running'])).toThrow(/has the states/);
  });
});
