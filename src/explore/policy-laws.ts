import { seconds } from '../base/units.ts';
import type { TraceEvent } from '../contract/events.ts';
import { domainOf, type CoprocId, type VcoprocId } from '../contract/names.ts';
import { RECOVERY, type FaultPolicy, type Limit } from '../contract/recovery.ts';
import { BrokenLawError } from './decisions.ts';
import type { BuiltSystem } from './subject.ts';

const LAW = {
  isolated: 'who is isolated never gets the coprocessor again',
  policy: 'who is at fault is dealt with as the policy says',
  service: 'a coprocessor that is out of service stays so',
} as const;

const broken = (law: keyof typeof LAW, what: string): never => {
  throw new BrokenLawError(LAW[law], what);
};

/** No run is as long: within this, all faults count. */
const FOR_EVER = seconds(60);

interface Told {
  readonly policy: FaultPolicy;
  readonly limit: Limit;
  renewals: number;
  isolated: boolean;
  /**
   * It was isolated for what its domain did elsewhere, and may be in its coprocessor or on its way: a switch to it goes
   * to its end and is the last, and it is taken out if it does not leave.
   */
  mayBeThere: boolean;
}

/** What a system says of recovery, held against what becomes of whoever is at fault. A broken law throws. */
export class PolicyLaws {
  readonly #vcoprocs = new Map<VcoprocId, Told>();
  readonly #outOfService = new Set<CoprocId>();
  readonly #outlawed = new Set<string>();

  constructor({ coprocs, domains }: BuiltSystem) {
    for (const { id, recovery } of coprocs)
      for (const { description } of domains) {
        const { onFault, faults } = { ...RECOVERY, ...recovery };
        const told = {
          policy: description.onFault ?? onFault,
          limit: faults,
          renewals: 0,
          isolated: false,
          mayBeThere: false,
        };
        this.#vcoprocs.set(`${description.name}/${id}` as VcoprocId, told);
      }
  }

  /** Whether a domain may have lost every coprocessor, for what it did on one. */
  outlawed(domain: string): boolean {
    return this.#outlawed.has(domain);
  }

  /** Whether there is a coprocessor that takes nobody any more. */
  get outOfService(): boolean {
    return this.#outOfService.size > 0;
  }

  onEvent(event: TraceEvent): void {
    if (event.kind === 'switch') this.#onSwitch(event);
    if (event.kind !== 'recovery') return;
    const { coproc, vcoproc, step } = event;
    if (step === 'out-of-service') this.#outOfService.add(coproc);
    if (step === 'restarted' && this.#outOfService.has(coproc))
      broken('service', `${coproc} is started again`);
    const told = vcoproc === null ? undefined : this.#vcoprocs.get(vcoproc);
    if (told === undefined) return;
    const { policy, limit, isolated, renewals } = told;
    const so = `${String(vcoproc)} is ${step} with policy ${policy}, ${limit.most} faults, after ${renewals} renewals`;
    if (isolated && step !== 'reset-coproc' && !(step === 'reset-vcoproc' && told.mayBeThere))
      broken('isolated', so);
    if (step === 'renewed' && (policy !== 'ban' || (limit.within >= FOR_EVER && renewals + 1 >= limit.most)))
      broken('policy', so);
    if (step === 'banned' && (policy !== 'ban' || renewals + 1 < limit.most)) broken('policy', so);
    if (step === 'renewed') told.renewals++;
    if (step === 'isolated' && policy === 'isolate-domain') this.#outlawed.add(domainOf(vcoproc!));
    told.mayBeThere = step === 'isolated' && event.cause === 'domain';
    told.isolated ||= step === 'banned' || step === 'isolated';
  }

  #onSwitch({ coproc, from, to }: Extract<TraceEvent, { kind: 'switch' }>): void {
    const [left, came] = [from, to].map((name) => (name === null ? undefined : this.#vcoprocs.get(name)));
    if (came?.isolated === true && !came.mayBeThere) broken('isolated', `${to} has ${coproc} again`);
    if (left !== undefined) left.mayBeThere = false;
  }
}
