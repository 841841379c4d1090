import { ns, us, ms, type Duration } from '../base/units.ts';
import {
  GuestError,
  HIGHEST_PRIORITY,
  type Completion,
  type GuestBuffer,
  type GuestCoproc,
  type GuestDomain,
  type GuestQueue,
  type QueueSettings,
} from '../contract/guest.ts';
import type { CoprocId } from '../contract/names.ts';
import type { Oracle } from '../contract/oracle.ts';
import type { RunView } from './subject.ts';

export type GuestFirmware = 'noop' | 'pattern' | 'spin' | 'stream';

export interface RandomGuest {
  readonly domain: GuestDomain;
  readonly coproc: CoprocId;
  readonly firmware: GuestFirmware;
  readonly oracle: Oracle;
  readonly run: RunView;
  /** Offsets of registers that are plain storage of whoever has the context. */
  readonly scratch: readonly number[];
  /** Whether it may do what gets it isolated. */
  readonly hostile: boolean;
}

/** Actions of one guest at most. */
const MOST_ACTIONS = 24;
const SLEEPS: readonly Duration[] = [us(10), ns(1), us(100), us(700), ms(3)];

/** Longer than a command takes, and shorter than a stop deadline. */
const POLITE_US = 700;

const LAW = {
  commands: 'a command gives what its firmware makes of it',
  kept: 'a context keeps what was put into it',
  registers: 'a register reads as it was written',
  guilty: 'only the guilty pay',
  interrupts: 'no interrupt comes that was not raised',
  order: 'the commands of a queue complete in order',
} as const;

/** A guest that does what the oracle says, and knows what has to come of it. */
export async function randomGuest(guest: RandomGuest): Promise<void> {
  const { oracle, domain, coproc } = guest;
  const prefix = `guest/${domain.name}/${coproc}`;
  const actions = oracle.choose(`${prefix}/actions`, MOST_ACTIONS);
  const state = new GuestState(guest);
  const together: Promise<void>[] = [];
  for (let number = 0; number < actions; number++) {
    const point = `${prefix}/${number}`;
    const draw = (options: number): number => oracle.choose(point, options);
    const action = draw(9);
    // The undisturbed guest does nothing: what is left of a shrunken run is what matters.
    if (action === 0) continue;
    if (action === 1) await domain.sleep(SLEEPS[draw(SLEEPS.length)]!);
    else if (action === 2) state.register(draw);
    else if (action === 3) await state.memory(draw);
    else if (action === 4) together.push(state.work(draw));
    else if (action === 8) together.push(state.queue(draw));
    else await state.work(draw);
    if (state.over) break;
  }
  await Promise.all(together);
  await state.verify();
}

type Draw = (options: number) => number;

/** Queues of a guest at a time, beside the default one. */
const MOST_QUEUES = 4;

/** A queue, and how many commands it was given and has completed. */
interface Lane {
  readonly queue: Pick<GuestQueue, 'submit'>;
  sent: number;
  heard: number;
}

/** What local memory was last told to be filled with, how many contexts had been lost then, and whether it is. */
interface Fill {
  readonly seed: number;
  readonly losses: number;
  done: boolean;
}

/** What a guest expects of its share of a coprocessor. */
class GuestState {
  over = false;
  readonly #guest: RandomGuest;
  readonly #coproc: GuestCoproc;
  readonly #scratch = new Map<number, number>();
  #scratchLosses = 0;
  #fill: Fill | undefined;
  #interrupts = 0;
  #buffers: { buffer: GuestBuffer; iova: number; fill: number }[] = [];
  readonly #first: Lane;
  readonly #lanes: (Lane & { readonly queue: GuestQueue })[] = [];
  /** All that it ever began. */
  readonly #works: Promise<void>[] = [];
  /** Interrupts that its commands raise. */
  #promised = 0;

  constructor(guest: RandomGuest) {
    this.#guest = guest;
    this.#coproc = guest.domain.coproc(guest.coproc);
    this.#first = { queue: this.#coproc, sent: 0, heard: 0 };
    this.#coproc.onInterrupt(() => this.#interrupts++);
  }

  /** Writes a register that is plain storage, or reads back what it wrote. */
  register(draw: Draw): void {
    const { run, coproc, scratch, domain } = this.#guest;
    const { registers } = this.#coproc;
    const offset = scratch[draw(scratch.length)]!;
    if (draw(2) === 1) {
      const value = draw(2 ** 16) * 0x10001;
      if (this.#scratchLosses !== run.losses(coproc)) this.#scratch.clear();
      this.#scratchLosses = run.losses(coproc);
      registers.write(offset, value);
      this.#scratch.set(offset, value);
      return;
    }
    if (draw(4) === 1) registers.write(draw(1024) * 4 + 0x400, draw(256));
    const found = registers.read(offset);
    const expected = this.#scratch.get(offset) ?? 0;
    if (
      found !== expected &&
      this.#scratchLosses === run.losses(coproc) &&
      !run.disturbed(coproc, domain.name)
    )
      run.broken(
        LAW.registers,
        `${this.#name}: register ${offset} reads ${found}, it was written ${expected}`,
      );
  }

  /** Maps a buffer, or takes one back. */
  async memory(draw: Draw): Promise<void> {
    const { domain } = this.#guest;
    // Which it is does not depend on how far its commands are: a guest does the same beside others and alone.
    const taken = draw(2) === 0 ? this.#buffers.pop() : undefined;
    if (taken !== undefined) {
      await Promise.all(this.#works);
      await this.#coproc.unmap(taken.iova);
      domain.memory.free(taken.buffer);
    } else if (this.#buffers.length < 4) {
      const buffer = domain.memory.allocate(64 + draw(2000) * 4);
      const fill = draw(256);
      buffer.bytes.fill(fill);
      this.#buffers.push({ buffer, iova: this.#coproc.map(buffer, 'read-write'), fill });
    }
  }

  /** Creates a queue, changes one, or destroys one whatever is outstanding in it. */
  async queue(draw: Draw): Promise<void> {
    const settings = (): Pick<QueueSettings, 'priority' | 'coalesce'> => ({
      priority: draw(HIGHEST_PRIORITY + 1),
      coalesce: { count: 1 + draw(3), time: SLEEPS[draw(SLEEPS.length)]! },
    });
    const kind = draw(3);
    const at = kind === 0 ? -1 : draw(this.#lanes.length + 1) - 1;
    if (at >= 0 && kind === 1) this.#lanes[at]!.queue.change(settings());
    else if (at >= 0) await this.#lanes.splice(at, 1)[0]!.queue.destroy();
    else if (this.#lanes.length < MOST_QUEUES) {
      const queue = this.#newQueue({ capacity: 2 ** draw(5), ...settings() });
      if (queue !== undefined) this.#lanes.push({ queue, sent: 0, heard: 0 });
    }
  }

  /** There may be no memory for it. */
  #newQueue(settings: QueueSettings): GuestQueue | undefined {
    const { run, coproc, domain } = this.#guest;
    try {
      return this.#coproc.createQueue(settings);
    } catch (error) {
      if (error instanceof GuestError && run.disturbed(coproc, domain.name)) return undefined;
      throw error;
    }
  }

  work(draw: Draw): Promise<void> {
    const { firmware, hostile } = this.#guest;
    const lane = this.#lanes[draw(this.#lanes.length + 1) - 1] ?? this.#first;
    let work: Promise<void>;
    if (firmware === 'noop') work = this.#echo(draw, lane);
    else if (firmware === 'pattern') work = this.#pattern(draw, lane);
    else if (firmware === 'stream') work = this.#checksum(draw, lane);
    else work = this.#spin(draw, hostile, lane);
    this.#works.push(work);
    return work;
  }

  /** The last look, once nothing is under way. */
  async verify(): Promise<void> {
    if (this.#fill !== undefined && !this.over) await this.#verifyPattern(this.#first);
  }

  async #echo(draw: Draw, lane: Lane): Promise<void> {
    const many = 1 + draw(3) * draw(50);
    const words = Array.from({ length: many }, (_, number) => number * 7919);
    const done = await Promise.all(words.map((word) => this.#submit(lane, 1, [word, ~word])));
    done.forEach((completion, number) => {
      const [first, second] = completion.results;
      if (completion.status === 'ok' && (first !== words[number] || second !== ~words[number]!))
        this.#guest.run.broken(
          LAW.commands,
          `${this.#name}: noop gave ${first}, ${second} for ${words[number]}`,
        );
    });
  }

  async #pattern(draw: Draw, lane: Lane): Promise<void> {
    if (this.#fill === undefined || draw(2) === 1) {
      const fill: Fill = { seed: 1 + draw(1000), losses: this.#losses, done: false };
      this.#fill = fill;
      // Two queues would not say which fill was the last.
      const { status } = await this.#submit(this.#first, 1, [fill.seed]);
      fill.done = status === 'ok';
    } else await this.#verifyPattern(lane);
  }

  async #verifyPattern(lane: Lane): Promise<void> {
    const fill = this.#fill;
    if (fill === undefined) return;
    const { done } = fill;
    const { status, results } = await this.#submit(lane, 2, [fill.seed]);
    if (!done || status !== 'ok' || fill !== this.#fill || fill.losses !== this.#losses) return;
    if (results[1] !== -1) {
      const where = `local memory at ${results[1]} is ${results[2]}, it was filled with ${results[3]}`;
      this.#guest.run.broken(LAW.kept, `${this.#name}: ${where}`);
    }
  }

  async #checksum(draw: Draw, lane: Lane): Promise<void> {
    const one = this.#buffers[draw(4)];
    if (one === undefined) return;
    const { buffer, iova, fill } = one;
    let expected = 0x811c9dc5;
    for (let at = 0; at < buffer.size; at++) expected = Math.imul(expected ^ fill, 0x0100_0193);
    const { status, results } = await this.#submit(lane, 1, [iova, buffer.size]);
    if (status === 'ok' && results[0] !== expected)
      this.#guest.run.broken(
        LAW.commands,
        `${this.#name}: the checksum of a buffer is ${results[0]}, not ${expected}`,
      );
  }

  async #spin(draw: Draw, hostile: boolean, lane: Lane): Promise<void> {
    const { run, coproc, domain } = this.#guest;
    const kind = draw(hostile ? 11 : 5);
    if (kind < 2) {
      const times = 1 + draw(40);
      const { status, results } = await this.#submit(lane, 4, [times]);
      if (status === 'ok' && results[0] !== times)
        run.broken(LAW.commands, `${this.#name}: ${results[0]} steps were counted, ${times} were asked for`);
    } else if (kind === 2) {
      const times = 1 + draw(12);
      this.#promised += times;
      await this.#submit(lane, 11, [times, 2 + draw(20)]);
      if (this.#interrupts > this.#promised + run.strays(coproc))
        run.broken(
          LAW.interrupts,
          `${this.#name}: ${this.#interrupts} interrupts came, ${this.#promised} were asked for`,
        );
    } else if (kind === 3) {
      const code = -1 - draw(100);
      const { status, reason } = await this.#submit(lane, 10, [code], true);
      if (
        status === 'failed' &&
        reason?.startsWith('firmware error') === true &&
        reason !== `firmware error ${code}`
      )
        run.broken(LAW.commands, `${this.#name}: ${reason} for an error ${code}`);
    } else if (kind === 4) {
      // Who leaves between commands only asks for longer than one takes, and has done nothing wrong.
      const times = 1 + draw(6);
      const many = Array.from({ length: 1 + draw(16) }, () => this.#submit(lane, 12, [POLITE_US, times]));
      for (const { status, results } of await Promise.all(many))
        if (status === 'ok' && results[0] !== times)
          run.broken(
            LAW.commands,
            `${this.#name}: ${results[0]} steps were counted, ${times} were asked for`,
          );
    } else {
      run.disturb(coproc, domain.name);
      const [op, ...args] = [[1], [2], [5, 200, 30], [8, 0xffff_f000], [5, 900, 400], [12, 100, 1e9]][
        kind - 5
      ]!;
      await this.#submit(lane, op!, args, true);
    }
  }

  async #submit(lane: Lane, op: number, args: readonly number[], mayFail = false): Promise<Completion> {
    const { run, coproc, domain } = this.#guest;
    const number = lane.sent++;
    const completion = await lane.queue.submit({ op, args });
    if (number !== lane.heard++)
      run.broken(LAW.order, `${this.#name}: command ${number} of a queue completed as its ${lane.heard}th`);
    if (completion.status === 'ok') return completion;
    // Cancelled is what is open when its own domain ends.
    if (!mayFail && completion.status === 'failed' && !run.disturbed(coproc, domain.name))
      run.broken(
        LAW.guilty,
        `${this.#name}: a command ${completion.status}: ${completion.reason}, and nothing was done to ${coproc}`,
      );
    if (completion.reason?.startsWith('firmware error') !== true)
      this.over ||= this.#refused(completion.reason);
    return completion;
  }

  /** Whether nothing that it submits will ever succeed again. */
  #refused(reason: string | undefined): boolean {
    return (
      reason !== 'coprocessor reset' &&
      reason !== 'its queue was destroyed' &&
      reason?.startsWith('IOMMU fault') !== true
    );
  }

  get #losses(): number {
    return this.#guest.run.losses(this.#guest.coproc);
  }

  get #name(): string {
    return `${this.#guest.domain.name}/${this.#guest.coproc}`;
  }
}
