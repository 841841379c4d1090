import { assert, present } from '../../src/base/assert.ts';
import {
  NEVER,
  NO_TIME,
  START,
  after,
  between,
  earlier,
  ms,
  sum,
  us,
  type Duration,
  type Instant,
} from '../../src/base/units.ts';
import { vcoprocId, coprocId, domainId, type VcoprocId } from '../../src/contract/names.ts';
import type {
  Scheduler,
  SchedulerFactory,
  SchedulerParameters,
  SchedulerSettings,
  Settled,
} from '../../src/contract/scheduler.ts';

export const vcoproc = (name: string): VcoprocId => vcoprocId(domainId(name), coprocId('gpu0'));

/** Makes a scheduler of a factory that must not refuse. */
export function made(factory: SchedulerFactory, settings: Partial<SchedulerSettings> = {}): Scheduler {
  const created = factory({ timeslice: ms(1), parameters: {}, ...settings });
  if ('kind' in created) throw new Error(created.reason);
  return created;
}

/** Work that comes at an instant and takes a length of the coprocessor's time. */
export interface Burst {
  readonly at: Instant;
  readonly length: Duration;
}

/** A vcoproc's behaviour. */
export interface Agent {
  readonly name: string;
  readonly parameters?: SchedulerParameters;
  /** The next work, asked at the start and after each burst; nothing: none any more. May be overdue. */
  next(now: Instant): Burst | undefined;
  /** For how long it refuses when it is asked to leave in the middle of its work. */
  denial?(): Duration;
}

/** Always busy. */
export const busy = (name: string, parameters: SchedulerParameters = {}): Agent => ({
  name,
  parameters,
  next: (now) => ({ at: now, length: NEVER as number as Duration }),
});

/** Works for `on`, sleeps for `off`, again and again. */
export const pulsed = (name: string, on: Duration, off: Duration, denial?: () => Duration): Agent => ({
  name,
  next: (now) => ({ at: now === START ? now : after(now, off), length: on }),
  ...(denial === undefined ? {} : { denial }),
});

/** Always busy, and refuses to leave for as long as `denial` says. */
export const stubborn = (name: string, denial: () => Duration): Agent => ({ ...busy(name), denial });

export interface Figures {
  ran: Duration;
  /** Spent on switches to it. */
  switching: Duration;
  bursts: number;
  /** From being awake without the coprocessor to having it, the longest. */
  longestWait: Duration;
  /** From a burst's instant to its end. */
  responses: Duration[];
}

interface Actor {
  readonly agent: Agent;
  readonly id: VcoprocId;
  readonly figures: Figures;
  upcoming: Burst | undefined;
  /** The burst under way. */
  burst: Burst | undefined;
  left: number;
  waitingSince: Instant | undefined;
}

export interface SimulationSettings {
  readonly switchCost?: Duration;
  readonly stopDeadline?: Duration;
  readonly timeslice?: Duration;
  /** Called at each step, before the decision. */
  readonly disturb?: (scheduler: Scheduler, now: Instant) => void;
}

/**
 * One coprocessor and its vcoprocs as a scheduler sees them, without firmware: decisions, denials, switches and
 * settlements in the order in which the hypervisor has them. Virtual time.
 */
export class Simulation {
  readonly scheduler: Scheduler;
  now: Instant = START;
  switches = 0;
  denials = 0;
  idle: Duration = NO_TIME;
  readonly #actors: Actor[];
  readonly #byId = new Map<VcoprocId, Actor>();
  readonly #settings: Required<Omit<SimulationSettings, 'disturb'>> & SimulationSettings;
  #current: Actor | undefined;
  #tenure: { slice: Duration; ends: Instant; ran: Duration; switching: Duration } | undefined;
  #switch: { to: Actor | undefined; slice: Duration; done: Instant } | undefined;
  /** Until when the holder denies. */
  #denied: Instant | undefined;
  #asked = false;
  #until: Instant = NEVER;
  #urgent = false;

  constructor(scheduler: Scheduler, agents: readonly Agent[], settings: SimulationSettings = {}) {
    this.scheduler = scheduler;
    this.#settings = { switchCost: us(20), stopDeadline: ms(40), timeslice: ms(1), ...settings };
    this.#actors = agents.map((agent) => ({
      agent,
      id: vcoproc(agent.name),
      figures: { ran: NO_TIME, switching: NO_TIME, bursts: 0, longestWait: NO_TIME, responses: [] },
      upcoming: agent.next(START),
      burst: undefined,
      left: 0,
      waitingSince: undefined,
    }));
    for (const actor of this.#actors) {
      const admission = scheduler.admit(actor.id, actor.agent.parameters ?? {});
      if (admission.kind === 'refused') throw new Error(admission.reason);
      this.#byId.set(actor.id, actor);
    }
  }

  figures(name: string): Figures {
    return present(this.#byId.get(vcoproc(name)), 'the agent is there').figures;
  }

  id(name: string): VcoprocId {
    return present(this.#byId.get(vcoproc(name)), 'the agent is there').id;
  }

  /** The part of all run time that each agent had. */
  shares(): Record<string, number> {
    const all = this.#actors.reduce((total, { figures }) => total + figures.ran, 0);
    return Object.fromEntries(this.#actors.map(({ agent, figures }) => [agent.name, figures.ran / all]));
  }

  run(length: Duration): this {
    const end = after(this.now, length);
    while (this.now < end) this.#step(end);
    return this;
  }

  #step(end: Instant): void {
    this.#wakeAll();
    this.#settings.disturb?.(this.scheduler, this.now);
    const next = [this.#nextWake(), this.#nextOfCoprocessor(), this.#until].reduce(earlier, end);
    const passed = between(this.now, next);
    assert(passed >= 0, 'time goes on');
    const running = this.#switch === undefined && this.#tenure !== undefined;
    if (running) {
      const actor = this.#current!;
      actor.left -= passed;
      actor.figures.ran = sum(actor.figures.ran, passed);
      this.#tenure!.ran = sum(this.#tenure!.ran, passed);
    } else if (this.#switch === undefined) this.idle = sum(this.idle, passed);
    this.now = next;
    if (this.now >= end) return;
    if (this.#switch !== undefined && this.now >= this.#switch.done) this.#switched();
    else if (this.#tenure !== undefined && this.#current!.left <= 0) this.#finished();
    else if (this.#denied !== undefined && this.now >= this.#denied) {
      this.#denied = undefined;
      this.#reschedule();
    } else if (this.now >= this.#until) {
      this.#until = NEVER;
      this.#reschedule();
    } else if (this.#tenure !== undefined && this.now >= this.#tenure.ends) {
      this.#tenure.ends = NEVER;
      this.#reschedule();
    }
  }

  #nextWake(): Instant {
    return this.#actors.reduce(
      (first, { upcoming }) => (upcoming === undefined ? first : earlier(first, upcoming.at)),
      NEVER,
    );
  }

  #nextOfCoprocessor(): Instant {
    if (this.#switch !== undefined) return this.#switch.done;
    if (this.#tenure === undefined) return this.#denied ?? NEVER;
    const done = Math.min(NEVER, this.now + this.#current!.left) as Instant;
    return [done, this.#tenure.ends, this.#denied ?? NEVER].reduce(earlier);
  }

  #wakeAll(): void {
    for (const actor of this.#actors) {
      const { upcoming } = actor;
      if (upcoming === undefined || upcoming.at > this.now) continue;
      actor.upcoming = undefined;
      actor.burst = upcoming;
      actor.left = upcoming.length;
      actor.waitingSince = this.now;
      if (this.scheduler.wake(actor.id, this.now)) this.#urgent = true;
      if (this.#urgent || this.#tenure === undefined) this.#reschedule();
    }
  }

  #reschedule(): void {
    if (this.#switch !== undefined || this.#denied !== undefined) return;
    this.#until = NEVER;
    this.#urgent = false;
    const decision = this.scheduler.pick(this.now);
    if (decision.kind === 'idle') {
      assert(
        decision.until !== undefined || this.#actors.every(({ burst }) => burst === undefined),
        'nobody who is awake is forgotten',
      );
      if (decision.until !== undefined) {
        assert(decision.until > this.now, 'a rest ends later');
        this.#until = decision.until;
        if (this.#current !== undefined) this.#ask(undefined, NO_TIME);
      }
      return;
    }
    const to = present(this.#byId.get(decision.vcoproc), 'only who is admitted is chosen');
    assert(to.burst !== undefined, 'only who is awake is chosen');
    assert(decision.slice > 0, 'a slice is longer than nothing');
    if (to !== this.#current) {
      this.#ask(to, decision.slice);
      return;
    }
    this.#settle('ran');
    this.#begin(to, decision.slice, NO_TIME);
  }

  #begin(actor: Actor, slice: Duration, switching: Duration): void {
    this.#asked = false;
    this.#tenure = { slice, ends: after(this.now, slice), ran: NO_TIME, switching };
    if (actor.waitingSince === undefined) return;
    const waited = between(actor.waitingSince, this.now);
    actor.figures.longestWait = Math.max(actor.figures.longestWait, waited) as Duration;
    actor.waitingSince = undefined;
  }

  #ask(to: Actor | undefined, slice: Duration): void {
    const denial = this.#asked || this.#tenure === undefined ? 0 : (this.#current?.agent.denial?.() ?? 0);
    this.#asked = true;
    if (denial > 0) {
      this.denials++;
      if (to !== undefined) this.#report(to, 'denied', NO_TIME, NO_TIME, NO_TIME);
      this.#denied = after(this.now, Math.min(denial, this.#settings.stopDeadline) as Duration);
      return;
    }
    this.#switch = { to, slice, done: after(this.now, this.#settings.switchCost) };
  }

  #switched(): void {
    const { to, slice } = this.#switch!;
    const cost = this.#settings.switchCost;
    const from = this.#current;
    this.#switch = undefined;
    this.switches++;
    this.#settle('ran');
    if (from?.burst !== undefined) {
      from.waitingSince = this.now;
      this.scheduler.wake(from.id, this.now);
    } else if (from !== undefined) this.scheduler.sleep(from.id, this.now);
    this.#current = to;
    this.#asked = false;
    if (to === undefined) this.#reschedule();
    else {
      to.figures.switching = sum(to.figures.switching, cost);
      this.#begin(to, slice, cost);
      if (this.#urgent) this.#reschedule();
    }
  }

  #finished(): void {
    const actor = this.#current!;
    const { figures } = actor;
    figures.bursts++;
    figures.responses.push(between(actor.burst!.at, this.now));
    actor.burst = undefined;
    actor.upcoming = actor.agent.next(this.now);
    this.scheduler.sleep(actor.id, this.now);
    this.#settle('ran');
    this.#denied = undefined;
    this.#asked = false;
    this.#reschedule();
  }

  #settle(outcome: Settled['outcome']): void {
    const tenure = this.#tenure;
    if (tenure === undefined) return;
    this.#tenure = undefined;
    const overrun = Math.max(0, tenure.ran - tenure.slice) as Duration;
    this.#report(this.#current!, outcome, tenure.ran, overrun, tenure.switching);
  }

  #report(
    { id }: Actor,
    outcome: Settled['outcome'],
    ran: Duration,
    overrun: Duration,
    switching: Duration,
  ): void {
    this.scheduler.settle({ vcoproc: id, outcome, ran, overrun, switching, now: this.now });
  }
}
