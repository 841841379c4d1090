import { NO_TIME, type Duration, type Instant } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Decision, Refusal, Scheduler, SchedulerParameters, Settled } from '../contract/scheduler.ts';
import { readParameters, type Parameters, type Values } from './parameters.ts';
import { Stays } from './stays.ts';

/** What every algorithm knows of a vcoproc. */
export interface Member<P extends Parameters> {
  readonly vcoproc: VcoprocId;
  /** Its parameters. Only `revise` of an algorithm has a say about new ones. */
  values: Values<P>;
  awake: boolean;
}

export interface Choice<M> {
  readonly member: M;
  readonly slice: Duration;
}

/** How things stand, for an algorithm that decides. */
export interface Situation<M> {
  readonly now: Instant;
  /** Who has the coprocessor, awake and admitted; it is not settled yet. */
  readonly holder: M | undefined;
  /** How long the holder has had it, at most. */
  readonly held: Duration;
  /** The slice that the holder was given. */
  readonly slice: Duration;
  /** How many are awake. */
  readonly awake: number;
}

/**
 * What is an algorithm's own. Who is admitted, who is awake, what was picked and not settled is the same for
 * all: {@link schedulerOf} keeps it, calls `wake` and `sleep` only for a change, and answers the rest.
 */
export interface Algorithm<P extends Parameters, M extends Member<P>> {
  readonly name: string;
  readonly parameters: P;
  /** Takes a vcoproc in, asleep, or says why not. */
  join(vcoproc: VcoprocId, values: Values<P>): M | Refusal;
  /** Whether a member may have other parameters; it has them when this returns nothing. */
  revise(member: M, values: Values<P>): Refusal | undefined;
  /** A member is gone, in whatever state it was. */
  leave(member: M): void;
  /** A member woke. Answers whether it is more urgent than who has the coprocessor. */
  wake(member: M, situation: Situation<M>): boolean;
  sleep(member: M, now: Instant): void;
  /** Chooses, or says until when nobody may run. */
  choose(situation: Situation<M>): Choice<M> | { readonly until: Instant } | undefined;
  /** A decision came to nothing: the one before did not leave, or the context could not come. */
  missed(member: M): void;
  /** A member had the coprocessor. */
  charge(member: M, settled: Settled, awake: number): void;
  retime(timeslice: Duration): void;
  bound(member: M, late: Duration): Duration;
}

export const refused = (reason: string): Refusal => ({ kind: 'refused', reason });

const IDLE: Decision = { kind: 'idle' };
const ADMITTED = { kind: 'admitted' } as const;

/** Completes an algorithm to a scheduler. */
export function schedulerOf<P extends Parameters, M extends Member<P>>(
  algorithm: Algorithm<P, M>,
): Scheduler {
  const members = new Map<VcoprocId, M>();
  const given = new Map<VcoprocId, SchedulerParameters>();
  const stays = new Stays<M>();
  let awake = 0;

  const situation = (now: Instant): Situation<M> => {
    const holder = stays.holder?.awake === true ? stays.holder : undefined;
    return { now, holder, held: stays.held(now), slice: stays.slice, awake };
  };

  return {
    name: algorithm.name,
    admit(vcoproc, parameters) {
      if (members.has(vcoproc)) return refused(`${vcoproc} is admitted already`);
      const values = readParameters(algorithm.name, algorithm.parameters, parameters);
      if (values.kind === 'failed') return refused(values.reason);
      const member = algorithm.join(vcoproc, values.value);
      if ('kind' in member) return member;
      members.set(vcoproc, member);
      given.set(vcoproc, parameters);
      return ADMITTED;
    },
    change(vcoproc, parameters) {
      const member = members.get(vcoproc);
      if (member === undefined) return refused(`${vcoproc} is not admitted`);
      const all = { ...given.get(vcoproc), ...parameters };
      const values = readParameters(algorithm.name, algorithm.parameters, all);
      if (values.kind === 'failed') return refused(values.reason);
      const refusal = algorithm.revise(member, values.value);
      if (refusal !== undefined) return refusal;
      member.values = values.value;
      given.set(vcoproc, all);
      return ADMITTED;
    },
    retime(timeslice) {
      algorithm.retime(timeslice);
    },
    bound(vcoproc, late) {
      const member = members.get(vcoproc);
      return member === undefined ? undefined : algorithm.bound(member, late);
    },
    remove(vcoproc) {
      const member = members.get(vcoproc);
      if (member === undefined) return;
      members.delete(vcoproc);
      stays.removed(member);
      given.delete(vcoproc);
      if (member.awake) awake--;
      member.awake = false;
      algorithm.leave(member);
    },
    wake(vcoproc, now) {
      const member = members.get(vcoproc);
      if (member === undefined || member.awake) return false;
      member.awake = true;
      awake++;
      return algorithm.wake(member, situation(now)) || stays.isEmpty;
    },
    sleep(vcoproc, now) {
      const member = members.get(vcoproc);
      if (member === undefined || !member.awake) return;
      member.awake = false;
      awake--;
      algorithm.sleep(member, now);
    },
    pick(now) {
      if (awake === 0) return IDLE;
      const choice = algorithm.choose(situation(now));
      if (choice === undefined) return IDLE;
      if ('until' in choice) return { kind: 'idle', until: choice.until };
      stays.picked(choice.member, choice.slice, now);
      return { kind: 'run', vcoproc: choice.member.vcoproc, slice: choice.slice };
    },
    settle(settled) {
      const { vcoproc, outcome, ran, now } = settled;
      const member = stays.settled(vcoproc, now) ?? members.get(vcoproc);
      if (member === undefined) return;
      if (outcome !== 'ran' && ran === NO_TIME) algorithm.missed(member);
      else algorithm.charge(member, settled, awake);
    },
  };
}
