import { failed, ok, type Outcome } from '../base/outcome.ts';
import { expectedOneOf } from '../base/nearest.ts';
import type { Duration } from '../base/units.ts';
import type { GuestProgram } from '../contract/guest.ts';
import { domainId, vcoprocId, type CoprocId, type DomainId, type VcoprocId } from '../contract/names.ts';
import type { CrashDump } from '../contract/crash-dump.ts';
import { DOMAIN_ISOLATED, type Watchdogs } from '../contract/recovery.ts';
import type { CoprocReport, DomainReport, VcoprocReport } from '../contract/report.ts';
import type { Scheduler, SchedulerParameters } from '../contract/scheduler.ts';
import type { CoprocDescription, DomainDescription } from '../contract/system.ts';
import { SharedCoproc, type Occupancy } from './coproc.ts';
import { saveSystem } from './checkpoint.ts';
import { allocated } from './allocated.ts';
import type { Parts } from './parts.ts';
import { Domain, type DomainFiles } from './domain.ts';
import { shareOf, type SavedDomain, type SavedSystem, type SavedVcoproc, type Share } from './saved.ts';
import { schedulerSettings, type ScheduleChange } from './scheduler-settings.ts';
import { Vcoproc, type VcoprocSettings } from './vcoproc.ts';
import { changeParameters, retime, useScheduler } from './rescheduling.ts';

const ADD_TO_BUILD = '; a build has what createHypervisor is given';

/** The figures of a hypervisor at one instant. */
export interface Figures {
  readonly coprocs: readonly CoprocReport[];
  readonly vcoprocs: readonly VcoprocReport[];
  readonly domains: readonly DomainReport[];
}

/**
 * The hypervisor: the registry of shared coprocessors and the life of domains. It knows no thread, no
 * clock and no chance but those of its runtime.
 */
export class Hypervisor {
  readonly #parts: Parts;
  readonly #coprocs = new Map<CoprocId, SharedCoproc>();
  readonly #domains = new Map<DomainId, Domain>();
  /** Vcoprocs in the order of their creation, gone ones included: their figures stay. */
  #vcoprocs: Vcoproc[] = [];
  /** Figures of vcoprocs that were gone when the system was saved that this one continues. */
  #past: readonly VcoprocReport[] = [];
  /** Vcoprocs that are on their way. */
  readonly #attaching = new Set<VcoprocId>();
  /** Why a domain was isolated last: an object of its own each time. */
  readonly #outlawed = new WeakMap<Domain, { readonly reason: string }>();
  readonly #releases = new Map<Domain, Promise<void>>();
  /** Resumed domains that are about to go on, all at once: none is ahead of the others. */
  readonly #goingOn: Domain[] = [];
  #slots = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Registers a coprocessor and starts it. */
  addCoproc(description: CoprocDescription): Outcome<void> {
    const platform = this.#parts.platforms[description.compatible];
    if (platform === undefined) {
      const known = expectedOneOf(description.compatible, Object.keys(this.#parts.platforms));
      return failed(`this build has no platform ${description.compatible}; ${known}${ADD_TO_BUILD}`);
    }
    if (this.#coprocs.has(description.id)) return failed(`there is a coprocessor ${description.id} already`);
    const created = this.#scheduler(
      description,
      description.scheduler.name,
      description.timeslice,
      description.scheduler.parameters,
    );
    if (created.kind === 'failed') return created;
    const { runtime, trace, crashed } = this.#parts;
    const made = allocated(
      description.id,
      () => new SharedCoproc(description, platform, created.value, runtime, trace, crashed),
    );
    if (made.kind === 'failed') return made;
    this.#coprocs.set(description.id, made.value);
    return ok(undefined);
  }

  /**
   * Creates a domain with all its vcoprocs, or nothing at all: when one vcoproc cannot be had,
   * everything taken for the domain is given back. It does not run yet.
   */
  async createDomain(
    description: DomainDescription,
    program: GuestProgram,
    files: DomainFiles,
    saved?: SavedDomain,
  ): Promise<Outcome<Domain>> {
    const { runtime, trace } = this.#parts;
    let before = this.#domains.get(description.name);
    // Its vcoprocs have the same names: they are gone before new ones come.
    while (before?.state === 'destroyed' && this.#releases.has(before)) {
      await this.#releases.get(before);
      before = this.#domains.get(description.name);
    }
    if (before !== undefined && before.state !== 'destroyed')
      return failed(`there is a domain ${description.name} already`);
    const made = allocated(
      `domain ${description.name}`,
      () =>
        new Domain({
          description,
          program,
          files,
          memory: runtime.memory,
          timeline: runtime.timeline,
          random: runtime.random.of(description.name),
          trace,
          ...(saved === undefined ? {} : { saved }),
        }),
    );
    if (made.kind === 'failed') return made;
    const domain = made.value;
    this.#domains.set(description.name, domain);
    const shares: readonly Share[] = saved === undefined ? description.coprocs : saved.vcoprocs.map(shareOf);
    for (const { coproc, firmware, parameters, saved: before } of shares) {
      const attached = await this.#attach(domain, coproc, firmware, parameters, before);
      if (attached.kind === 'failed') {
        await this.#release(domain, 'its domain was not created');
        domain.destroy();
        this.forget(domain);
        return attached;
      }
    }
    return ok(domain);
  }

  /** Starts a domain's guest. Resolves when the domain is over and everything it held is given back. */
  async runDomain(domain: Domain): Promise<void> {
    if (domain.over) return;
    domain.start();
    const { saved } = domain.settings;
    if (saved !== undefined) this.#goOn(domain, !saved.goesOn);
    await domain.ended;
    await this.#release(domain, domain.state === 'crashed' ? 'its domain crashed' : 'its domain is over');
  }

  pauseDomain(domain: Domain): void {
    domain.pause();
    for (const vcoproc of domain.vcoprocs) this.#of(vcoproc).pause(vcoproc);
  }

  unpauseDomain(domain: Domain): void {
    domain.unpause();
    for (const vcoproc of domain.vcoprocs) this.#of(vcoproc).unpause(vcoproc);
  }

  /** The program of a resumed domain gets to the end of what it can do by itself before it hears of anything. */
  #goOn(domain: Domain, staysPaused: boolean): void {
    this.pauseDomain(domain);
    if (staysPaused) return;
    const { timeline } = this.#parts.runtime;
    this.#goingOn.push(domain);
    if (this.#goingOn.length > 1) return;
    timeline.at(timeline.now(), () => {
      for (const one of this.#goingOn.splice(0)) if (one.state === 'paused') this.unpauseDomain(one);
    });
  }

  /** Ends a domain at any moment, in whatever state. */
  async destroyDomain(domain: Domain): Promise<void> {
    domain.destroy();
    await this.#release(domain, 'its domain was destroyed');
  }

  /**
   * Drops the figures of a domain's vcoprocs that are gone, and of the domain itself when it was destroyed:
   * a system that stays would grow for ever.
   */
  forget(domain: Domain): void {
    if (domain.state === 'destroyed' && this.#domains.get(domain.name) === domain)
      this.#domains.delete(domain.name);
    this.#vcoprocs = this.#vcoprocs.filter(
      ({ state, settings }) => state !== 'gone' || settings.ram !== domain.ram,
    );
  }

  /** Gives a domain one more vcoproc while it runs: its guest finds it by `coproc` from then on. */
  attach(
    domain: Domain,
    coproc: CoprocId,
    firmware: string,
    parameters: SchedulerParameters,
  ): Promise<Outcome<void>> {
    if (vcoprocOf(domain, coproc).kind === 'ok')
      return Promise.resolve(failed(`domain ${domain.name} has a vcoproc on ${coproc} already`));
    return this.#attach(domain, coproc, firmware, parameters);
  }

  /** Takes a vcoproc from a domain, whatever it is doing: its commands are cancelled. */
  async detach(domain: Domain, coproc: CoprocId): Promise<Outcome<void>> {
    const found = vcoprocOf(domain, coproc);
    if (found.kind === 'failed') return found;
    const vcoproc = found.value;
    await this.#of(vcoproc).detach(vcoproc);
    vcoproc.destroy('it was detached');
    const at = domain.vcoprocs.indexOf(vcoproc);
    // Who detaches it twice finds it gone.
    if (at >= 0) domain.vcoprocs.splice(at, 1);
    return ok(undefined);
  }

  /**
   * Resets a vcoproc, whatever it is doing: registers, local memory and queue begin anew, what is outstanding fails,
   * and nobody else notices. Fails for one that is isolated: that takes a new one.
   */
  async reset(domain: Domain, coproc: CoprocId): Promise<Outcome<void>> {
    const found = vcoprocOf(domain, coproc);
    return found.kind === 'failed' ? found : this.#of(found.value).resetVcoproc(found.value, 'reset');
  }

  /** How long each thing that a coprocessor is waited for may take. */
  watchdogs(id: CoprocId): Watchdogs | undefined {
    return this.#coprocs.get(id)?.watchdogs;
  }

  /**
   * Changes watchdogs of a coprocessor, for what is waited for from now on; what is not named stays. A scheduler
   * was promised a stop deadline: with another one it is made anew, and may refuse whom it had admitted. Nothing is
   * changed then.
   */
  watch(id: CoprocId, change: Partial<Watchdogs>): Outcome<void> {
    const found = this.#coproc(id);
    if (found.kind === 'failed') return found;
    const coproc = found.value;
    const before = coproc.watchdogs;
    coproc.watchdogs = { ...before, ...change };
    if (coproc.watchdogs.stopDeadline === before.stopDeadline) return ok(undefined);
    const { name, parameters } = coproc.algorithm;
    const known = new Map([...coproc.members].map((vcoproc) => [vcoproc.name, vcoproc.parameters]));
    const renewed = this.#decideBy(coproc, name, coproc.timeslice, parameters, known);
    if (renewed.kind === 'failed') coproc.watchdogs = before;
    return renewed;
  }

  /** Changes who decides for a coprocessor, and how, while it runs. */
  schedule(id: CoprocId, change: ScheduleChange): Outcome<void> {
    const found = this.#coproc(id);
    if (found.kind === 'failed') return found;
    const coproc = found.value;
    if (change.algorithm !== undefined) {
      const { algorithm: name, timeslice = coproc.timeslice, parameters = {} } = change;
      const used = this.#decideBy(coproc, name, timeslice, parameters, change.vcoprocs);
      if (used.kind === 'failed') return used;
    }
    if (change.timeslice !== undefined) retime(coproc, change.timeslice);
    return ok(undefined);
  }

  /** Changes what a coprocessor's scheduler knows of one domain: weight, cap, period, whatever it has. */
  scheduleDomain(id: CoprocId, domain: Domain, parameters: SchedulerParameters): Outcome<void> {
    const found = vcoprocOf(domain, id);
    return found.kind === 'failed' ? found : changeParameters(this.#of(found.value), found.value, parameters);
  }

  domain(name: string): Domain | undefined {
    return this.#domains.get(domainId(name));
  }

  get coprocs(): Iterable<SharedCoproc> {
    return this.#coprocs.values();
  }

  get vcoprocs(): readonly Vcoproc[] {
    return this.#vcoprocs;
  }

  /**
   * Everything that is needed to go on later, elsewhere. Contexts leave their coprocessors as for any other
   * domain, and go on afterwards unless `goesOn` says otherwise. Fails, with nothing changed, when a domain cannot
   * be saved: the reason names it.
   */
  save(goesOn = true): Promise<Outcome<SavedSystem>> {
    const subject: Parameters<typeof saveSystem>[0] = {
      timeline: this.#parts.runtime.timeline,
      coprocs: [...this.#coprocs.values()],
      domains: () => [...this.#domains.values()].filter(({ state }) => state !== 'destroyed'),
      attaching: () => this.#attaching.size > 0 || this.#releases.size > 0,
      past: () => [
        ...this.#past,
        ...this.#vcoprocs.filter(({ state }) => state === 'gone').map(({ report }) => report),
      ],
      pause: (domain) => this.pauseDomain(domain),
      unpause: (domain) => this.unpauseDomain(domain),
    };
    return saveSystem(subject, goesOn);
  }

  /**
   * Goes on from a saved system, after its coprocessors were added as {@link resumedCoproc} describes them, before its
   * domains are created. Fails for what cannot be gone on from: nothing of use can be created then.
   */
  restore({ coprocs, past }: SavedSystem): Outcome<void> {
    this.#past = past;
    for (const saved of coprocs) {
      const restored = this.#coprocs.get(saved.id)?.restore(saved);
      if (restored?.kind === 'failed') return restored;
    }
    return ok(undefined);
  }

  /** Everything at this instant. */
  figures(): Figures {
    return {
      coprocs: [...this.#coprocs.values()].map((coproc) => coproc.report),
      vcoprocs: [...this.#past, ...this.#vcoprocs.map((vcoproc) => vcoproc.report)],
      domains: [...this.#domains.values()].map((domain) => domain.report),
    };
  }

  /** What each coprocessor does now, whose context it has and how much of its slice is left. */
  occupancy(): Occupancy[] {
    return [...this.#coprocs.values()].map((coproc) => coproc.occupancy);
  }

  /** What a crash dump of a coprocessor would have now, with the context that it holds. */
  dump(id: CoprocId): Outcome<CrashDump> {
    const found = this.#coproc(id);
    if (found.kind === 'failed') return found;
    const coproc = found.value;
    return ok(coproc.dump(coproc.current, 'asked for'));
  }

  /** Ends all coprocessors. Domains must be over. */
  close(): void {
    for (const coproc of this.#coprocs.values()) coproc.close();
  }

  /** Has a new scheduler decide, which is told what holds for the coprocessor now. */
  #decideBy(
    coproc: SharedCoproc,
    name: string,
    timeslice: Duration,
    parameters: SchedulerParameters,
    vcoprocs: ScheduleChange['vcoprocs'],
  ): Outcome<void> {
    const description = { ...coproc.description, ...coproc.watchdogs };
    const created = this.#scheduler(description, name, timeslice, parameters);
    if (created.kind === 'failed') return created;
    const used = useScheduler(coproc, created.value, vcoprocs);
    if (used.kind === 'ok') coproc.algorithm = { name, parameters, timeslice };
    return used;
  }

  #scheduler(
    description: CoprocDescription,
    name: string,
    timeslice: Duration,
    parameters: SchedulerParameters,
  ): Outcome<Scheduler> {
    const { schedulers } = this.#parts;
    const scheduler = schedulers[name];
    if (scheduler === undefined)
      return failed(
        `this build has no scheduler ${name}; ${expectedOneOf(name, Object.keys(schedulers))}${ADD_TO_BUILD}`,
      );
    const created = scheduler.create({
      ...schedulerSettings(description, timeslice, parameters),
      onFault: (what) => this.#coprocs.get(description.id)?.schedulerFailed(what),
    });
    return 'kind' in created ? failed(`${description.id}: ${created.reason}`) : ok(created);
  }

  async #attach(
    domain: Domain,
    id: CoprocId,
    firmwareName: string,
    parameters: SchedulerParameters,
    saved?: SavedVcoproc,
  ): Promise<Outcome<void>> {
    const found = this.#coproc(id);
    if (found.kind === 'failed') return failed(`domain ${domain.name}: ${found.reason}`);
    const coproc = found.value;
    const firmware = this.#parts.firmware(firmwareName);
    if (firmware.kind === 'failed') return failed(`domain ${domain.name}: ${firmware.reason}`);
    const name = vcoprocId(domain.name, id);
    if (this.#attaching.has(name)) return failed(`domain ${domain.name} is being attached to ${id} already`);
    const settings: VcoprocSettings = {
      slot: this.#slots++,
      domain: domain.name,
      coproc: id,
      platform: coproc.platform,
      firmware: firmware.value,
      firmwareName,
      ram: domain.ram,
      timeline: this.#parts.runtime.timeline,
      trace: this.#parts.trace,
      host: coproc,
      awake: () => domain.awake,
      over: () => domain.over,
      ...(domain.settings.description.onFault && { onFault: domain.settings.description.onFault }),
      onOutlawed: (guilty, reason) => this.#outlaw(domain, guilty, reason),
      onGuestError: (error) => domain.crash(error),
    };
    const made = allocated(name, () => new Vcoproc(settings));
    if (made.kind === 'failed') return made;
    const vcoproc = made.value;
    if (saved !== undefined) {
      if (saved.digest !== firmware.value.digest)
        return failed(
          `domain ${domain.name}: firmware ${firmwareName} is not what it was when the system was saved`,
        );
      vcoproc.restore(saved);
      // Nobody loads it ever again: it is there for its domain to be told.
      if (vcoproc.state === 'isolated') return this.#attached(domain, vcoproc);
    }
    const outlawed = this.#outlawed.get(domain);
    this.#attaching.add(name);
    const attached = await coproc.attach(vcoproc, parameters, saved !== undefined);
    this.#attaching.delete(name);
    if (attached.kind === 'failed') return failed(`domain ${domain.name}: ${attached.reason}`);
    if (domain.over) {
      await coproc.detach(vcoproc);
      vcoproc.destroy('its domain is over');
      return failed(`domain ${domain.name} is ${domain.state} since`);
    }
    const since = this.#outlawed.get(domain);
    if (since !== undefined && since !== outlawed) {
      await coproc.detach(vcoproc);
      vcoproc.destroy(DOMAIN_ISOLATED);
      return failed(`domain ${domain.name} is isolated since: ${since.reason}`);
    }
    return this.#attached(domain, vcoproc);
  }

  #attached(domain: Domain, vcoproc: Vcoproc): Outcome<void> {
    domain.vcoprocs.push(vcoproc);
    this.#vcoprocs.push(vcoproc);
    return ok(undefined);
  }

  /** A domain that one of its vcoprocs brought into disrepute loses all of them. */
  #outlaw(domain: Domain, guilty: VcoprocId, what: string): void {
    const reason = `${guilty} was at fault: ${what}`;
    // One that is on its way is no other's to reach: it finds this when it comes.
    this.#outlawed.set(domain, { reason });
    for (const vcoproc of domain.vcoprocs)
      this.#of(vcoproc).isolate(vcoproc, guilty, `${DOMAIN_ISOLATED}: ${reason}`);
  }

  #release(domain: Domain, reason: string): Promise<void> {
    const before = this.#releases.get(domain);
    if (before !== undefined) return before;
    const release = this.#giveBack(domain, reason).finally(() => this.#releases.delete(domain));
    this.#releases.set(domain, release);
    return release;
  }

  /** The coprocessors first: memory is nobody's to take while a coprocessor may still reach it. */
  async #giveBack(domain: Domain, reason: string): Promise<void> {
    await Promise.all(
      // A copy: one may be detached meanwhile.
      [...domain.vcoprocs].map(async (vcoproc) => {
        await this.#of(vcoproc).detach(vcoproc);
        vcoproc.destroy(reason);
      }),
    );
  }

  #of(vcoproc: Vcoproc): SharedCoproc {
    return this.#coprocs.get(vcoproc.id)!;
  }

  #coproc(id: CoprocId): Outcome<SharedCoproc> {
    const coproc = this.#coprocs.get(id);
    return coproc === undefined
      ? failed(`no coprocessor ${id}; ${expectedOneOf(id, this.#coprocs.keys())}`)
      : ok(coproc);
  }
}

function vcoprocOf({ name, vcoprocs }: Domain, coproc: CoprocId): Outcome<Vcoproc> {
  const vcoproc = vcoprocs.find(({ id }) => id === coproc);
  return vcoproc === undefined ? failed(`domain ${name} has no vcoproc on ${coproc}`) : ok(vcoproc);
}
