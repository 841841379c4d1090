/** States of a coprocessor, as its statechart in `machines/coprocessor.ts` has them. */
export const COPROC_STATES = [
  'idle',
  'loading',
  'running',
  'saving',
  'denySwitch',
  'faulted',
  'outOfService',
] as const;
export type CoprocState = (typeof COPROC_STATES)[number];

/** States of a vcoproc, as its statechart in `machines/vcoproc.ts` has them. */
export const VCOPROC_STATES = ['sleeping', 'waiting', 'running', 'askedToSleep', 'isolated', 'gone'] as const;
export type VcoprocState = (typeof VCOPROC_STATES)[number];

/** States of a domain, as its statechart in `machines/domain.ts` has them. */
export const DOMAIN_STATES = ['created', 'running', 'paused', 'finished', 'crashed', 'destroyed'] as const;
export type DomainState = (typeof DOMAIN_STATES)[number];
