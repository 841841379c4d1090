import { setup } from 'xstate';

export type CoprocessorEvent =
  | 'LOAD'
  | 'LOADED'
  | 'REFUSED'
  | 'WORK'
  | 'DRAINED'
  | 'QUIESCE'
  | 'SAVED'
  | 'DENY'
  | 'DROP'
  | 'FAULT'
  | 'RESET'
  | 'RETIRE';

/**
 * The life of one coprocessor, as its own thread lives it. It has no context and no guards: which
 * event comes is the coprocessor core's to know, what may follow is this chart's.
 *
 * `idle` includes a loaded context that has nothing to do.
 */
export const coprocessorMachine = setup({
  types: {
    events: {} as { type: CoprocessorEvent },
  },
}).createMachine({
  id: 'coprocessor',
  initial: 'idle',
  states: {
    idle: {
      on: {
        /** A context comes and none has to leave. */
        LOAD: 'loading',
        /** The loaded context, which had nothing to do, leaves. */
        QUIESCE: 'saving',
        /** The loaded context has something to do again. */
        WORK: 'running',
        DROP: 'idle',
      },
    },
    loading: {
      on: {
        LOADED: 'running',
        /** The context cannot be loaded: wrong firmware, damaged image. Nothing is loaded now. */
        REFUSED: 'idle',
        FAULT: 'faulted',
      },
    },
    running: {
      on: {
        DRAINED: 'idle',
        /** The loaded context is given up, without being asked. */
        DROP: 'idle',
        QUIESCE: 'saving',
        /** The firmware trapped. */
        FAULT: 'faulted',
      },
    },
    saving: {
      on: {
        /** The context is in its image; the next one comes. */
        LOAD: 'loading',
        /** The context is in its image; nobody comes. */
        SAVED: 'idle',
        DENY: 'denySwitch',
        DROP: 'idle',
        FAULT: 'faulted',
      },
    },
    /** The firmware refused to leave and goes on; it will be asked again. */
    denySwitch: {
      on: {
        QUIESCE: 'saving',
        DRAINED: 'idle',
        DROP: 'idle',
        FAULT: 'faulted',
      },
    },
    faulted: {
      on: {
        RESET: 'idle',
        /** It went down too often. */
        RETIRE: 'outOfService',
      },
    },
    outOfService: { type: 'final' },
  },
});
