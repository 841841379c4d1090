import { between, seconds, showDuration, type Instant } from '../base/units.ts';
import type { TraceEvent } from '../contract/events.ts';
import { domainOf, type DomainId, type VcoprocId } from '../contract/names.ts';
import { DOMAIN_ISOLATED, RECOVERY, type FaultPolicy } from '../contract/recovery.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { BrokenLawError } from './decisions.ts';
import type { BuiltSystem } from './subject.ts';

const LAW = 'a domain is isolated as a whole, and nobody else with it';

const broken = (what: string): never => {
  throw new BrokenLawError(LAW, what);
};

/** Past every deadline of a small system, one after the other, with its coprocessor started anew. */
const LEAVES = seconds(1);

/** What becomes of all the shares of a domain when its policy isolates it for one of them. A broken law throws. */
export class IsolationLaws {
  readonly #policies = new Map<VcoprocId, FaultPolicy>();
  readonly #shares = new Map<DomainId, VcoprocId[]>();
  readonly #isolated = new Map<VcoprocId, Instant>();
  readonly #gone = new Set<VcoprocId>();
  /** Shares that have to be isolated before anything else happens, and for whom. */
  readonly #due = new Map<VcoprocId, VcoprocId>();
  /** Shares that heard with a command that they are isolated. */
  readonly #told = new Set<VcoprocId>();

  constructor({ coprocs, domains }: BuiltSystem) {
    for (const { description } of domains) {
      const shares = description.coprocs.map(({ coproc }) => `${description.name}/${coproc}` as VcoprocId);
      this.#shares.set(description.name, shares);
      for (const [at, share] of shares.entries()) {
        const coproc = coprocs.find(({ id }) => id === description.coprocs[at]!.coproc);
        this.#policies.set(share, description.onFault ?? coproc?.recovery?.onFault ?? RECOVERY.onFault);
      }
    }
  }

  onEvent(event: TraceEvent): void {
    if (event.kind === 'complete') this.#onComplete(event);
    else if (event.kind === 'vcoproc' && event.state === 'gone') {
      this.#gone.add(event.vcoproc);
      this.#due.delete(event.vcoproc);
    } else if (event.kind === 'recovery' && (event.step === 'isolated' || event.step === 'banned'))
      if (event.vcoproc !== null) this.#onIsolated(event.vcoproc, event);
  }

  #onIsolated(
    vcoproc: VcoprocId,
    { at, cause, guilty }: Pick<TraceEvent & { readonly kind: 'recovery' }, 'at' | 'cause' | 'guilty'>,
  ): void {
    this.#isolated.set(vcoproc, at);
    this.#due.delete(vcoproc);
    if (guilty !== undefined) {
      const policy = this.#policies.get(guilty);
      const justly = domainOf(guilty) === domainOf(vcoproc) && this.#isolated.has(guilty);
      if (!justly || policy !== 'isolate-domain')
        broken(`${vcoproc} is isolated for ${guilty}, whose policy is ${policy}`);
    } else if (cause !== 'unfit' && this.#policies.get(vcoproc) === 'isolate-domain') {
      for (const other of this.#shares.get(domainOf(vcoproc)) ?? [])
        if (!this.#isolated.has(other) && !this.#gone.has(other)) this.#due.set(other, vcoproc);
    }
  }

  #onComplete({ vcoproc, status, reason }: TraceEvent & { readonly kind: 'complete' }): void {
    if (reason?.startsWith(DOMAIN_ISOLATED) === true) this.#told.add(vcoproc);
    if (!this.#isolated.has(vcoproc)) return;
    if (status === 'ok') broken(`a command of ${vcoproc}, which is isolated, is ok`);
    if (reason === null) broken(`a command of ${vcoproc}, which is isolated, is ${status} for no reason`);
  }

  onStep(hypervisor: Hypervisor, now: Instant): void {
    for (const [share, guilty] of this.#due) broken(`${share} goes on, though ${guilty} was at fault`);
    if (this.#isolated.size === 0 && this.#told.size === 0) return;
    for (const share of this.#told)
      if (!this.#isolated.has(share)) broken(`${share} was told that it is isolated, and is not`);
    for (const { name, queues } of hypervisor.vcoprocs)
      if (this.#isolated.has(name) && queues.outstanding > 0)
        broken(`${queues.outstanding} commands of ${name}, which is isolated, have not ended`);
    for (const { id, current } of hypervisor.coprocs) {
      const since = current === undefined ? undefined : this.#isolated.get(current.name);
      if (since !== undefined && between(since, now) > LEAVES)
        broken(`${current!.name} is isolated, and has ${id} for ${showDuration(between(since, now))} still`);
    }
  }
}
