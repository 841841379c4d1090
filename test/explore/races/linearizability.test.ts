import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  isLinearizable,
  type HistoryEvent,
  type SequentialModel,
} from '../../../src/explore/races/linearizability.ts';

interface Input {
  readonly op: 'r' | 'w' | 'c';
  readonly from: number | undefined;
  readonly to: number | undefined;
}
interface Output {
  readonly value: number | undefined;
  readonly done: boolean;
}
type Event = HistoryEvent<Input, Output>;

/** Its state stands in a box: the empty register is not the answer "no". */
const register: SequentialModel<readonly [number | undefined], Input, Output> = {
  initial: [undefined],
  apply([state], { op, from, to }, output) {
    if (op === 'r') return output !== undefined && output.value !== state ? undefined : [state];
    if (op === 'w') return [to];
    if (output !== undefined && output.done !== (state === from)) return undefined;
    return [state === from ? to : state];
  },
  key: ([state]) => String(state),
};
const number = (text: string | undefined): number | undefined =>
  text === undefined || text === '-' ? undefined : Number(text);

function operation(text: string): Event {
  const [, op, first, second, how, invoked, returned] = /^([rwc])(-|\d+)(?:,(\d+))?([+!?])(\d+):(\d*)$/.exec(
    text,
  )!;
  const input =
    op === 'c'
      ? ({ op: 'c', from: number(first), to: number(second) } as const)
      : ({ op: op as 'r' | 'w', from: undefined, to: number(first) } as const);
  const output = how === '?' ? undefined : { value: number(first), done: how === '+' };
  return { input, output, invoked: Number(invoked), returned: returned === '' ? Infinity : Number(returned) };
}

const recorded = readFileSync(new URL('fixtures/register-histories.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => {
    const [name = '', verdict, ...operations] = line.split(' ');
    return { name, linearizable: verdict === 'linearizable', history: operations.map(operation) };
  });

describe('recorded histories of a register', () => {
  test('there are 102 of them, of both kinds', () => {
    expect(recorded).toHaveLength(102);
    expect(new Set(recorded.map(({ linearizable }) => linearizable))).toEqual(new Set([true, false]));
  });

  test.each(recorded)('$name gets its verdict', ({ history, linearizable }) => {
    expect(isLinearizable(history, register)).toBe(linearizable);
  });
});

test('agrees with trying every order of a few operations', () => {
  const event = fc
    .record({
      op: fc.constantFrom('r' as const, 'w' as const),
      value: fc.integer({ min: 0, max: 2 }),
      invoked: fc.integer({ min: 0, max: 8 }),
      takes: fc.integer({ min: 1, max: 6 }),
      returns: fc.boolean(),
    })
    .map(({ op, value, invoked, takes, returns }): Event => ({
      input: { op, from: undefined, to: value },
      output: returns ? { value, done: true } : undefined,
      invoked,
      returned: returns ? invoked + takes : Infinity,
    }));
  fc.assert(
    fc.property(fc.array(event, { maxLength: 5 }), (history) => {
      expect(isLinearizable(history, register)).toBe(byTrying(history, register.initial));
    }),
    { numRuns: 500 },
  );
});

function byTrying(left: readonly Event[], state: readonly [number | undefined]): boolean {
  if (left.every(({ returned }) => returned === Infinity)) return true;
  const deadline = Math.min(...left.map(({ returned }) => returned));
  return left.some((event, at) => {
    if (event.invoked > deadline) return false;
    const after = register.apply(state, event.input, event.output);
    return after !== undefined && byTrying(left.toSpliced(at, 1), after);
  });
}

test('checks parts of an object alone', () => {
  const counter: SequentialModel<number, string, number> = {
    initial: 0,
    apply: (state, _input, output) => (output === undefined || output === state + 1 ? state + 1 : undefined),
    part: (input) => input,
  };
  const once = (input: string, output: number, invoked: number): HistoryEvent<string, number> => ({
    input,
    output,
    invoked,
    returned: invoked + 1,
  });
  expect(isLinearizable([once('a', 1, 0), once('b', 1, 2), once('a', 2, 4)], counter)).toBe(true);
  expect(isLinearizable([once('a', 1, 0), once('b', 1, 2), once('a', 3, 4)], counter)).toBe(false);
});
