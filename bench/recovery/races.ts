import { mib, ms, seconds, showDuration, type Duration } from '../../src/base/units.ts';
import type { GuestCoproc, GuestDomain } from '../../src/contract/guest.ts';
import { coprocId } from '../../src/contract/names.ts';
import { RECOVERY } from '../../src/contract/recovery.ts';
import type { Bench } from '../harness/bench.ts';
import type { Contestant } from '../harness/race.ts';
import { System } from '../path/system.ts';
import { benchFirmware, touchFirmware } from '../sharing/touch.ts';

const GPU = coprocId('gpu0');
const DIRTY = 65_536;
const AT_ONCE = 4;
const GOAL = 0.9;
/** Steps that a tenant asks for at a time: about a slice. */
const SOME = 200;

/** What a tenant does over and over; a command that fails is all that it takes for the next one. */
const TENANTS = {
  works: '(i32.const 1)',
  traps: '(unreachable)',
  hangs: '(loop $for_ever (br $for_ever)) (i32.const 1)',
} as const;
type Way = keyof typeof TENANTS;

/** A neighbour and a tenant on one coprocessor. The tenant does what it does while it is told to. */
class Pair {
  readonly #system: System;
  readonly #way: Way;
  readonly #neighbour: GuestCoproc;
  readonly #tenant: GuestDomain;
  #on = false;
  /** How often the tenant was isolated and came again. */
  returns = 0;

  private constructor(system: System, way: Way, neighbour: GuestCoproc, tenant: GuestDomain) {
    this.#system = system;
    this.#way = way;
    this.#neighbour = neighbour;
    this.#tenant = tenant;
  }

  static async of(way: Way, stopDeadline: Duration): Promise<Pair> {
    const [touch, crash] = [await touchFirmware(DIRTY), await benchFirmware('crash', TENANTS[way])];
    const firmware = (name: string): typeof touch => (name === 'touch' ? touch : crash);
    const recovery = { ...RECOVERY, onFault: 'isolate' } as const;
    const system = new System(1, { timeslice: ms(1), localMemory: mib(1), firmware, recovery });
    system.hypervisor.watch(GPU, { stopDeadline });
    const neighbour = await system.domain('neighbour', GPU, 'touch');
    const tenant = await system.domain('tenant', GPU, way === 'works' ? 'touch' : 'crash');
    return new Pair(system, way, neighbour.coproc(GPU), tenant);
  }

  /**
   * Steps per second of the neighbour while the tenant does what it does, for about so long: to the end of what the
   * tenant began last, being kept away for it included.
   */
  async sample(milliseconds: number): Promise<number> {
    this.#on = true;
    const start = performance.now();
    const end = start + milliseconds;
    const tenant = Promise.all(
      Array.from({ length: this.#way === 'works' ? AT_ONCE : 1 }, () => this.#goOn(end)),
    ).finally(() => (this.#on = false));
    const work = async (): Promise<number> => {
      let steps = 0;
      while (this.#on) {
        const { status } = await this.#neighbour.submit({ op: 1, args: [SOME, DIRTY] });
        if (status === 'ok') steps += SOME;
      }
      return steps;
    };
    const steps = await Promise.all(Array.from({ length: AT_ONCE }, work));
    const length = (performance.now() - start) / 1e3;
    await tenant;
    if (this.#neighbourIsBlamed)
      throw new Error('the neighbour was blamed: this machine is too busy to measure');
    return steps.reduce((sum, some) => sum + some) / length;
  }

  async #goOn(end: number): Promise<void> {
    const { hypervisor } = this.#system;
    while (performance.now() < end) {
      await this.#tenant.coproc(GPU).submit({ op: 1, args: [SOME, DIRTY] });
      const own = hypervisor.domain('tenant')!;
      if (own.vcoprocs[0]?.state !== 'isolated') continue;
      await hypervisor.detach(own, GPU);
      hypervisor.forget(own);
      const again = await hypervisor.attach(own, GPU, 'crash', {});
      if (again.kind === 'failed') throw new Error(again.reason);
      this.returns++;
    }
  }

  get #neighbourIsBlamed(): boolean {
    return this.#system.hypervisor.domain('neighbour')!.vcoprocs[0]!.state === 'isolated';
  }

  close(): Promise<void> {
    return this.#system.close();
  }
}

/** What a tenant that crashes as fast as it can costs who shares its coprocessor. */
export const recoveryBench: Bench = {
  name: 'recovery',
  what: 'a neighbour of a tenant that crashes over and over, against the same beside one that works',
  async *races({ milliseconds }) {
    const isSmoke = milliseconds < 10;
    // Who never lets go costs this much each time. A thread of a busy machine may have no turn for as long.
    const stopDeadline = isSmoke ? seconds(1) : ms(200);
    const pairs = new Map<Way, Pair>();
    for (const way of Object.keys(TENANTS) as Way[])
      pairs.set(way, await Pair.of(way, way === 'hangs' ? stopDeadline : seconds(5)));
    // Long enough for the tenant to be isolated and to come again, some times.
    const long = isSmoke ? milliseconds : 20 * milliseconds;
    const contestants = [...pairs].map(([way, pair]): Contestant => ({
      name: `beside one that ${way}`,
      sample: () => pair.sample(long),
    }));
    const [works, ...others] = contestants;
    yield {
      title: `steps of a neighbour, 1 ms slices, stop deadline ${showDuration(stopDeadline)}`,
      unit: '/s',
      contestants,
      questions: others.map(({ name }) => ({ of: name, to: works!.name, goal: GOAL })),
      note: () => {
        const told = [...pairs].map(([way, { returns }]) => `${way}: came again ${returns} times`);
        return told.slice(1).join(', ');
      },
    };
    for (const pair of pairs.values()) await pair.close();
  },
};
