// The doorbell's protocol as a list of atomic steps for each side, and a search through every order in which the
// steps of all sides can happen.

export type RingerStep = 'publish' | 'load' | 'exchange' | 'notify';
export type SleeperStep = 'arm' | 'look' | 'wait' | 'disarm';

export interface Protocol {
  /** One ring: `load` ends it when nobody sleeps, `exchange` when another ringer was first. */
  readonly ringer: readonly RingerStep[];
  /** One round; `look` takes all work and begins the next round if there was any. */
  readonly sleeper: readonly SleeperStep[];
}

export const protocol: Protocol = {
  ringer: ['publish', 'load', 'exchange', 'notify'],
  sleeper: ['arm', 'look', 'wait', 'disarm'],
};

interface State {
  readonly asleep: boolean;
  /** Published and not taken. */
  readonly work: number;
  readonly sleeper: number;
  /** In `wait`, until notified. */
  readonly blocked: boolean;
  /** The next step of each ringer, and how often it still rings after this. */
  readonly ringers: readonly { readonly step: number; readonly left: number }[];
}

/** Every reachable state; `stuck` are those in which nobody can move on and work lies there. */
export function explore(
  { ringer, sleeper }: Protocol,
  { rings, ringers }: { readonly rings: number; readonly ringers: number },
): { readonly states: number; readonly stuck: readonly State[] } {
  const start: State = {
    asleep: false,
    work: 0,
    sleeper: 0,
    blocked: false,
    ringers: Array.from({ length: ringers }, () => ({ step: 0, left: rings - 1 })),
  };

  function ring(state: State, which: number): State | undefined {
    const { step, left } = state.ringers[which]!;
    if (left < 0) return undefined;
    const ended = { step: 0, left: left - 1 };
    const on = step + 1 < ringer.length ? { step: step + 1, left } : ended;
    const after = (its: State['ringers'][number], rest: Partial<State> = {}): State => ({
      ...state,
      ...rest,
      ringers: state.ringers.map((other, at) => (at === which ? its : other)),
    });
    // A ring that ends early in a protocol that publishes last has still to publish.
    const early = ringer.indexOf('publish', step + 1);
    const leave = early < 0 ? ended : { step: early, left };
    switch (ringer[step]!) {
      case 'publish':
        return after(on, { work: state.work + 1 });
      case 'load':
        return after(state.asleep ? on : leave);
      case 'exchange':
        return after(state.asleep ? on : leave, { asleep: false });
      case 'notify':
        return after(on, { blocked: false });
    }
  }

  function sleep(state: State): State | undefined {
    if (state.blocked) return undefined;
    const on = { ...state, sleeper: (state.sleeper + 1) % sleeper.length };
    switch (sleeper[state.sleeper]!) {
      case 'arm':
        return { ...on, asleep: true };
      case 'look':
        return state.work === 0 ? on : { ...on, work: 0, asleep: false, sleeper: 0 };
      case 'wait':
        return { ...on, blocked: state.asleep };
      case 'disarm':
        return { ...on, asleep: false };
    }
  }

  const seen = new Set<string>();
  const stuck: State[] = [];
  const open = [start];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    const key = JSON.stringify(state);
    if (seen.has(key)) continue;
    seen.add(key);
    const next = [sleep(state), ...state.ringers.map((_, which) => ring(state, which))].filter(
      (other) => other !== undefined,
    );
    if (next.length === 0 && state.work > 0) stuck.push(state);
    open.push(...next);
  }
  return { states: seen.size, stuck };
}
