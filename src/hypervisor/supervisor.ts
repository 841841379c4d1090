import type { Outcome } from '../base/outcome.ts';
import { after, seconds, sum } from '../base/units.ts';
import type { Platform } from '../contract/platform.ts';
import type { Runtime } from '../contract/port.ts';
import type { CoprocDescription } from '../contract/system.ts';
import { Link, type LinkListener } from './link.ts';
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
  /** The vcoprocs that its successor has to know. */
  readonly vcoprocs: Iterable<Vcoproc>;
  has(vcoproc: Vcoproc): boolean;
  /** It is of no use from now on. */
  onDown(): void;
  /** It is gone, and said nothing that was not heard. `expected`: it was ended on purpose. */
  onGone(reason: string, expected: boolean): void;
  /** Its successor is there and knows every context. */
  onUp(): void;
  /** Blamed for the coprocessor's end. */
  isolate(guilty: Vcoproc, reason: string): void;
  /** The successor cannot have this context. */
  refuse(vcoproc: Vcoproc, reason: string): void;
}

/**
 * Keeps one coprocessor alive: starts it, ends it when somebody is to blame, and when it is gone,
 * however that came, starts its successor and attaches every context again.
 */
export class Supervisor {
  readonly #coproc: Supervised;
  #link: Link;
  /** Not there: it died or is being ended, until every context is attached to its successor. */
  #down = false;
  #closed = false;

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

  /** Makes a context known, to the successor if need be. */
  async attach(vcoproc: Vcoproc): Promise<Outcome<void>> {
    let link = this.#link;
    let attached = await this.#attach(vcoproc);
    for (let attempt = 1; attempt < ATTACH_ATTEMPTS; attempt++) {
      if (attached.kind === 'ok' || link === this.#link || vcoproc.state === 'isolated') break;
      link = this.#link;
      attached = await this.#attach(vcoproc);
    }
    return attached;
  }

  async detach(vcoproc: Vcoproc): Promise<void> {
    // Also while it is down: the successor may know the context already.
    await this.#link.detach(vcoproc.slot);
  }

  /** Ends the coprocessor and blames whoever had it. */
  reset(guilty: Vcoproc, reason: string): void {
    if (!this.#down) this.#giveUp(guilty, reason);
  }

  /** Ends a coprocessor that holds nobody's context and does not answer: nobody is to blame. */
  silent(reason: string): void {
    if (!this.#down) this.#link.kill(reason);
  }

  /** Ends it for good. */
  close(): void {
    this.#closed = true;
    this.#link.close('the run is over');
  }

  #giveUp(guilty: Vcoproc, reason: string): void {
    this.#goDown();
    this.#coproc.isolate(guilty, reason);
    this.#link.kill(reason);
  }

  #goDown(): void {
    if (this.#down) return;
    this.#down = true;
    this.#coproc.onDown();
  }

  async #onExit(reason: string): Promise<void> {
    const expected = this.#down;
    this.#goDown();
    this.#coproc.onGone(reason, expected);
    const link = this.#start();
    this.#link = link;
    for (const vcoproc of this.#coproc.vcoprocs) {
      if (vcoproc.state === 'isolated') continue;
      const attached = await this.#attach(vcoproc);
      // It died again meanwhile: whoever heard of that goes on from here.
      if (link !== this.#link || this.#closed) return;
      if (attached.kind === 'failed') this.#coproc.refuse(vcoproc, attached.reason);
      else if (!this.#coproc.has(vcoproc)) await link.detach(vcoproc.slot);
    }
    this.#down = false;
    this.#coproc.onUp();
  }

  async #attach(vcoproc: Vcoproc): Promise<Outcome<void>> {
    const link = this.#link;
    const { description, runtime } = this.#coproc;
    const patience = sum(ATTACH_DEADLINE, sum(description.timeslice, description.stopDeadline));
    const cancel = runtime.timeline.at(after(runtime.timeline.now(), patience), () => {
      if (link === this.#link) this.#giveUp(vcoproc, 'did not return from its start function');
    });
    try {
      vcoproc.queues.attaching();
      const attached = await link.attach(vcoproc.context);
      if (attached.kind === 'ok') vcoproc.queues.attached();
      return attached;
    } finally {
      cancel();
    }
  }

  #start(): Link {
    const { description, platform, runtime } = this.#coproc;
    const spec = {
      id: description.id,
      localMemory: description.localMemory,
      clock: description.clock,
      ...description.costs,
      verifiesMemory: description.verifiesMemory === true,
      stepLimit: sum(description.timeslice, description.stopDeadline),
    };
    return new Link(
      (channel, listener) => runtime.startCoprocessor({ ...spec, channel }, platform, listener),
      {
        onEvent: (words, at) => this.#coproc.onEvent(words, at),
        onDrained: () => this.#coproc.onDrained(),
        onSilence: () => this.#coproc.onSilence(),
        onExit: (reason) => void this.#onExit(reason),
      },
      runtime.timeline,
      spec.stepLimit,
      runtime.memory,
    );
  }
}
