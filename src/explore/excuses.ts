import { coprocOf } from '../contract/names.ts';
import { isOfWire, type Fault } from '../faults/plan.ts';

/** What the faults of a run, and its hostile guests, excuse: a law that they have nothing to do with holds all the same. */
export class Excuses {
  /** A coprocessor may sleep until the hypervisor looks by itself. */
  bells = false;
  /** Anybody may lose something. */
  #all = false;
  readonly #coprocs = new Set<string>();
  /** Interrupts that faults raised. */
  readonly #strays = new Map<string, number>();

  /** A fault is carried out, or will show soon. */
  onFault(fault: Fault): void {
    const { coproc } = fault as { coproc?: string };
    if (coproc !== undefined) this.disturb(coproc);
    else if ('vcoproc' in fault) this.disturb(coprocOf(fault.vcoproc));
    else if (fault.fault === 'late-timers' || fault.fault === 'fail') this.#all = true;
    if (fault.fault === 'drop-doorbells') this.bells = true;
    else if (fault.fault === 'interrupt-storm') this.#raised(fault.coproc, fault.count);
    else if (fault.fault === 'duplicate-interrupts' && !isOfWire(fault))
      this.#raised(fault.coproc, fault.count);
    else if (fault.fault !== 'duplicate-interrupts' && isOfWire(fault)) this.bells = true;
  }

  disturb(coproc: string): void {
    this.#coprocs.add(coproc);
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
