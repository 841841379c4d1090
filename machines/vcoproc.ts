import { setup } from 'xstate';

export type VcoprocEvent =
  | 'WAKE'
  | 'DRAINED'
  | 'ARRIVED'
  | 'LEFT'
  | 'LEFT_IDLE'
  | 'PAUSE'
  | 'UNPAUSE'
  | 'RESET'
  | 'ISOLATE'
  | 'DESTROY';

/**
 * The life of one vcoproc: a domain's share of a coprocessor. Every state that can still run answers
 * WAKE and DRAINED, so that no wake is lost however it falls.
 */
export const vcoprocMachine = setup({
  types: {
    events: {} as { type: VcoprocEvent },
  },
}).createMachine({
  id: 'vcoproc',
  initial: 'sleeping',
  states: {
    /** No work. Its context may still be loaded. */
    sleeping: {
      on: {
        WAKE: 'waiting',
        DRAINED: 'sleeping',
        /** Its context stayed loaded and found work, or was given the coprocessor. */
        ARRIVED: 'running',
        LEFT: 'waiting',
        LEFT_IDLE: 'sleeping',
        RESET: 'sleeping',
        PAUSE: 'sleeping',
        UNPAUSE: 'sleeping',
        ISOLATE: 'isolated',
        DESTROY: 'gone',
      },
    },
    /** It has work and somebody else has the coprocessor. */
    waiting: {
      on: {
        WAKE: 'waiting',
        DRAINED: 'sleeping',
        ARRIVED: 'running',
        LEFT: 'waiting',
        LEFT_IDLE: 'sleeping',
        RESET: 'waiting',
        PAUSE: 'sleeping',
        UNPAUSE: 'waiting',
        ISOLATE: 'isolated',
        DESTROY: 'gone',
      },
    },
    /** It has the coprocessor and work. */
    running: {
      on: {
        WAKE: 'running',
        DRAINED: 'sleeping',
        ARRIVED: 'running',
        LEFT: 'waiting',
        LEFT_IDLE: 'sleeping',
        RESET: 'waiting',
        PAUSE: 'askedToSleep',
        UNPAUSE: 'running',
        ISOLATE: 'isolated',
        DESTROY: 'gone',
      },
    },
    /** It has the coprocessor and shall leave it, work or not, because its domain pauses. */
    askedToSleep: {
      on: {
        WAKE: 'askedToSleep',
        DRAINED: 'sleeping',
        ARRIVED: 'askedToSleep',
        LEFT: 'sleeping',
        LEFT_IDLE: 'sleeping',
        RESET: 'sleeping',
        PAUSE: 'askedToSleep',
        UNPAUSE: 'running',
        ISOLATE: 'isolated',
        DESTROY: 'gone',
      },
    },
    /** Blamed for a fault: it never gets the coprocessor again, and its domain is told with every command. */
    isolated: {
      on: {
        WAKE: 'isolated',
        DRAINED: 'isolated',
        // It was on its way when its domain was isolated elsewhere.
        ARRIVED: 'isolated',
        LEFT: 'isolated',
        LEFT_IDLE: 'isolated',
        RESET: 'isolated',
        PAUSE: 'isolated',
        UNPAUSE: 'isolated',
        ISOLATE: 'isolated',
        DESTROY: 'gone',
      },
    },
    gone: { type: 'final' },
  },
});
