import { setup } from 'xstate';

/** The life of one domain. */
export const domainMachine = setup({
  types: {
    events: {} as { type: 'START' | 'PAUSE' | 'UNPAUSE' | 'FINISH' | 'CRASH' | 'DESTROY' },
  },
}).createMachine({
  id: 'domain',
  initial: 'created',
  states: {
    created: { on: { START: 'running', CRASH: 'crashed', DESTROY: 'destroyed' } },
    running: { on: { PAUSE: 'paused', FINISH: 'finished', CRASH: 'crashed', DESTROY: 'destroyed' } },
    /** Its vcoprocs sleep and its interrupts are pending; what its guest awaits, it awaits a little longer. */
    paused: { on: { UNPAUSE: 'running', FINISH: 'finished', CRASH: 'crashed', DESTROY: 'destroyed' } },
    finished: { on: { DESTROY: 'destroyed' } },
    crashed: { on: { DESTROY: 'destroyed' } },
    destroyed: { type: 'final' },
  },
});

export type DomainEvent = 'START' | 'PAUSE' | 'UNPAUSE' | 'FINISH' | 'CRASH' | 'DESTROY';
