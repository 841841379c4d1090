import type { TraceEvent } from '../contract/events.ts';
import type { CoprocId, VcoprocId } from '../contract/names.ts';
import type { ChannelMemory } from '../contract/port.ts';
import type { VcoprocReport } from '../contract/report.ts';
import type { Domain } from '../hypervisor/domain.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import { EVENT } from '../memory/channel.ts';
import { RingConsumer } from '../memory/ring.ts';
import { BrokenLawError } from './decisions.ts';

/** Steps between two looks at all figures, which cost more than a step. */
const STEPS_UNSEEN = 32;

const LAW = {
  once: 'every command completes exactly once',
  interrupts: 'interrupts raised = delivered + pending + dropped',
  doorbells: 'a ring that rang is served; no wake-up is lost',
  time: 'running + switching + idle + faulted = wall',
  order: 'the time of one coprocessor never goes back',
} as const;

const broken = (law: keyof typeof LAW, what: string): never => {
  throw new BrokenLawError(LAW[law], what);
};

/** The laws that can be checked while a run goes on. A broken one throws. */
export class StepLaws {
  readonly #commands = new Map<VcoprocId, { submitted: number; completed: number }>();
  readonly #last = new Map<CoprocId, number>();
  readonly #channels = new Map<CoprocId, ChannelMemory>();
  #steps = 0;

  /** A coprocessor was started, with a channel of its own. */
  started(coproc: CoprocId, channel: ChannelMemory): void {
    this.#channels.set(coproc, channel);
  }

  onEvent(event: TraceEvent): void {
    if (event.kind === 'submit') this.#of(event.vcoproc).submitted++;
    else if (event.kind === 'complete') {
      const counts = this.#of(event.vcoproc);
      counts.completed++;
      if (counts.completed > counts.submitted)
        broken('once', `${event.vcoproc} has more completions than commands`);
      if (event.latency < 0)
        broken(
          'order',
          `a command of ${event.vcoproc} completed ${0 - event.latency} ns before it was submitted`,
        );
    } else if (event.kind === 'coproc') {
      const last = this.#last.get(event.coproc) ?? 0;
      if (event.at < last)
        broken('order', `${event.coproc}: ${event.state} at ${event.at} ns comes after ${last} ns`);
      this.#last.set(event.coproc, event.at);
    }
  }

  onStep(hypervisor: Hypervisor, domains: readonly Domain[], forgotten: readonly CoprocId[]): void {
    if (forgotten.length > 0)
      broken('doorbells', `${forgotten.join(', ')} sleeps and has work, and nobody rings`);
    for (const domain of domains) {
      for (const { name, queues } of domain.vcoprocs) {
        const { submitted, completed } = this.#of(name);
        const open = submitted - completed;
        if (open !== queues.outstanding)
          broken('once', `${name}: ${open} commands are open, its queue has ${queues.outstanding}`);
      }
    }
    if (this.#steps++ % STEPS_UNSEEN === 0) this.figures(hypervisor);
  }

  /** The laws on the figures at any moment, with what is on its way. */
  figures(hypervisor: Hypervisor): void {
    const { coprocs, vcoprocs } = hypervisor.figures();
    for (const { id, running, switching, idle, faulted, wall } of coprocs) {
      const total = running + switching + idle + faulted;
      if (total !== wall) broken('time', `${id}: the parts make ${total} ns, the whole ${wall} ns`);
      const had = vcoprocs.reduce((sum, { coproc, time }) => sum + (coproc === id ? time : 0), 0);
      if (had > running) broken('time', `${id}: its vcoprocs had it for ${had} ns, it ran for ${running} ns`);
    }
    const told = new Map([...this.#channels].map(([id, channel]) => [id, interruptsTold(channel)]));
    // Slots are given in the order in which vcoprocs are made.
    vcoprocs.forEach((vcoproc, slot) => this.#interrupts(vcoproc, told.get(vcoproc.coproc)?.get(slot) ?? 0));
  }

  #interrupts({ id, state, interrupts }: VcoprocReport, onTheirWay: number): void {
    if (state === 'isolated' || state === 'gone') return;
    const { raised, delivered, pending, dropped } = interrupts;
    if (raised === delivered + pending + dropped + onTheirWay) return;
    broken(
      'interrupts',
      `${id}: ${raised} raised, ${delivered} delivered, ${pending} pending, ${dropped} dropped, ${onTheirWay} on their way`,
    );
  }

  #of(vcoproc: VcoprocId): { submitted: number; completed: number } {
    let counts = this.#commands.get(vcoproc);
    if (counts === undefined) this.#commands.set(vcoproc, (counts = { submitted: 0, completed: 0 }));
    return counts;
  }
}

/** Interrupts that stand in an event ring and that the hypervisor has not taken, by slot. */
function interruptsTold({ events }: ChannelMemory): Map<number, number> {
  // A second reader of the ring, which takes nothing out.
  const ring = new RingConsumer(events);
  const counts = new Map<number, number>();
  for (let ahead = ring.available() - 1; ahead >= 0; ahead--) {
    const at = ring.peek(ahead);
    if (ring.words[at] !== EVENT.interrupt) continue;
    const slot = ring.words[at + 1]!;
    counts.set(slot, (counts.get(slot) ?? 0) + 1);
  }
  return counts;
}
