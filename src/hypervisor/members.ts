import type { VcoprocId } from '../contract/names.ts';
import type { Vcoproc } from './vcoproc.ts';

/** The vcoprocs of one coprocessor, by slot and by name, and those among them that are on their way out. */
export class Members implements Iterable<Vcoproc> {
  readonly #bySlot = new Map<number, Vcoproc>();
  readonly #byName = new Map<VcoprocId, Vcoproc>();
  readonly #detached = new WeakMap<Vcoproc, Promise<void>>();
  readonly #leaving = new Map<Vcoproc, () => void>();

  [Symbol.iterator](): Iterator<Vcoproc> {
    return this.#bySlot.values();
  }

  at(slot: number): Vcoproc | undefined {
    return this.#bySlot.get(slot);
  }

  named(name: VcoprocId): Vcoproc | undefined {
    return this.#byName.get(name);
  }

  has(vcoproc: Vcoproc): boolean {
    return this.#bySlot.has(vcoproc.slot);
  }

  add(vcoproc: Vcoproc): void {
    this.#bySlot.set(vcoproc.slot, vcoproc);
    this.#byName.set(vcoproc.name, vcoproc);
  }

  remove(vcoproc: Vcoproc): void {
    this.#bySlot.delete(vcoproc.slot);
    this.#byName.delete(vcoproc.name);
  }

  /** Detaches a vcoproc, once: whoever asks again waits for the same. */
  detach(vcoproc: Vcoproc, detach: () => Promise<void>): Promise<void> {
    const detached = this.#detached.get(vcoproc) ?? detach();
    this.#detached.set(vcoproc, detached);
    return detached;
  }

  /** Whether it is being detached, or was. */
  detached(vcoproc: Vcoproc): boolean {
    return this.#detached.has(vcoproc);
  }

  /** Whether somebody waits for its context to be out of the coprocessor. */
  awaited(vcoproc: Vcoproc): boolean {
    return this.#leaving.has(vcoproc);
  }

  /** Resolves when its context is out of the coprocessor. */
  gone(vcoproc: Vcoproc): Promise<void> {
    return new Promise((resolve) => this.#leaving.set(vcoproc, resolve));
  }

  /** Its context is not in the coprocessor any more. */
  left(vcoproc: Vcoproc): void {
    const resolve = this.#leaving.get(vcoproc);
    this.#leaving.delete(vcoproc);
    resolve?.();
  }
}
