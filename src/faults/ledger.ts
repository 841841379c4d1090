import { between, showDuration, type Duration, type Instant } from '../base/units.ts';
import type { TraceEvent } from '../contract/events.ts';
import { coprocOf, domainOf } from '../contract/names.ts';
import type { FaultReport } from '../contract/report.ts';
import { showFault, type Fault } from './plan.ts';

/** What a coprocessor or a hypervisor turned away, in its own words. */
const REFUSED = /^(context refused|IOMMU fault|its command queue)/;
/** A firmware that says no is no fault of anybody. */
const OWN_AFFAIR = /^firmware error/;

/** What became of one fault of a plan. */
export class Fate {
  readonly fault: Fault;
  /** Its place in the plan, from 0. */
  readonly number: number;
  #times = 0;
  #at: Instant | undefined;
  /** Why somebody was told no. */
  #refused: string | undefined;
  /** Who lost what, and how often, in the order in which it came. */
  readonly #losses = new Map<string, number>();
  #downAt: Instant | undefined;
  #back: Duration | undefined;

  constructor(fault: Fault, number: number) {
    this.fault = fault;
    this.number = number;
  }

  /** It happened. */
  happened(at: Instant): void {
    this.#times++;
    this.#at ??= at;
  }

  /** It was about to happen, and could not. */
  undo(): void {
    this.#times = 0;
    this.#at = undefined;
  }

  /** The call that failed was refused: whoever asked was told. */
  refuse(why: string): void {
    this.#refused ??= why;
  }

  /** When it happened first, if it has. */
  get at(): Instant | undefined {
    return this.#at;
  }

  concerns(coproc: string | undefined, domain: string | undefined): boolean {
    const { fault } = this;
    if ('vcoproc' in fault) return fault.vcoproc.endsWith(`/${coproc}`);
    if ('coproc' in fault && fault.coproc !== undefined) return fault.coproc === coproc;
    if ('domain' in fault && fault.domain !== undefined) return fault.domain === domain;
    return true;
  }

  onEvent(event: TraceEvent): void {
    if (event.kind === 'fault') {
      if (REFUSED.test(event.what)) this.refuse(event.what);
      else if (event.vcoproc !== null) this.#lost(`${event.vcoproc}: ${event.what}`);
    } else if (event.kind === 'complete' && event.status !== 'ok') {
      if (!OWN_AFFAIR.test(event.reason ?? ''))
        this.#lost(`${event.vcoproc}: command ${event.status}, ${event.reason}`);
    } else if (event.kind === 'domain' && event.reason !== null)
      this.#lost(`${event.domain}: ${event.state}, ${event.reason}`);
    else if (event.kind === 'domain' && event.state === 'destroyed') this.#lost(`${event.domain}: destroyed`);
    else if (event.kind === 'coproc') this.#onState(event.state === 'faulted', event.at);
  }

  #onState(down: boolean, at: Instant): void {
    if (down) this.#downAt ??= at;
    else if (this.#downAt !== undefined) this.#back ??= between(this.#downAt, at);
  }

  #lost(what: string): void {
    this.#losses.set(what, (this.#losses.get(what) ?? 0) + 1);
  }

  get report(): FaultReport {
    const fault = showFault(this.fault);
    const kind = this.fault.fault;
    if (this.#at === undefined)
      return { kind, fault, times: 0, at: null, became: 'never happened', detail: '' };
    const [first] = this.#losses;
    const more = this.#losses.size > 1 ? `, and ${this.#losses.size - 1} more` : '';
    const losses =
      first === undefined ? [] : [`${first[0]}${first[1] > 1 ? ` (${first[1]} times)` : ''}${more}`];
    const refused = this.#refused === undefined ? [] : [this.#refused];
    const back = this.#back === undefined ? [] : [`back after ${showDuration(this.#back)}`];
    const parts = [...refused, ...(refused.length > 0 ? [] : losses), ...back];
    const became = refused.length > 0 ? 'refused' : losses.length > 0 ? 'reported' : 'recovered';
    return {
      kind,
      fault,
      times: this.#times,
      at: this.#at,
      became,
      detail: parts.length === 0 ? 'nobody lost anything' : parts.join('; '),
    };
  }
}

/** Follows a run and says what became of each fault: what is lost counts for the one that happened last there. */
export class Ledger {
  readonly #fates: Fate[] = [];

  add(fault: Fault): Fate {
    const fate = new Fate(fault, this.#fates.length);
    this.#fates.push(fate);
    return fate;
  }

  onEvent(event: TraceEvent): void {
    let latest: Fate | undefined;
    let place: Place | undefined;
    for (const fate of this.#fates) {
      if (fate.at === undefined) continue;
      const [coproc, domain] = (place ??= placeOf(event));
      if (!fate.concerns(coproc, domain)) continue;
      if (latest === undefined || fate.at >= latest.at!) latest = fate;
    }
    latest?.onEvent(event);
  }

  get reports(): FaultReport[] {
    return this.#fates.map(({ report }) => report);
  }
}

/** The coprocessor and the domain that an event is about. */
type Place = readonly [coproc: string | undefined, domain: string | undefined];

function placeOf(event: TraceEvent): Place {
  const vcoproc = 'vcoproc' in event ? event.vcoproc : null;
  if (vcoproc === null)
    return ['coproc' in event ? event.coproc : undefined, 'domain' in event ? event.domain : undefined];
  return ['coproc' in event ? event.coproc : coprocOf(vcoproc), domainOf(vcoproc)];
}
