import type { TraceEvent } from '../contract/events.ts';
import type { CoprocState, VcoprocState } from '../contract/states.ts';

/** Whoever reads that every law holds has to know of it. */
export const CUT_OFF = 'a domain is ended before it was through';

/**
 * Notes the interesting situations of a run: what happened in which state. A campaign that never saw
 * "work comes while asked to sleep" says nothing about it.
 */
export class Marks {
  readonly counts = new Map<string, number>();
  readonly #coprocs = new Map<string, CoprocState>();
  readonly #vcoprocs = new Map<string, VcoprocState>();

  note(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  /** How far a coprocessor was, as far as the hypervisor has heard. */
  coproc(id: string): CoprocState {
    return this.#coprocs.get(id) ?? 'idle';
  }

  onEvent(event: TraceEvent): void {
    switch (event.kind) {
      case 'coproc': {
        const before = this.coproc(event.coproc);
        if (before === 'denySwitch') this.note(`a switch was denied, then ${event.state}`);
        if (event.state === 'faulted') this.note(`a coprocessor goes down while ${before}`);
        if (event.state === 'loading' && before === 'idle')
          this.note('a context comes to an empty coprocessor');
        this.#coprocs.set(event.coproc, event.state);
        return;
      }
      case 'vcoproc': {
        const before = this.#vcoprocs.get(event.vcoproc) ?? 'sleeping';
        if (before === 'askedToSleep' || event.state === 'gone' || event.state === 'isolated')
          this.note(`a vcoproc is ${event.state} after ${before}`);
        this.#vcoprocs.set(event.vcoproc, event.state);
        return;
      }
      case 'domain':
        if (event.state === 'paused' || event.state === 'destroyed' || event.state === 'crashed') {
          for (const [name, state] of this.#vcoprocs)
            if (name.startsWith(`${event.domain}/`))
              this.note(`a domain is ${event.state} while its vcoproc is ${state}`);
        }
        return;
      case 'submit':
        this.note(`work comes while ${this.#vcoprocs.get(event.vcoproc) ?? 'sleeping'}`);
        return;
      case 'interrupt':
        this.note(`an interrupt comes while ${this.#vcoprocs.get(event.vcoproc) ?? 'sleeping'}`);
        return;
      case 'complete':
        if (event.status !== 'ok')
          this.note(`a command ${event.status} while ${this.#vcoprocs.get(event.vcoproc) ?? 'sleeping'}`);
        return;
      case 'fault':
        this.note(`fault: ${event.what.replace(/[0-9].*/, '\u2026')}`);
        return;
      case 'recovery':
        this.note(`recovery: ${event.step}`);
        return;
      case 'denied':
        this.note('a switch is denied');
        return;
      case 'switch':
        if (event.from === null && event.to === null) this.note('a switch from nobody to nobody');
        return;
      case 'dump':
      case 'log':
        return;
      default:
        event satisfies never;
    }
  }
}
