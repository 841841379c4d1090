import { NO_TIME, type Duration, type Instant } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Decision, Refusal, Scheduler, SchedulerParameters, Settled } from '../contract/scheduler.ts';
import { NOBODY, type Member } from './member.ts';
import { readParameters, type Parameters, type Values } from './parameters.ts';
import { ALL, keysOf, putRow, readPast, rowOf, type Past, type Row } from './past.ts';
import { Stays } from './stays.ts';

export interface Choice {
  readonly member: Member;
  readonly slice: Duration;
}

/** How things stand, for an algorithm that decides. */
export interface Situation {
  readonly now: Instant;
  /** Who has the coprocessor, awake and admitted; it is not settled yet. */
  readonly holder: Member | undefined;
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
export interface Algorithm<P extends Parameters> {
  readonly name: string;
  readonly parameters: P;
  /** What a member had and owes when it is asleep and settled. The rest is made anew as it is admitted and wakes. */
  readonly past: Past;
  /** The past of a member that has joined, or of nobody, was put back. */
  recall?(member: Member): void;
  /** Takes a vcoproc in, asleep, or says why not. */
  join(member: Member, values: Values<P>, vcoproc: VcoprocId): Refusal | undefined;
  /** Gives a member other parameters, or says why not. */
  revise(member: Member, values: Values<P>): Refusal | undefined;
  /** A member is gone, in whatever state it was. */
  leave(member: Member): void;
  /** A member woke. Answers whether it is more urgent than who has the coprocessor. */
  wake(member: Member, situation: Situation): boolean;
  sleep(member: Member, now: Instant): void;
  /** Chooses, or says until when nobody may run. */
  choose(situation: Situation): Choice | { readonly until: Instant } | undefined;
  /** A decision came to nothing: the one before did not leave, or the context could not come. */
  missed(member: Member): void;
  /** A member had the coprocessor. */
  charge(member: Member, settled: Settled, awake: number): void;
  retime(timeslice: Duration): void;
  bound(member: Member, late: Duration): Duration;
}

export const refused = (reason: string): Refusal => ({ kind: 'refused', reason });

const IDLE: Decision = { kind: 'idle' };
const ADMITTED = { kind: 'admitted' } as const;

/** Completes an algorithm to a scheduler. */
export function schedulerOf<P extends Parameters>(algorithm: Algorithm<P>): Scheduler {
  const members = new Map<VcoprocId, Member>();
  /** Numbers of members that are gone. */
  const free: Member[] = [];
  const names: VcoprocId[] = [];
  const given: SchedulerParameters[] = [];
  const isAwake: boolean[] = [];
  const stays = new Stays();
  let awake = 0;
  /** What was saved of those who were not admitted again yet. */
  let before = new Map<string, Row>();

  const recall = (member: Member, name: string): void => {
    const row = before.get(name);
    if (row === undefined) return;
    before.delete(name);
    putRow(algorithm.past, member, row);
    algorithm.recall?.(member);
  };
  const situation = (now: Instant): Situation => {
    const holder = stays.holder !== undefined && isAwake[stays.holder] ? stays.holder : undefined;
    return { now, holder, held: stays.held(now), slice: stays.slice, awake };
  };

  return {
    name: algorithm.name,
    admit(vcoproc, parameters) {
      if (members.has(vcoproc)) return refused(`${vcoproc} is admitted already`);
      const values = readParameters(algorithm.name, algorithm.parameters, parameters);
      if (values.kind === 'failed') return refused(values.reason);
      const member = free.at(-1) ?? members.size + 1;
      const refusal = algorithm.join(member, values.value, vcoproc);
      if (refusal !== undefined) return refusal;
      free.pop();
      members.set(vcoproc, member);
      names[member] = vcoproc;
      given[member] = parameters;
      isAwake[member] = false;
      recall(member, vcoproc);
      return ADMITTED;
    },
    change(vcoproc, parameters) {
      const member = members.get(vcoproc);
      if (member === undefined) return refused(`${vcoproc} is not admitted`);
      const all = { ...given[member], ...parameters };
      const values = readParameters(algorithm.name, algorithm.parameters, all);
      if (values.kind === 'failed') return refused(values.reason);
      const refusal = algorithm.revise(member, values.value);
      if (refusal !== undefined) return refusal;
      given[member] = all;
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
      free.push(member);
      if (isAwake[member]) awake--;
      isAwake[member] = false;
      algorithm.leave(member);
    },
    wake(vcoproc, now) {
      const member = members.get(vcoproc);
      if (member === undefined || isAwake[member]) return false;
      isAwake[member] = true;
      awake++;
      return algorithm.wake(member, situation(now)) || stays.isEmpty;
    },
    sleep(vcoproc, now) {
      const member = members.get(vcoproc);
      if (member === undefined || !isAwake[member]) return;
      isAwake[member] = false;
      awake--;
      algorithm.sleep(member, now);
    },
    pick(now) {
      if (awake === 0) return IDLE;
      const choice = algorithm.choose(situation(now));
      if (choice === undefined) return IDLE;
      if ('until' in choice) return { kind: 'idle', until: choice.until };
      const { member, slice } = choice;
      const vcoproc = names[member]!;
      stays.picked(vcoproc, member, slice, now);
      return { kind: 'run', vcoproc, slice };
    },
    settle(settled) {
      const { vcoproc, outcome, ran, now } = settled;
      const member = stays.settled(vcoproc, now) ?? members.get(vcoproc);
      if (member === undefined) return;
      if (outcome !== 'ran' && ran === NO_TIME) algorithm.missed(member);
      else algorithm.charge(member, settled, awake);
    },
    save() {
      const { name, past } = algorithm;
      const rows = [...members].map(([vcoproc, member]) => [vcoproc, ...rowOf(past, member)]);
      return { name, rows: [[ALL, ...rowOf(past, NOBODY)], ...rows], of: keysOf(past) };
    },
    restore(saved) {
      const read = readPast(algorithm.name, algorithm.past, saved);
      if (read.kind === 'failed') return refused(read.reason);
      before = read.value;
      recall(NOBODY, ALL);
      return undefined;
    },
  };
}
