import { failed, ok, type Outcome } from '../base/outcome.ts';
import { after, seconds, showDuration, sum } from '../base/units.ts';
import type { VcoprocId } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type { Runtime } from '../contract/port.ts';
import type { Limit, Watchdogs } from '../contract/recovery.ts';
import type { CoprocDescription } from '../contract/system.ts';
import { allocated } from './allocated.ts';
import { Link, type LinkListener } from './link.ts';
import type { Members } from './members.ts';
import type { SavedCoproc } from './saved.ts';
import { Tally } from './tally.ts';
import type { Vcoproc } from './vcoproc.ts';

/** Room for a thread to start on a busy machine, and for the firmware's start function, which is all else that takes long. */
const ATTACH_DEADLINE = seconds(10);
/** A context is attached again so often when its coprocessor went down for another's fault. */
const ATTACH_ATTEMPTS = 3;

/** What a supervisor asks of the coprocessor that it keeps alive, and tells it. */
export interface Supervised extends Pick<LinkListener, 'onEvent' | 'onDrained' | 'onSilence'> {
  readonly description: CoprocDescription;
  readonly platform: Platform;
  readonly runtime: Runtime;
  watchdogs(): Watchdogs;
  readonly restarts: Limit;
  /** The vcoprocs that its successor has to know. */
  readonly vcoprocs: Members;
  /** Whose context is in it. */
  current(): Vcoproc | undefined;
  /** It is of no use from now on. */
  onDown(): void;
  /** Its end is this one's fault. */
  condemn(guilty: Vcoproc, reason: string): void;
  /** It is gone, and said nothing that was not heard. `expected`: it was ended for somebody's fault. */
  onGone(reason: string, expected: boolean): void;
  /** Its successor is there and knows every context. */
  onUp(): void;
  /** It will not be started again. */
  onRetired(why: string): void;
  /** This one never gets it again: it did not even get so far that it could be asked to leave. */
  outlaw(guilty: Vcoproc, reason: string): void;
  /** The successor cannot have this context. */
  refuse(vcoproc: Vcoproc, reason: string): void;
}

/**
 * Keeps one coprocessor alive: starts it, ends it when somebody is to blame, and when it is gone,
 * however that came, starts its successor and attaches every context again. A coprocessor that dies again and
 * again, and for nobody's fault, is given up.
 */
export class Supervisor {
  readonly #coproc: Supervised;
  /** Unexplained deaths, and who was on the coprocessor or came to it at each. */
  readonly #deaths = new Tally<VcoprocId | null>();
  #link: Link;
  /** Not there: it died or is being ended, until every context is attached to its successor. */
  #down = false;
  /** It is being ended for somebody's fault. */
  #explained = false;
  /** The context that is being made known to it. */
  #comes: Vcoproc | undefined;
  /** The last one that was begun. */
  #restart: Promise<void> | undefined;
  #closed = false;
  #retired: string | undefined;

  constructor(coproc: Supervised) {
    this.#coproc = coproc;
    this.#link = this.#start();
  }

  get link(): Link {
    return this.#link;
  }

  /** Whether nothing can be asked of the coprocessor now. */
  get down(): boolean {
    return this.#down || this.#closed;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Why it is not started any more. */
  get retired(): string | undefined {
    return this.#retired;
  }

  /** Makes a context known, to the successor if need be. */
  async attach(vcoproc: Vcoproc): Promise<Outcome<void>> {
    let link = this.#link;
    let attached = await this.#attach(vcoproc);
    for (let attempt = 1; attempt < ATTACH_ATTEMPTS; attempt++) {
      if (attached.kind === 'ok' || link === this.#link || vcoproc.state === 'isolated') break;
      // Its successor is told of every member. Told of one twice it would answer for queues that it has forgotten.
      if (this.#coproc.vcoprocs.has(vcoproc)) return this.#restarted();
      link = this.#link;
      attached = await this.#attach(vcoproc);
    }
    return attached;
  }

  /** Resolves when a successor is there, or there will be none. */
  async #restarted(): Promise<Outcome<void>> {
    for (let awaited: Promise<void> | undefined; awaited !== this.#restart; await awaited)
      awaited = this.#restart;
    return ok(undefined);
  }

  async detach(vcoproc: Vcoproc): Promise<void> {
    // Also while it is down: the successor may know the context already.
    await this.#link.detach(vcoproc.slot);
  }

  /** Ends the coprocessor and blames whoever had it. */
  reset(guilty: Vcoproc, reason: string): void {
    if (this.#down) return;
    this.#goDown();
    this.#coproc.condemn(guilty, reason);
    this.#kill(reason);
  }

  /** Ends a coprocessor that holds nobody's context and does not answer: nobody is to blame. */
  silent(reason: string): void {
    if (!this.#down) this.#link.kill(reason);
  }

  get deaths(): SavedCoproc['deaths'] {
    return this.#deaths.entries;
  }

  /** Goes on from what was saved. One that was out of service then stays so. */
  restore({ deaths, report }: SavedCoproc): void {
    this.#deaths.restore(deaths);
    if (report.outOfService === null) return;
    this.#down = true;
    this.#retired = report.outOfService;
    this.#link.close(report.outOfService);
  }

  /** Ends it for good. */
  close(): void {
    this.#closed = true;
    this.#link.close('the run is over');
  }

  #kill(reason: string): void {
    this.#explained = true;
    this.#link.kill(reason);
  }

  #goDown(): void {
    if (this.#down) return;
    this.#down = true;
    this.#coproc.onDown();
  }

  async #onExit(reason: string): Promise<void> {
    const explained = this.#explained;
    this.#explained = false;
    const suspect = this.#coproc.current() ?? this.#comes;
    this.#goDown();
    this.#coproc.onGone(reason, explained);
    if (!explained && !this.#mayRestart(reason, suspect)) return;
    const started = allocated('its successor', () => this.#start());
    if (started.kind === 'failed') {
      this.#retire(`${reason}, and ${started.reason}`);
      return;
    }
    const link = started.value;
    this.#link = link;
    for (const vcoproc of this.#coproc.vcoprocs) {
      if (vcoproc.state === 'isolated') continue;
      const attached = await this.#attach(vcoproc);
      // It died again meanwhile: whoever heard of that goes on from here.
      if (link !== this.#link || this.#closed || this.#retired !== undefined) return;
      if (attached.kind === 'failed') this.#coproc.refuse(vcoproc, attached.reason);
      else if (!this.#coproc.vcoprocs.has(vcoproc)) await link.detach(vcoproc.slot);
    }
    this.#down = false;
    this.#coproc.onUp();
  }

  /** Whether it died for no reason so rarely that it is worth a successor. */
  #mayRestart(reason: string, suspect: Vcoproc | undefined): boolean {
    const { restarts, runtime } = this.#coproc;
    const deaths = this.#deaths.add(runtime.timeline.now(), suspect?.name ?? null, restarts);
    if (deaths <= restarts.most) return true;
    const often = `${deaths} deaths in ${showDuration(restarts.within)}`;
    if (
      deaths > 1 &&
      suspect !== undefined &&
      this.#deaths.entries.every(({ note }) => note === suspect.name)
    ) {
      // Whatever it is that this one does: without it the others have a coprocessor.
      this.#deaths.restore([]);
      this.#coproc.outlaw(suspect, `was there at each of ${often} of its coprocessor`);
      return true;
    }
    this.#retire(`${often}, the last: ${reason}`);
    return false;
  }

  #retire(why: string): void {
    this.#retired = why;
    this.#coproc.onRetired(why);
  }

  async #attach(vcoproc: Vcoproc): Promise<Outcome<void>> {
    if (this.#retired !== undefined)
      return failed(`${this.#coproc.description.id} is out of service: ${this.#retired}`);
    const link = this.#link;
    const { description, runtime } = this.#coproc;
    const patience = sum(ATTACH_DEADLINE, sum(description.timeslice, this.#coproc.watchdogs().stopDeadline));
    const cancel = runtime.timeline.at(after(runtime.timeline.now(), patience), () => {
      if (link !== this.#link) return;
      this.#goDown();
      this.#coproc.outlaw(vcoproc, 'did not return from its start function');
      this.#kill('did not return from its start function');
    });
    this.#comes = vcoproc;
    try {
      vcoproc.queues.attaching();
      const attached = await link.attach(vcoproc.context);
      if (attached.kind === 'ok') vcoproc.queues.attached();
      return attached;
    } finally {
      if (this.#comes === vcoproc) this.#comes = undefined;
      cancel();
    }
  }

  #start(): Link {
    const { description, platform, runtime } = this.#coproc;
    const stepLimit = sum(description.timeslice, this.#coproc.watchdogs().stopDeadline);
    const spec = {
      id: description.id,
      localMemory: description.localMemory,
      clock: description.clock,
      ...description.costs,
      verifiesMemory: description.verifiesMemory === true,
      stepLimit,
      lead: runtime.lead,
    };
    return new Link(
      (channel, listener) => runtime.startCoprocessor({ ...spec, channel }, platform, listener),
      {
        onEvent: (words, at) => this.#coproc.onEvent(words, at),
        onDrained: () => this.#coproc.onDrained(),
        onSilence: () => this.#coproc.onSilence(),
        onExit: (reason) => void (this.#restart = this.#onExit(reason)),
      },
      runtime.timeline,
      () => this.#coproc.watchdogs().heartbeat ?? stepLimit,
      runtime.memory,
    );
  }
}
