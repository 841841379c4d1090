import { ms, seconds, type Duration } from '../base/units.ts';

/**
 * What becomes of a vcoproc that hung or trapped. `ban`: it begins anew, until it was at fault too often.
 * `isolate`: it never gets its coprocessor again. `isolate-domain`: nor does its domain get any other.
 */
export const FAULT_POLICIES = ['ban', 'isolate', 'isolate-domain'] as const;
export type FaultPolicy = (typeof FAULT_POLICIES)[number];

/**
 * Why a vcoproc is isolated. `offence`: what it did, as its policy says. `domain`: what its domain did on another
 * coprocessor. `unfit`: whatever the policy says, there is nothing to run it on or with: its context is refused, its
 * firmware does not start, its coprocessor dies of it or is out of service, memory is missing.
 */
export type IsolationCause = 'offence' | 'domain' | 'unfit';

/** How a reason begins that a share of a domain is given for what another share did. */
export const DOMAIN_ISOLATED = 'its domain is isolated';

/** So often within so long, in a window that slides. */
export interface Limit {
  readonly most: number;
  readonly within: Duration;
}

/** How a coprocessor and those on it are brought back, and when that is given up. */
export interface Recovery {
  readonly onFault: FaultPolicy;
  /** With `ban`: this many faults within this time are too many. */
  readonly faults: Limit;
  /** Deaths that nobody is to blame for; with one more the coprocessor is out of service. */
  readonly restarts: Limit;
}

/**
 * When nothing is said. Three hangs are what i915 bans a context for. Restarts are limited as an OTP supervisor
 * limits them, more generously than its 1 in 5 s: who is on the coprocessor did nothing.
 */
export const RECOVERY: Recovery = {
  onFault: 'ban',
  faults: { most: 3, within: seconds(60) },
  restarts: { most: 10, within: seconds(10) },
};

/** How long each thing that is waited for may take. All of them may be changed while the system runs. */
export interface Watchdogs {
  /** From being asked to leave to having left; past it the vcoproc is reset. */
  readonly stopDeadline: Duration;
  /** From the reset of a vcoproc to its being out of the coprocessor; past it the coprocessor is reset. */
  readonly resetDeadline: Duration;
  /** How long one command may have the coprocessor. */
  readonly commandTimeout: Duration;
  /** From a question to a sign of life; past it the coprocessor is reset. Absent: a time slice and a stop deadline. */
  readonly heartbeat?: Duration;
}

/** A turn of the coprocessor, and what a busy machine may take to give its thread one. */
export const RESET_DEADLINE = ms(100);

/** The steps of a recovery, in the order in which they escalate; asking and asking again have events of their own. */
export const RECOVERY_STEPS = [
  'reset-vcoproc',
  'reset-coproc',
  'restarted',
  'renewed',
  'banned',
  'isolated',
  'out-of-service',
] as const;
export type RecoveryStep = (typeof RECOVERY_STEPS)[number];
