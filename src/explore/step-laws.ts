import type { TraceEvent } from '../contract/events.ts';
import type { CoprocId, VcoprocId } from '../contract/names.ts';
import type { ChannelMemory } from '../contract/port.ts';
import type { Hypervisor } from '../hypervisor/hypervisor.ts';
import type { Vcoproc } from '../hypervisor/vcoproc.ts';
import { EVENT } from '../memory/channel.ts';
import { RingConsumer } from '../memory/ring.ts';
import type { SimulatedRuntime } from '../runtime/simulated/runtime.ts';
import { BrokenLawError } from './decisions.ts';

const LAW = {
  once: 'every command completes exactly once',
  interrupts: 'interrupts raised = delivered + pending + dropped',
  doorbells: 'a ring that rang is served; no wake-up is lost',
  time: 'running + switching + idle + faulted = wall',
  order: 'the time of one coprocessor never goes back',
} as const;

const NO_QUEUES: readonly number[] = [];

const broken = (law: keyof typeof LAW, what: string): never => {
  throw new BrokenLawError(LAW[law], what);
};

/** The laws that can be checked while a run goes on. A broken one throws. */
export class StepLaws {
  /** Commands of each queue of a vcoproc, by its number, that were submitted and not completed. */
  readonly #open = new Map<VcoprocId, number[]>();
  readonly #last = new Map<CoprocId, number>();
  /** The event ring of each coprocessor, as a second reader sees it. */
  readonly #events = new Map<CoprocId, RingConsumer>();

  /** A coprocessor was started, with a channel of its own. */
  started(coproc: CoprocId, channel: ChannelMemory): void {
    this.#events.set(coproc, new RingConsumer(channel.events));
  }

  onEvent(event: TraceEvent): void {
    if (event.kind === 'submit') this.#count(event.vcoproc, event.queue ?? 0, 1);
    else if (event.kind === 'complete') {
      this.#count(event.vcoproc, event.queue ?? 0, -1);
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

  /**
   * After each event of a run: all that it can have changed, from the counters themselves. Makes no objects: it is asked
   * millions of times.
   */
  onStep(
    hypervisor: Hypervisor,
    { forgotten, stopped, turned }: Pick<SimulatedRuntime, 'forgotten' | 'stopped' | 'turned'>,
    bellsFail: boolean,
  ): void {
    if (forgotten.length > 0 && !bellsFail)
      broken('doorbells', `${forgotten.join(', ')} sleeps and has work, and nobody rings`);
    const { vcoprocs } = hypervisor;
    for (const { id, account } of hypervisor.coprocs) {
      if (turned !== undefined && turned !== id) continue;
      const events = this.#events.get(id)!;
      events.rejoin();
      const told = events.available();
      let had = 0;
      for (const vcoproc of vcoprocs) {
        if (vcoproc.settings.coproc !== id) continue;
        had += vcoproc.time;
        if (turned === undefined) this.#completions(vcoproc);
        const onTheirWay = told > 0 ? interruptsTold(events, told, vcoproc.slot) : 0;
        this.#interrupts(vcoproc, onTheirWay, stopped.includes(id));
      }
      if (turned !== undefined) return;
      const { missing, running } = account;
      if (missing !== 0) broken('time', `${id}: the parts make ${missing} ns less than the whole`);
      if (had > running) broken('time', `${id}: its vcoprocs had it for ${had} ns, it ran for ${running} ns`);
    }
  }

  #completions({ name, queues }: Vcoproc): void {
    const byQueue = this.#open.get(name) ?? NO_QUEUES;
    let open = 0;
    for (const count of byQueue) open += count;
    if (open !== queues.outstanding)
      broken('once', `${name}: ${open} commands are open, its queues have ${queues.outstanding}`);
    // The default queue alone has all of them. Nor has a queue that was never counted any: the sums would differ.
    if (queues.size === 1) return;
    for (let number = 0; number < byQueue.length; number++) {
      const count = byQueue[number]!;
      const outstanding = queues.outstandingIn(number);
      if (count !== outstanding)
        broken('once', `${name}: ${count} commands of queue ${number} are open, it has ${outstanding}`);
    }
  }

  /** One that `stopped` had shown some of them to nobody: they are dropped as soon as it is known to be gone. */
  #interrupts(vcoproc: Vcoproc, onTheirWay: number, stopped: boolean): void {
    const { state, name } = vcoproc;
    if (state === 'isolated' || state === 'gone') return;
    const { raised, delivered, pending, dropped } = vcoproc.interrupts;
    const missing = raised - (delivered + pending + dropped + onTheirWay);
    if (missing === 0 || (missing > 0 && stopped)) return;
    broken(
      'interrupts',
      `${name}: ${raised} raised, ${delivered} delivered, ${pending} pending, ${dropped} dropped, ${onTheirWay} on their way`,
    );
  }

  #count(vcoproc: VcoprocId, queue: number, change: 1 | -1): void {
    let byQueue = this.#open.get(vcoproc);
    if (byQueue === undefined) this.#open.set(vcoproc, (byQueue = []));
    while (byQueue.length <= queue) byQueue.push(0);
    const open = (byQueue[queue]! += change);
    if (open < 0) broken('once', `${vcoproc}: a command of queue ${queue} completed that was not open`);
  }
}

/** Interrupts of a context among the first `told` that stand in an event ring and that the hypervisor has not taken. */
function interruptsTold(events: RingConsumer, told: number, slot: number): number {
  const { words } = events;
  let count = 0;
  for (let ahead = 0; ahead < told; ahead++) {
    const at = events.peek(ahead);
    if (words[at] === EVENT.interrupt && words[at + 1] === slot) count += words[at + 5]!;
  }
  return count;
}

/** What goes on in other queues goes on in a context that begins anew. */
export const losesContexts = (event: TraceEvent): event is TraceEvent & { readonly coproc: CoprocId } =>
  (event.kind === 'fault' && event.reset) || (event.kind === 'recovery' && event.step === 'renewed');
