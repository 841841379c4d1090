import { firstLineOf } from '../base/said.ts';
import { NO_TIME, START, type Duration } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Admission, Decision, Refusal, Scheduler, SchedulerSettings } from '../contract/scheduler.ts';
import { refused } from './algorithm.ts';
import { roundRobin } from './round-robin.ts';

/** A longer slice is a mistake of units: an hour. */
const LONGEST_SLICE = 3.6e12;

/**
 * A scheduler of unknown quality. The first time that it throws, answers a promise or decides what cannot be, it
 * is asked no more: `round-robin` goes on with those that are admitted and awake, and the settings' `onFault` is
 * told. What it throws at `admit` or `change` is a refusal. A function that does not return is nobody's to end:
 * it runs in the hypervisor's own thread.
 */
export function contained(inner: Scheduler, settings: SchedulerSettings, file: string): Scheduler {
  /** Who is admitted, and whether it is awake. */
  const members = new Map<VcoprocId, boolean>();
  let { timeslice } = settings;
  let now = START;
  let instead: Scheduler | undefined;

  const giveUp = (what: string): Scheduler => {
    const other = roundRobin({ timeslice, parameters: {} });
    if ('kind' in other) throw new Error(other.reason);
    for (const [vcoproc, awake] of members) {
      other.admit(vcoproc, {});
      if (awake) other.wake(vcoproc, now);
    }
    instead = other;
    settings.onFault?.(`scheduler ${file}: ${what}; ${other.name} decides from now on`);
    return other;
  };
  /** Asks it, or whoever decides instead of it. `mistake` says what is wrong with an answer. */
  const ask = <T>(
    what: string,
    question: (scheduler: Scheduler) => T,
    mistake: (answer: T) => string | undefined = () => undefined,
  ): T => {
    if (instead !== undefined) return question(instead);
    let wrong: string | undefined;
    try {
      const answer = question(inner);
      wrong = isPromise(answer) ? 'answers a promise' : mistake(answer);
      if (wrong === undefined) return answer;
    } catch (error) {
      wrong = `throws: ${firstLineOf(error)}`;
    }
    return question(giveUp(`${what} ${wrong}`));
  };
  const asked = (what: string, question: () => Admission): Admission => {
    try {
      const answer = question();
      if (answer.kind === 'admitted') return answer;
      return refused(answer.kind === 'refused' ? String(answer.reason) : `${file}: ${what} answers neither`);
    } catch (error) {
      return refused(`${file}: ${what} throws: ${firstLineOf(error)}`);
    }
  };
  const misjudged = (decision: Decision): string | undefined => {
    if (decision.kind === 'idle') {
      if (decision.until !== undefined)
        return Number.isFinite(decision.until) ? undefined : `rests until ${String(decision.until)}`;
      const forgotten = [...members].find(([, awake]) => awake);
      return forgotten === undefined ? undefined : `forgets ${forgotten[0]}, which is awake`;
    }
    if (decision.kind !== 'run') return 'answers no decision';
    const { vcoproc, slice } = decision;
    if (members.get(vcoproc) !== true) return `chooses ${String(vcoproc)}, which is not awake here`;
    return slice > 0 && slice <= LONGEST_SLICE ? undefined : `gives a slice of ${String(slice)} ns`;
  };

  // As text, so that a checkpoint can hold whatever it says. One that failed has no past.
  const save = (): unknown => {
    let text: string | undefined;
    const isSaid = (answer: unknown): undefined => void (text = JSON.stringify(answer));
    ask('save', (scheduler) => scheduler.save?.(), isSaid);
    return instead === undefined ? text : undefined;
  };
  const restore = (saved: unknown): Refusal | undefined => {
    try {
      const answer: unknown = inner.restore?.(JSON.parse(String(saved)));
      if (answer === undefined) return undefined;
      const reason = isPromise(answer) ? undefined : (answer as Partial<Refusal> | null)?.reason;
      return refused(reason === undefined ? `${file}: restore answers no refusal` : String(reason));
    } catch (error) {
      return refused(`${file}: restore throws: ${firstLineOf(error)}`);
    }
  };

  return {
    get name() {
      return instead?.name ?? inner.name;
    },
    admit(vcoproc, parameters) {
      const admission = instead?.admit(vcoproc, {}) ?? asked('admit', () => inner.admit(vcoproc, parameters));
      if (admission.kind === 'admitted') members.set(vcoproc, false);
      return admission;
    },
    change(vcoproc, parameters) {
      if (instead === undefined) return asked('change', () => inner.change(vcoproc, parameters));
      return refused(`${file} failed, and ${instead.name} decides in its place`);
    },
    retime(length) {
      timeslice = length;
      ask('retime', (scheduler) => scheduler.retime(length));
    },
    bound: (vcoproc, late) =>
      ask<Duration | undefined>(
        'bound',
        (scheduler) => scheduler.bound(vcoproc, late),
        (bound) => (bound === undefined || bound >= NO_TIME ? undefined : `answers ${String(bound)}`),
      ),
    remove(vcoproc) {
      members.delete(vcoproc);
      ask('remove', (scheduler) => scheduler.remove(vcoproc));
    },
    wake(vcoproc, at) {
      now = at;
      if (members.has(vcoproc)) members.set(vcoproc, true);
      return ask('wake', (scheduler) => Boolean(scheduler.wake(vcoproc, at)));
    },
    sleep(vcoproc, at) {
      now = at;
      if (members.has(vcoproc)) members.set(vcoproc, false);
      ask('sleep', (scheduler) => scheduler.sleep(vcoproc, at));
    },
    pick(at) {
      now = at;
      return ask('pick', (scheduler) => scheduler.pick(at), misjudged);
    },
    settle(settled) {
      now = settled.now;
      ask('settle', (scheduler) => scheduler.settle(settled));
    },
    save,
    restore,
  };
}

/** What a promise comes to is nobody's concern any more; a rejection would be everybody's. */
function isPromise(answer: unknown): boolean {
  if (typeof answer !== 'object' || answer === null || !('then' in answer)) return false;
  void Promise.resolve(answer).catch(() => {});
  return true;
}
