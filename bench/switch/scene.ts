import { mib, type Duration, type Instant } from '../../src/base/units.ts';
import type { TraceEvent } from '../../src/contract/events.ts';
import type { GuestCoproc } from '../../src/contract/guest.ts';
import type { Cores } from '../../src/runtime/threads/pinning.ts';
import { System } from '../path/system.ts';
import { touchFirmware } from '../sharing/touch.ts';

/** What one world switch took, in nanoseconds. */
export interface Switch {
  /** From the guest's submit to the state in which the next context runs. */
  readonly whole: number;
  /** Of that, the coprocessor's own part: from the first step that stopped the old context. */
  readonly own: number;
}

/** Two domains that take turns on one coprocessor, with a pause before each turn so that everybody sleeps. */
export class Scene {
  readonly #system: System;
  readonly #turns: GuestCoproc[] = [];
  readonly #dirty: number;
  #submitted: Instant | undefined;
  #arrived: Instant | undefined;
  #cost: Duration | undefined;

  private constructor(system: (scene: Scene) => System, dirty: number) {
    this.#system = system(this);
    this.#dirty = dirty;
  }

  static async of(context: number, dirty: number, pinned?: Cores): Promise<Scene> {
    const image = await touchFirmware(context);
    if (image.kind === 'failed') throw new Error(image.reason);
    const options = { localMemory: mib(16), firmware: () => image, pinned };
    const scene = new Scene(
      (self) => new System(1, { ...options, trace: (event) => self.#hear(event) }),
      dirty,
    );
    for (const name of ['a', 'b'])
      scene.#turns.push((await scene.#system.domain(name, 'gpu0', 'touch')).coproc('gpu0'));
    return scene;
  }

  #hear(event: TraceEvent): void {
    if (event.kind === 'submit') this.#submitted = event.at;
    else if (event.kind === 'switch') this.#cost = event.cost;
    else if (event.kind === 'coproc' && event.state === 'running') this.#arrived ??= event.at;
  }

  /** Switches without pauses, so that nothing runs for the first time later. */
  async warm(count: number): Promise<void> {
    for (let n = 0; n < count; n++) await this.#turns[n % 2]!.submit({ op: 1, args: [1, this.#dirty] });
  }

  /** Medians over so many milliseconds, at least one turn of each. */
  async switches(milliseconds: number): Promise<Switch> {
    const whole: number[] = [];
    const own: number[] = [];
    for (const end = performance.now() + milliseconds; performance.now() < end || whole.length < 2;) {
      const turn = this.#turns[whole.length % 2]!;
      await new Promise((resolve) => setTimeout(resolve, 3));
      this.#arrived = this.#cost = undefined;
      const { status, reason } = await turn.submit({ op: 1, args: [1, this.#dirty] });
      if (status !== 'ok') throw new Error(reason);
      whole.push((this.#arrived ?? NaN) - (this.#submitted ?? NaN));
      own.push(this.#cost ?? NaN);
    }
    return { whole: median(whole), own: median(own) };
  }

  close(): Promise<void> {
    return this.#system.close();
  }
}

const median = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
