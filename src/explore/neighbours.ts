import type { Instant } from '../base/units.ts';
import type { TraceEvent } from '../contract/events.ts';
import { domainOf, type DomainId } from '../contract/names.ts';
import { replayed } from './decisions.ts';
import type { Subject } from './subject.ts';
import { runTrial, type TrialOptions, type TrialResult } from './trial.ts';

const LAW = 'a neighbour changes nothing but timing';
const ENDED = 'commands that are';
/** Domains among which the oracle chooses the one that is left alone. */
const CHOICES = 4;

/**
 * Runs a subject once, as {@link runTrial} does. Where the oracle says so, and the subject's domains are strangers to each
 * other, one of them is run once more without the others, with the same decisions: what it asked for and how it ended has
 * to be the same. Not in a run with faults, not where a coprocessor is taken out of service, for all of its domains, and
 * not for one that is hostile itself: it is a matter of time how far it gets.
 */
export async function runCompared(subject: Subject, options: TrialOptions): Promise<TrialResult> {
  const { oracle, onStep } = options;
  const chosen = subject.strangers === true ? oracle.choose('law/neighbours', 1 + CHOICES) : 0;
  if (chosen === 0) return runTrial(subject, options);

  let stopped = false;
  const together = new Story(chosen - 1);
  const result = await runTrial(together.told(subject, false), {
    ...options,
    onEvent: together.heard(options.onEvent),
    ...(onStep && { onStep: (state) => !(stopped = !onStep(state)) }),
  });
  const undisturbed = result.failure === undefined && result.faults.length === 0;
  if (stopped || !undisturbed || !together.comparable) return result;

  const alone = new Story(chosen - 1);
  const second = await runTrial(alone.told(subject, true), {
    oracle: replayed(result.decisions, false),
    onEvent: alone.heard(),
  });
  const marks = new Map(result.marks).set('a domain is run without its neighbours', 1);
  const { failure } = second;
  const difference =
    failure === undefined ? alone.differs(together) : `it breaks a law, ${failure.law}: ${failure.what}`;
  if (difference === undefined) return { ...result, marks };
  const what = `domain ${together.domain} is run again without its neighbours: ${difference}`;
  const at = result.length as number as Instant;
  return { ...result, marks, failure: { law: LAW, what, step: result.steps, at } };
}

/**
 * What one domain of a run asked for and got, without the times. Commands that are open at the same time may change places,
 * and who destroys a queue hits other commands.
 */
class Story {
  domain: DomainId | undefined;
  readonly #index: number;
  readonly #lines = new Map<string, number>();
  #hit = 0;
  #incomparable = false;

  constructor(index: number) {
    this.#index = index;
  }

  /** The subject, with the domain that this is about: alone, or with all others. */
  told(subject: Subject, alone: boolean): Subject {
    return {
      ...subject,
      build: (oracle, run) => {
        const system = subject.build(oracle, {
          losses: (coproc) => run.losses(coproc),
          disturbed: (coproc, domain) => run.disturbed(coproc, domain),
          strays: (coproc) => run.strays(coproc),
          cutOff: () => run.cutOff(),
          broken: (law, what) => run.broken(law, what),
          disturb: (coproc, domain) => {
            if (domain === this.domain) this.#incomparable = true;
            run.disturb(coproc, domain);
          },
        });
        const domains = system.domains.slice(this.#index, this.#index + 1);
        this.domain = domains[0]?.description.name;
        return alone ? { ...system, domains } : system;
      },
    };
  }

  heard(onEvent: (event: TraceEvent) => void = () => {}): (event: TraceEvent) => void {
    return (event) => {
      this.#onEvent(event);
      onEvent(event);
    };
  }

  get comparable(): boolean {
    return this.domain !== undefined && !this.#incomparable;
  }

  /** How another one, with neighbours, differs from it. */
  differs(other: Story): string | undefined {
    const hit = Math.max(this.#hit, other.#hit);
    for (const line of new Set([...this.#lines.keys(), ...other.#lines.keys()])) {
      const [mine, theirs] = [this.#lines.get(line) ?? 0, other.#lines.get(line) ?? 0];
      if (Math.abs(mine - theirs) > (line.startsWith(ENDED) ? hit : 0))
        return `${mine} ${line} instead of ${theirs}`;
    }
    return undefined;
  }

  #onEvent(event: TraceEvent): void {
    if (event.kind === 'coproc' && event.state === 'outOfService') this.#incomparable = true;
    if ((event.kind !== 'submit' && event.kind !== 'complete') || domainOf(event.vcoproc) !== this.domain)
      return;
    const what = event.kind === 'submit' ? `commands ${event.op}` : `${ENDED} ${event.status}`;
    const line = `${what} on ${event.vcoproc}`;
    this.#lines.set(line, (this.#lines.get(line) ?? 0) + 1);
    if (event.kind === 'complete' && event.status === 'cancelled') this.#hit++;
  }
}
