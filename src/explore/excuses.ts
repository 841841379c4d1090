import { coprocOf } from '../contract/names.ts';
import type { Domain } from '../hypervisor/domain.ts';
import { isOfWire, type Fault } from '../faults/plan.ts';

/** Faults that take time and nothing else. */
const TAKES_TIME: ReadonlySet<string> = new Set(['stall', 'slow', 'deny-switches', 'late-timers']);

/** What the faults of a run, and its hostile guests, excuse: a law that they have nothing to do with holds all the same. */
export class Excuses {
  /** A coprocessor may sleep until the hypervisor looks by itself. */
  bells = false;
  /** Anybody may lose something. */
  #all = false;
  readonly #coprocs = new Set<string>();
  /** Coprocessors to which more was done than to take their time, or `true`: all of them. */
  #beyond: Set<string> | true = new Set<string>();
  /** Interrupts that faults raised. */
  readonly #strays = new Map<string, number>();

  /** A fault is carried out, or will show soon. */
  onFault(fault: Fault): void {
    const { coproc } = fault as { coproc?: string };
    const whose = coproc ?? ('vcoproc' in fault ? coprocOf(fault.vcoproc) : undefined);
    if (TAKES_TIME.has(fault.fault)) {
      if (whose === undefined) this.#all = true;
      else this.#coprocs.add(whose);
    } else if (whose !== undefined) this.disturb(whose);
    else if (fault.fault === 'fail') this.#all = this.#beyond = true;
    if (fault.fault === 'drop-doorbells') this.bells = true;
    else if (fault.fault === 'interrupt-storm') this.#raised(fault.coproc, fault.count);
    else if (fault.fault === 'duplicate-interrupts' && !isOfWire(fault))
      this.#raised(fault.coproc, fault.count);
    else if (fault.fault !== 'duplicate-interrupts' && isOfWire(fault)) this.bells = true;
  }

  disturb(coproc: string): void {
    this.#coprocs.add(coproc);
    if (this.#beyond !== true) this.#beyond.add(coproc);
  }

  /** Whether its results may be others: not where it was only made late, and has lost no context and no command. */
  spoilt({ state, vcoprocs }: Domain, losses: (coproc: string) => number): boolean {
    const beyond = this.#beyond;
    if (state !== 'finished' || beyond === true) return true;
    return vcoprocs.some(
      ({ id, queues: { counts } }) => beyond.has(id) || losses(id) + counts.failed + counts.cancelled > 0,
    );
  }

  /** Whether anything was done at all. */
  get any(): boolean {
    return this.#all || this.#coprocs.size > 0;
  }

  /** Whether commands may fail there. */
  disturbed(coproc: string): boolean {
    return this.#all || this.#coprocs.has(coproc);
  }

  /** Interrupts that came of no command, at most. */
  strays(coproc: string): number {
    return this.#strays.get(coproc) ?? 0;
  }

  #raised(coproc: string, count: number): void {
    this.#strays.set(coproc, this.strays(coproc) + count);
  }
}
